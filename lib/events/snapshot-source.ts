import type { ChangeLog, LoggedClass, LoggedRecord, Place } from './change-log';
import { formatPosition } from './position';
import type { Pulled, Puller, Source } from './puller';

const PAGE = 256;
/** Before everything. */
const NOWHERE: Place = { seq: 0, index: 0 };

/** The records there are, as events of kind 'snapshot'; then what was committed after them. No change is missing or told twice. */
export class SnapshotSource implements Source {
  readonly #log: ChangeLog;
  readonly #after: Puller;
  #records: Iterator<LoggedRecord> | undefined;

  constructor(log: ChangeLog, classes: readonly LoggedClass[], pullerAfter: (place: Place) => Puller) {
    const { place, records } = log.snapshot(classes);
    this.#log = log;
    this.#records = records;
    this.#after = pullerAfter(place);
  }

  get place(): Place {
    return this.#records === undefined ? this.#after.place : NOWHERE;
  }

  get isAtEnd(): boolean {
    return this.#records === undefined && this.#after.isAtEnd;
  }

  pull(): Pulled[] {
    if (this.#records === undefined) return this.#after.pull();
    const position = formatPosition(this.#log.epoch, NOWHERE);
    const page: Pulled[] = [];
    while (page.length < PAGE) {
      const next = this.#records.next();
      if (next.done) {
        this.end();
        break;
      }
      const { logged, record } = next.value;
      const { name } = logged.definition;
      const event = { kind: 'snapshot', class: name, key: logged.userKeyOf(record), after: record };
      page.push({ ...event, position, transaction: undefined } as Pulled);
    }
    return page;
  }

  end(): void {
    this.#records?.return?.();
    this.#records = undefined;
  }
}
