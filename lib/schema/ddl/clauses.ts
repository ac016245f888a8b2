import { declareWhole, type EventDeclaration, onFieldUpdate, type WholeEventKind } from '../events';
import type { TimeToLive } from '../ttl';
import type { Cursor } from './cursor';
import type { Token } from './lexer';
import type { Scope } from './scope';

const EVENT_KINDS: ReadonlyMap<string, WholeEventKind> = new Map([
  ['new', 'new'],
  ['update', 'update'],
  ['delete', 'delete'],
  ['delete_all', 'deleteAll'],
  ['checkpoint', 'checkpoint'],
  ['expire', 'expire'],
]);
const UNITS_A_SECOND: ReadonlyMap<string, number> = new Map([
  ['sec', 1],
  ['ms', 1000],
  ['us', 1_000_000],
]);

/** The first words of Time-To-Live clauses. */
export const TIME_TO_LIVE: ReadonlySet<string> = new Set(['TTL_count', 'TTL_clock_time', 'TTL_renew_on']);

export interface ParsedEvent {
  readonly name: Token;
  readonly event: EventDeclaration;
  /** The field of a field update event. */
  readonly field?: Token;
}

/** `event <kind> name;` or `event <field update> name;` */
export function parseEvent(scope: Scope): ParsedEvent {
  const { cursor } = scope;
  cursor.expect('event');
  const [first, ofField] = cursor.angled(
    () => [cursor.name('a kind of event'), cursor.accept('update')] as const,
  );
  const kind = EVENT_KINDS.get(first.text);
  if (ofField === undefined && kind === undefined)
    cursor.fail(first, `an event is one of ${[...EVENT_KINDS.keys()].join(', ')}, not ${first.text}`);
  const name = scope.newEvent();
  cursor.expect(';');
  if (ofField === undefined && kind !== undefined) return { name, event: declareWhole(kind, name.text) };
  return { name, event: onFieldUpdate(first.text, name.text), field: first };
}

export interface ParsedTimeToLive {
  readonly clause: Token;
  readonly policy: TimeToLive;
}

/** `TTL_count n;`, `TTL_clock_time n sec|ms|us;` or `TTL_renew_on update;` */
export function parseTimeToLive({ cursor }: Scope): ParsedTimeToLive {
  const clause = cursor.take();
  const policy = parsePolicy(clause, cursor);
  cursor.expect(';');
  return { clause, policy };
}

function parsePolicy({ text }: Token, cursor: Cursor): TimeToLive {
  switch (text) {
    case 'TTL_count':
      return { count: cursor.positiveInteger('a count') };
    case 'TTL_clock_time':
      return { age: cursor.positiveInteger('an age') / parseUnit(cursor) };
    default:
      cursor.expect('update');
      return { renewOnUpdate: true };
  }
}

function parseUnit(cursor: Cursor): number {
  const unit = cursor.take();
  const units = [...UNITS_A_SECOND.keys()].join(', ');
  return UNITS_A_SECOND.get(unit.text) ?? cursor.fail(unit, `expected one of ${units}, not ${unit.text}`);
}
