/** Lower ids are reserved; the default scope and collection have id 0. */
const FIRST_ID = 8;
const DEFAULT = '_default';

export interface Collection {
  readonly id: number;
  readonly name: string;
  readonly scope: number;
  /** Longest life of its documents in seconds; 0: no limit. */
  readonly maxTtl: number;
}

interface Scope {
  readonly id: number;
  readonly name: string;
  readonly collections: Map<string, Collection>;
}

/** A change of the manifest, as an entry in the history of every vbucket. */
export type SystemEvent = { readonly manifest: bigint } & (
  | {
      readonly kind: 'collection begin';
      readonly scope: number;
      readonly collection: number;
      readonly name: string;
      readonly maxTtl: number;
    }
  | { readonly kind: 'collection end'; readonly scope: number; readonly collection: number }
  | { readonly kind: 'scope create'; readonly scope: number; readonly name: string }
  | { readonly kind: 'scope drop'; readonly scope: number }
);

/** The scopes and collections of a bucket. */
export class Manifest {
  readonly #scopes = new Map<string, Scope>();
  readonly #collections = new Map<number, Collection>();
  #uid = 0n;
  #nextId = FIRST_ID;

  constructor() {
    const collection = { id: 0, name: DEFAULT, scope: 0, maxTtl: 0 };
    this.#scopes.set(DEFAULT, { id: 0, name: DEFAULT, collections: new Map([[DEFAULT, collection]]) });
    this.#collections.set(0, collection);
  }

  copy(): Manifest {
    const copy = new Manifest();
    for (const [name, scope] of this.#scopes)
      copy.#scopes.set(name, { ...scope, collections: new Map(scope.collections) });
    for (const [id, collection] of this.#collections) copy.#collections.set(id, collection);
    copy.#uid = this.#uid;
    return copy;
  }

  get uid(): bigint {
    return this.#uid;
  }

  collection(id: number): Collection | undefined {
    return this.#collections.get(id);
  }

  hasScope(id: number): boolean {
    return [...this.#scopes.values()].some((scope) => scope.id === id);
  }

  scopeNamed(name: string): { readonly id: number } | undefined {
    return this.#scopes.get(name === '' ? DEFAULT : name);
  }

  /** Finds a collection by `scope.collection`; an empty name means the default one. */
  collectionAt(path: string): Collection | 'no scope' | 'no collection' | 'no path' {
    const names = path.split('.');
    if (names.length !== 2) return 'no path';
    const [scopeName = '', name = ''] = names;
    const scope = this.#scopes.get(scopeName === '' ? DEFAULT : scopeName);
    if (scope === undefined) return 'no scope';
    return scope.collections.get(name === '' ? DEFAULT : name) ?? 'no collection';
  }

  /** Creates a collection, and its scope if there is none. Returns the events, which are empty if the collection exists. */
  create(scopeName: string, name: string, maxTtl: number): SystemEvent[] {
    const events: SystemEvent[] = [];
    let scope = this.#scopes.get(scopeName);
    if (scope === undefined) {
      scope = { id: this.#nextId++, name: scopeName, collections: new Map() };
      this.#scopes.set(scopeName, scope);
      this.#uid += 1n;
      events.push({ kind: 'scope create', manifest: this.#uid, scope: scope.id, name: scopeName });
    }
    if (scope.collections.has(name)) return events;
    const collection = { id: this.#nextId++, name, scope: scope.id, maxTtl };
    scope.collections.set(name, collection);
    this.#collections.set(collection.id, collection);
    this.#uid += 1n;
    const begun = { manifest: this.#uid, scope: scope.id, collection: collection.id, name, maxTtl };
    return [...events, { kind: 'collection begin', ...begun }];
  }

  /** Drops a collection, or a scope with all its collections. */
  drop(scopeName: string, name?: string): SystemEvent[] {
    const scope = this.#scopes.get(scopeName);
    if (scope === undefined) return [];
    const dropped = [...scope.collections.values()].filter(
      (each) => name === undefined || each.name === name,
    );
    if (name === undefined || dropped.length > 0) this.#uid += 1n;
    for (const collection of dropped) {
      scope.collections.delete(collection.name);
      this.#collections.delete(collection.id);
    }
    const events: SystemEvent[] = dropped.map(({ id }) => ({
      kind: 'collection end',
      manifest: this.#uid,
      scope: scope.id,
      collection: id,
    }));
    if (name !== undefined) return events;
    this.#scopes.delete(scopeName);
    return [...events, { kind: 'scope drop', manifest: this.#uid, scope: scope.id }];
  }

  /** In the form of the protocol, with hexadecimal ids. */
  toJSON(): unknown {
    const scopes = [...this.#scopes.values()].map((scope) => ({
      name: scope.name,
      uid: scope.id.toString(16),
      collections: [...scope.collections.values()].map(({ name, id, maxTtl }) => ({
        name,
        uid: id.toString(16),
        ...(maxTtl > 0 && { maxTTL: maxTtl }),
      })),
    }));
    return { uid: this.#uid.toString(16), scopes };
  }
}
