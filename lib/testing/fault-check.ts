import type { ConnectAction, FaultRule, RequestAction } from './faults';
import { Opcode } from './protocol';

type Check = (value: unknown) => boolean;

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isMilliseconds: Check = (value) => typeof value === 'number' && value >= 0 && value <= 0x7fffffff;
const isFlag: Check = (value) => typeof value === 'boolean';
const isBytes: Check = (value) => value instanceof Uint8Array;
const isObject: Check = (value) => typeof value === 'object' && value !== null;
const isOneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isMoment: Check = (value) =>
  isOneOf('before', 'after')(value) ||
  (isObject(value) && isCount((value as { afterBytes?: unknown }).afterBytes));

/** Of each kind its parameters; those with an exclamation mark are required. */
const REQUEST_ACTIONS: Readonly<Record<RequestAction['kind'], Readonly<Record<string, Check>>>> = {
  delay: { 'ms!': isMilliseconds, reorder: isFlag },
  hang: { later: isOneOf('hang', 'answer') },
  drop: {},
  split: { sizes: isListOf(isCount), ms: isMilliseconds },
  truncate: { 'bytes!': isCount, end: isOneOf('silence', 'close', 'reset') },
  reset: { when: isMoment },
  close: { when: isMoment },
  wrongOpaque: { opaque: isCount },
  status: {
    'status!': isCount,
    body: (value) => typeof value === 'string' || isBytes(value),
    execute: isFlag,
  },
  garbage: { bytes: isBytes, seed: (value) => typeof value === 'number', length: isCount },
  header: { 'fields!': isObject },
  announce: { 'bytes!': isCount },
  unsolicited: { packets: isListOf(isBytes), position: isOneOf('before', 'after') },
};

const CONNECT_ACTIONS: Readonly<Record<ConnectAction['kind'], Readonly<Record<string, Check>>>> = {
  refuse: {},
  reset: {},
  silent: {},
  banner: { bytes: isBytes, seed: (value) => typeof value === 'number' },
};

/** Throws TypeError for a rule that could not strike as it is written; types alone do not stop a test in JavaScript. */
export function checkFault(rule: FaultRule): void {
  const { action } = rule;
  const actions: Readonly<Record<string, Readonly<Record<string, Check>>>> =
    rule.on === 'connect' ? CONNECT_ACTIONS : REQUEST_ACTIONS;
  const parameters =
    isObject(action) && Object.hasOwn(actions, action.kind) ? actions[action.kind] : undefined;
  if (parameters === undefined) throw new TypeError(`There is no fault of the kind ${String(action?.kind)}`);
  const given: Readonly<Record<string, unknown>> = { ...action };
  for (const [name, check] of Object.entries(parameters)) {
    const key = name.replace('!', '');
    if (given[key] === undefined ? name.endsWith('!') : !check(given[key])) {
      throw new TypeError(`A fault of the kind ${action.kind} has no such ${key}`);
    }
  }
  if (rule.on === 'connect' || rule.opcode === undefined) return;
  for (const opcode of Array.isArray(rule.opcode) ? rule.opcode : [rule.opcode]) {
    if (typeof opcode !== 'number' && !Object.hasOwn(Opcode, opcode)) {
      throw new TypeError(`There is no opcode ${String(opcode)}`);
    }
  }
}
