import { ServerError } from '../../errors';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { Kind, type Operation } from '../../transactions/operation';
import { MutationResult, RecordResult } from '../../transactions/results';
import type { Completions } from '../network/completions';

/** What a successful answer resolves to. Throws what the transcoder throws, and ServerError for what makes no sense. */
export function readAnswer(
  operation: Operation,
  completions: Completions,
  native: NativeClient,
  at: number,
): unknown {
  switch (operation.kind) {
    case Kind.get:
    case Kind.getAndTouch:
      return completions.value(native, at);
    case Kind.getRecord: {
      const { records } = completions;
      return new RecordResult(
        completions.value(native, at),
        records[at + layout.RECORD_FLAGS] as number,
        records[at + layout.RECORD_CAS_HIGH] as number,
        records[at + layout.RECORD_CAS_LOW] as number,
      );
    }
    case Kind.exists:
    case Kind.remove:
    case Kind.touch:
      return true;
    case Kind.increment:
    case Kind.decrement: {
      const counter = completions.counter(at);
      if (counter === undefined) throw new ServerError('the server answered a counter with what is none');
      return counter;
    }
    default: {
      const { records } = completions;
      return new MutationResult(
        records[at + layout.RECORD_CAS_HIGH] as number,
        records[at + layout.RECORD_CAS_LOW] as number,
      );
    }
  }
}
