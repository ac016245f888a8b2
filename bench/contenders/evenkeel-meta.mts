// evenkeel on the host base, by the meta protocol.
import { EventBase } from 'evenkeel';
import type { Contender } from './contender.mts';
import { openOn } from './evenkeel.mts';

export const contender: Contender = {
  name: 'evenkeel-meta',
  values: 'buffer',
  open: (target) => openOn(EventBase.host, target, 'meta'),
};
