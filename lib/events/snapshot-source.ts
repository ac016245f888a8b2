import { type ChangeLog, type LoggedClass, type LoggedRecord, NOWHERE, type Place } from './change-log';
import type { Draft, Filter } from './filter';
import { formatPosition } from './position';
import type { Pulled, Puller, Source } from './puller';

const PAGE = 256;

/**
 * The existing records that the filter selects, as events of kind 'snapshot', then the changes committed after them. No
 * change is missed or delivered twice.
 */
export class SnapshotSource implements Source {
  readonly #log: ChangeLog;
  readonly #filter: Filter;
  readonly #after: Puller;
  #records: Iterator<LoggedRecord> | undefined;

  constructor(
    log: ChangeLog,
    filter: Filter,
    classes: readonly LoggedClass[],
    pullerAfter: (place: Place) => Puller,
  ) {
    const { place, records } = log.snapshot(classes);
    this.#log = log;
    this.#filter = filter;
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
    for (let i = 0; i < PAGE; i += 1) {
      const next = this.#records.next();
      if (next.done) {
        this.end();
        break;
      }
      const { logged, record } = next.value;
      if (this.#filter.isFor(logged, record)) page.push(snapshotEvent(logged, record, position));
    }
    return page;
  }

  end(): void {
    this.#records?.return?.();
    this.#records = undefined;
  }
}

export function snapshotEvent(logged: LoggedClass, record: LoggedRecord['record'], position: string): Draft {
  const event = { kind: 'snapshot', class: logged.definition.name, key: logged.userKeyOf(record) };
  return { ...event, after: record, position, transaction: undefined } as Draft;
}
