// evenkeel on the host base: sockets and JavaScript share one thread.
import { EventBase } from 'evenkeel';
import type { Contender } from './contender.mts';
import { openOn } from './evenkeel.mts';

export const contender: Contender = {
  name: 'evenkeel-host',
  values: 'buffer',
  open: (target) => openOn(EventBase.host, target),
};
