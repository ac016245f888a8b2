// evenkeel on a base with a native thread of its own; its CPU counts as the client's.
import { EventBase } from 'evenkeel';
import type { Contender } from './contender.mts';
import { openOn } from './evenkeel.mts';

export const contender: Contender = {
  name: 'evenkeel-thread',
  values: 'buffer',
  open: (target) => openOn(EventBase.create({ name: 'io' }), target),
};
