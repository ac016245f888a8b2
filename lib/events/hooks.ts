import { invalidArgument, shown } from '../arguments';
import { ClosedError, VetoError } from '../errors';
import type { Registration } from '../event-base/event-base';
import { isThenable } from '../foreign';
import type { ClassDefinition } from '../schema/class';
import type { KeyOf, RecordOf } from '../schema/record';

export type HookKind = 'new' | 'update' | 'delete' | 'deleteAll';

/** A change that is about to be made. */
export type HookChange<C extends ClassDefinition, K extends HookKind = HookKind> = C extends ClassDefinition
  ? K extends 'new'
    ? HookOf<C, 'new', undefined, RecordOf<C>>
    : K extends 'update'
      ? HookOf<C, 'update', RecordOf<C>, RecordOf<C>>
      : K extends 'delete'
        ? HookOf<C, 'delete', RecordOf<C>, undefined>
        : { readonly kind: 'deleteAll'; readonly class: C['name'] }
  : never;

interface HookOf<C extends ClassDefinition, K, Before, After> {
  readonly kind: K;
  readonly class: C['name'];
  readonly key: KeyOf<C>;
  readonly before: Before;
  readonly after: After;
}

export type Hook<C extends ClassDefinition, K extends HookKind> = (change: HookChange<C, K>) => void;

type AnyHook = (change: never) => unknown;

/** The hooks of one class. */
export class HookList {
  readonly #hooks = new Map<HookKind, Set<AnyHook>>();

  has(kind: HookKind): boolean {
    return (this.#hooks.get(kind)?.size ?? 0) > 0;
  }

  add(kinds: readonly HookKind[], hook: AnyHook): () => void {
    const call: AnyHook = (change) => hook(change); // a separate entry, however often the same function is added
    for (const kind of kinds) {
      const hooks = this.#hooks.get(kind) ?? new Set();
      this.#hooks.set(kind, hooks.add(call));
    }
    return () => {
      for (const kind of kinds) this.#hooks.get(kind)?.delete(call);
    };
  }

  /** Throws VetoError when a hook throws or returns a promise: hooks must be synchronous. */
  call(kind: HookKind, change: { readonly class: string }): void {
    for (const hook of this.#hooks.get(kind) ?? []) {
      let returned: unknown;
      let isAsynchronous: boolean;
      try {
        returned = hook({ kind, ...change } as never);
        isAsynchronous = isThenable(returned);
      } catch (cause) {
        throw new VetoError(`${change.class}: a hook refused the ${kind}`, {
          cause,
          context: { class: change.class },
        });
      }
      if (isAsynchronous) {
        Promise.resolve(returned).catch(() => {}); // nobody handles its rejection
        throw new VetoError(`${change.class}: a hook for ${kind} is asynchronous, and cannot be waited for`, {
          context: { class: change.class },
        });
      }
    }
  }
}

/**
 * Functions that are called during a write of this thread, before the change is made. They may refuse it by throwing.
 * They run once for each attempt of a transaction, but not for removals by Time-To-Live. Their side effects are not
 * undone.
 */
export class Hooks<Classes extends readonly ClassDefinition[] = readonly ClassDefinition[]> {
  readonly #listOf: (definition: ClassDefinition) => HookList;
  readonly #cancels = new Set<() => void>();
  #isEnded = false;

  constructor(listOf: (definition: ClassDefinition) => HookList) {
    this.#listOf = listOf;
  }

  /** Cancels all hooks registered here and refuses new ones. */
  end(): void {
    this.#isEnded = true;
    for (const cancel of this.#cancels) cancel();
  }

  /** Calls `hook` before each change of these kinds, whether or not the class declares events for them. */
  on<C extends Classes[number], const K extends HookKind>(
    definition: C,
    kinds: K | readonly K[],
    hook: Hook<C, K>,
  ): Registration {
    if (this.#isEnded) throw new ClosedError('the database is closed');
    const list: readonly HookKind[] = typeof kinds === 'string' ? [kinds] : kinds;
    if (!Array.isArray(list) || list.length === 0 || !list.every((each) => KINDS.has(each)))
      throw invalidArgument('kinds', `kinds are of ${[...KINDS].join(', ')}, not ${shown(kinds)}`);
    if (typeof hook !== 'function') throw invalidArgument('hook', `hook is a function, not ${shown(hook)}`);
    const remove = this.#listOf(definition).add(list, hook as AnyHook);
    const cancel = (): void => {
      remove();
      this.#cancels.delete(cancel);
    };
    this.#cancels.add(cancel);
    return { cancel, [Symbol.dispose]: cancel };
  }
}

const KINDS: ReadonlySet<string> = new Set<HookKind>(['new', 'update', 'delete', 'deleteAll']);
