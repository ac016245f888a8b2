import { isRegExp, isUint8Array } from 'node:util/types';
import { checkObject, checkOptions, invalidArgument, shown } from '../arguments';
import { nearest } from '../nearest';
import type { ConnectAction, FaultRule, HeaderLies, RequestAction } from './faults';

type Check = (value: unknown) => boolean;
/** Of each property its check, or those of its own properties. A name with an exclamation mark is required. */
interface Shape {
  readonly [name: string]: Check | Shape;
}

const isWholeUpTo =
  (most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
const isCount = isWholeUpTo(Number.MAX_SAFE_INTEGER);
const isU8 = isWholeUpTo(0xff);
const isU16 = isWholeUpTo(0xffff);
const isU32 = isWholeUpTo(0xffff_ffff);
const isU64: Check = (value) => typeof value === 'bigint' && BigInt.asUintN(64, value) === value;
const isMilliseconds: Check = (value) => typeof value === 'number' && value >= 0 && value <= 0x7fffffff;
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const isBytes: Check = (value) => isUint8Array(value);
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

const HEADER: Readonly<Record<keyof HeaderLies, Check>> = {
  magic: isU8,
  opcode: isU8,
  keyLength: isU16,
  extrasLength: isU8,
  datatype: isU8,
  status: isU16,
  totalBody: isU32,
  opaque: isU32,
  cas: isU64,
};

const REQUEST_ACTIONS: Readonly<Record<RequestAction['kind'], Shape>> = {
  delay: { 'ms!': isMilliseconds, reorder: isFlag },
  hang: { later: isOneOf('hang', 'answer') },
  drop: {},
  split: { sizes: isListOf(isCount), ms: isMilliseconds },
  truncate: { 'bytes!': isCount, end: isOneOf('silence', 'close', 'reset') },
  reset: { when: isMoment },
  close: { when: isMoment },
  wrongOpaque: { opaque: isU32 },
  status: {
    'status!': isU16,
    body: (value) => typeof value === 'string' || isBytes(value),
    execute: isFlag,
  },
  garbage: { bytes: isBytes, seed: isNumber, length: isWholeUpTo(2 ** 30) },
  header: { 'fields!': HEADER },
  announce: { 'bytes!': isU32 },
  unsolicited: { packets: isListOf(isBytes), position: isOneOf('before', 'after') },
};

const CONNECT_ACTIONS: Readonly<Record<ConnectAction['kind'], Shape>> = {
  refuse: {},
  reset: {},
  silent: {},
  banner: { bytes: isBytes, seed: isNumber },
};

const OCCURRENCE: Shape = {
  on: isOneOf('request', 'connect'),
  'action!': isObject,
  nth: (value) => isCount(value) && value !== 0,
  times: isCount,
  connection: isCount,
};
const REQUEST_RULE: Shape = {
  ...OCCURRENCE,
  key: (value) => typeof value === 'string' || typeof value === 'function' || isRegExp(value),
};

/**
 * InvalidArgumentError for a rule that could not strike as it is written; types alone do not stop a test in JavaScript.
 * `opcodes` has the names of operations.
 */
export function checkFault(rule: FaultRule<string>, opcodes: Readonly<Record<string, number>>): void {
  const { on } = checkObject(rule, 'rule');
  const isOpcode: Check = (value) =>
    typeof value === 'string' ? Object.hasOwn(opcodes, value) : isU8(value);
  const opcode: Check = (value) => (Array.isArray(value) ? value : [value]).every(isOpcode);
  check('rule', rule, on === 'connect' ? OCCURRENCE : { ...REQUEST_RULE, opcode });
  const { kind, ...parameters } = rule.action;
  const shapes: Readonly<Record<string, Shape>> = on === 'connect' ? CONNECT_ACTIONS : REQUEST_ACTIONS;
  const shape = typeof kind === 'string' && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
  if (shape === undefined) {
    const meant = typeof kind === 'string' ? nearest(kind, Object.keys(shapes)) : undefined;
    const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
    throw invalidArgument('action.kind', `action.kind: there is no fault of the kind ${shown(kind)}${hint}`);
  }
  check('action', parameters, shape);
}

function check(argument: string, given: unknown, shape: Shape): void {
  const names = Object.keys(shape).map((name) => name.replace('!', ''));
  const properties = checkOptions(given, new Set(names), argument);
  for (const [name, expected] of Object.entries(shape)) {
    const property = `${argument}.${name.replace('!', '')}`;
    const value = properties[name.replace('!', '')];
    if (value === undefined) {
      if (name.endsWith('!')) throw invalidArgument(property, `${property} is missing`);
    } else if (typeof expected !== 'function') {
      check(property, value, expected);
    } else if (!expected(value)) {
      throw invalidArgument(property, `${property} cannot be ${shown(value)}`);
    }
  }
}
