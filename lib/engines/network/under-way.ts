import type { Operation } from '../../transactions/operation';

/** The operations that native code has. Without methods: each operation goes through here twice. */
export class UnderWay {
  readonly bySlot: (Operation | undefined)[] = [];
  count = 0;
}
