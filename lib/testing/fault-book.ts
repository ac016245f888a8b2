import { isRegExp } from 'node:util/types';
import type { Dialect } from './dialect';
import type { ConnectAction, ConnectFault, FaultRule, RequestAction, RequestFault } from './faults';
import { Opcode, type OpcodeName } from './protocol';
import type { AnyRequest } from './requests';

interface ActiveFault<Rule extends FaultRule> {
  readonly rule: Rule;
  readonly opcodes: ReadonlySet<number> | undefined;
  seen: number;
  hits: number;
}

/** The faults set, in order of their setting; the first that matches strikes. */
export class FaultBook {
  readonly #requestFaults = new Map<number, ActiveFault<RequestFault>>();
  readonly #connectFaults = new Map<number, ActiveFault<ConnectFault>>();
  readonly #spentHits = new Map<number, number>();
  #nextId = 1;

  get hasRequestFaults(): boolean {
    return this.#requestFaults.size > 0;
  }

  get refuses(): boolean {
    for (const fault of this.#connectFaults.values()) if (fault.rule.action.kind === 'refuse') return true;
    return false;
  }

  add(rule: FaultRule): number {
    const id = this.#nextId++;
    if (rule.on === 'connect') this.#connectFaults.set(id, active(rule, undefined));
    else this.#requestFaults.set(id, active(rule, opcodesOf(rule)));
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
    return undefined;
  }

  forConnection(connection: number): Exclude<ConnectAction, { kind: 'refuse' }> | undefined {
    for (const fault of this.#connectFaults.values()) {
      const { action } = fault.rule;
      if (action.kind !== 'refuse' && strikes(fault, connection)) return action;
    }
    return undefined;
  }
}

function active<Rule extends FaultRule>(
  rule: Rule,
  opcodes: ReadonlySet<number> | undefined,
): ActiveFault<Rule> {
  return { rule, opcodes, seen: 0, hits: 0 };
}

function opcodesOf(rule: RequestFault): ReadonlySet<number> | undefined {
  if (rule.opcode === undefined) return undefined;
  const listed = Array.isArray(rule.opcode) ? rule.opcode : [rule.opcode];
  return new Set(
    listed.map((opcode) => (typeof opcode === 'number' ? opcode : Opcode[opcode as OpcodeName])),
  );
}

function matches(fault: ActiveFault<RequestFault>, request: AnyRequest): boolean {
  if (fault.opcodes !== undefined && !fault.opcodes.has(request.opcode)) return false;
  const wanted = fault.rule.key;
  if (wanted === undefined) return true;
  return request.keys().some((key) => {
    if (typeof wanted === 'string') return key === wanted;
    return isRegExp(wanted) ? key.search(wanted) !== -1 : wanted(key);
  });
}

function strikes(fault: ActiveFault<FaultRule>, connection: number): boolean {
  const { rule } = fault;
  if (rule.connection !== undefined && rule.connection !== connection) return false;
  if (fault.hits >= (rule.times ?? Number.POSITIVE_INFINITY)) return false;
  fault.seen += 1;
  if (fault.seen < (rule.nth ?? 1)) return false;
  fault.hits += 1;
  return true;
}
