import { isRegExp } from 'node:util/types';
import type { Dialect } from './dialect';
import type { ConnectAction, ConnectFault, FaultRule, RequestAction, RequestFault } from './faults';
import type { AnyRequest } from './requests';

/** Rules over operations by whatever names a protocol has for them. */
type AnyRule = FaultRule<string>;
type AnyRequestFault = RequestFault<string>;

interface ActiveFault<Rule extends AnyRule> {
  readonly rule: Rule;
  readonly opcodes: ReadonlySet<number> | undefined;
  seen: number;
  hits: number;
}

/** The faults set, in order of their setting; the first that matches strikes. */
export class FaultBook {
  /** The numbers of operations by their names. */
  readonly #opcodes: Readonly<Record<string, number>>;
  readonly #general: FaultBook | undefined;
  readonly #requestFaults = new Map<number, ActiveFault<AnyRequestFault>>();
  readonly #connectFaults = new Map<number, ActiveFault<ConnectFault>>();
  readonly #spentHits = new Map<number, number>();
  #nextId = 1;

  /** Faults of requests in `general`, which several servers share, strike where none of this book does. */
  constructor(opcodes: Readonly<Record<string, number>>, general?: FaultBook) {
    this.#opcodes = opcodes;
    this.#general = general;
  }

  get hasRequestFaults(): boolean {
    return this.#requestFaults.size > 0 || (this.#general?.hasRequestFaults ?? false);
  }

  get refuses(): boolean {
    for (const fault of this.#connectFaults.values()) if (fault.rule.action.kind === 'refuse') return true;
    return false;
  }

  add(rule: AnyRule): number {
    const id = this.#nextId++;
    if (rule.on === 'connect') this.#connectFaults.set(id, active(rule, undefined));
    else this.#requestFaults.set(id, active(rule, opcodesOf(rule, this.#opcodes)));
    return id;
  }

  remove(id: number): void {
    this.#spentHits.set(id, this.hits(id));
    this.#requestFaults.delete(id);
    this.#connectFaults.delete(id);
  }

  clear(): void {
    for (const id of [...this.#requestFaults.keys(), ...this.#connectFaults.keys()]) this.remove(id);
  }

  /** How often the fault has struck; still known after its removal. */
  hits(id: number): number {
    const fault = this.#requestFaults.get(id) ?? this.#connectFaults.get(id);
    return fault?.hits ?? this.#spentHits.get(id) ?? 0;
  }

  forRequest<Request extends AnyRequest>(
    request: Request,
    dialect: Dialect<Request>,
    connection: number,
  ): RequestAction | undefined {
    for (const fault of this.#requestFaults.values()) {
      const { action } = fault.rule;
      if (matches(fault, request) && dialect.knows(action, request) && strikes(fault, connection))
        return action;
    }
    return this.#general?.forRequest(request, dialect, connection);
  }

  forConnection(connection: number): Exclude<ConnectAction, { kind: 'refuse' }> | undefined {
    for (const fault of this.#connectFaults.values()) {
      const { action } = fault.rule;
      if (action.kind !== 'refuse' && strikes(fault, connection)) return action;
    }
    return undefined;
  }
}

function active<Rule extends AnyRule>(
  rule: Rule,
  opcodes: ReadonlySet<number> | undefined,
): ActiveFault<Rule> {
  return { rule, opcodes, seen: 0, hits: 0 };
}

function opcodesOf(
  rule: AnyRequestFault,
  opcodes: Readonly<Record<string, number>>,
): ReadonlySet<number> | undefined {
  if (rule.opcode === undefined) return undefined;
  const listed = Array.isArray(rule.opcode) ? rule.opcode : [rule.opcode];
  const numbers = listed.map((opcode) => (typeof opcode === 'number' ? opcode : opcodes[opcode]));
  return new Set(numbers.filter((opcode) => opcode !== undefined));
}

function matches(fault: ActiveFault<AnyRequestFault>, request: AnyRequest): boolean {
  if (fault.opcodes !== undefined && !fault.opcodes.has(request.opcode)) return false;
  const wanted = fault.rule.key;
  if (wanted === undefined) return true;
  return request.keys().some((key) => {
    if (typeof wanted === 'string') return key === wanted;
    return isRegExp(wanted) ? key.search(wanted) !== -1 : wanted(key);
  });
}

function strikes(fault: ActiveFault<AnyRule>, connection: number): boolean {
  const { rule } = fault;
  if (rule.connection !== undefined && rule.connection !== connection) return false;
  if (fault.hits >= (rule.times ?? Number.POSITIVE_INFINITY)) return false;
  fault.seen += 1;
  if (fault.seen < (rule.nth ?? 1)) return false;
  fault.hits += 1;
  return true;
}
