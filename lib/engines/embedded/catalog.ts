import { isDeepStrictEqual } from 'node:util';
import { invalidArgument } from '../../arguments';
import { damaged } from '../../damage';
import { EvenkeelError, SchemaMismatchError } from '../../errors';
import { BOTH_VIEWS, ChangeKind } from '../../events/change-kind';
import { HookList } from '../../events/hooks';
import { setImmediate } from '../../platform';
import { type ClassDefinition, checkClass } from '../../schema/class';
import { classFromDescription, describeClass } from '../../schema/description';
import type { Beside } from './beside';
import { ClassStore } from './class-store';
import { JournalWriter } from './journal';
import { BINARY, entryCount, FROM_FIRST, peek, type Root, storageError, type Tree } from './lmdb';
import type { IndexProgress } from './options';
import { type Shape, shapesOf } from './shapes';
import { readState, type State, writeState } from './state';
import { checkEventNames, merge, type StoredClass, treeNames } from './stored-class';
import { causeOf, writeTransaction } from './write-transaction';

const KEY = Buffer.from('schema');
/** Holds `implicit` when events of all kinds are delivered, whatever the classes declare. */
const EVENTS_KEY = Buffer.from('events');
/** The number of records to add to a new index before yielding. */
const BUILD_PAGE = 500;
const KEEP_ALL = { maxAge: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY };

const IMPLICIT = Buffer.from('implicit');

export interface DeclareOptions {
  readonly events: 'implicit' | undefined;
  readonly readOnly: boolean;
  readonly onProgress: (progress: IndexProgress) => void;
  /** ms since 1970. */
  readonly now: () => number;
}

/** The classes stored in a database. */
export class Catalog {
  readonly #root: Root;
  readonly #meta: Tree;
  readonly #path: string;
  readonly #journal: Tree;
  /** Open trees by name. */
  readonly #trees = new Map<string, Tree>();
  readonly #byName = new Map<string, ClassStore>();
  readonly #byId = new Map<number, ClassStore>();
  readonly #byDefinition = new WeakMap<ClassDefinition, ClassStore>();
  /** The stored classes by number; and for each store, the stored class that it was made from. */
  readonly #stored = new Map<number, StoredClass>();
  readonly #madeFrom = new WeakMap<ClassStore, StoredClass>();
  #version: number;
  #isImplicit: boolean;

  /** Loads the stored classes. */
  constructor(root: Root, { meta, journal }: { readonly meta: Tree; readonly journal: Tree }, path: string) {
    this.#root = root;
    this.#meta = meta;
    this.#journal = journal;
    this.#path = path;
    this.#version = readState(meta).schemaVersion;
    this.#isImplicit = this.#readImplicit();
    for (const each of this.#read()) this.#add(each, classFromDescription(each.description));
  }

  get version(): number {
    return this.#version;
  }

  /** Whether events of all kinds are delivered for all classes. Never reset, because others rely on it. */
  get isImplicit(): boolean {
    return this.#isImplicit;
  }

  get stores(): Iterable<ClassStore> {
    return this.#byName.values();
  }

  byName(name: string): ClassStore | undefined {
    return this.#byName.get(name);
  }

  /** Throws InvalidArgumentError (`class`) for a class that the database was not opened with. */
  storeOf(definition: ClassDefinition): ClassStore {
    const store = this.#byDefinition.get(checkClass(definition));
    if (store !== undefined && this.#isCurrent(store)) return store;
    throw invalidArgument('class', `class ${definition.name} is not one that the database was opened with`);
  }

  /** Throws when the class has changed since the store was made: the store does not know its new indexes. */
  assertCurrent(store: ClassStore): void {
    if (this.#isCurrent(store)) return;
    throw new SchemaMismatchError(
      `${this.#path}: class ${store.name} has been changed since; open the database again`,
      { context: { class: store.name } },
    );
  }

  byId(id: number): ClassStore | undefined {
    return this.#byId.get(id);
  }

  /**
   * Declares the classes: stores additions and builds new indexes; with `implicit`, enables all of their events.
   * Rejects with SchemaMismatchError, without any change, when a stored class differs otherwise.
   */
  async declare(
    definitions: readonly ClassDefinition[],
    { events, readOnly, onProgress, now }: DeclareOptions,
    beside: Beside,
  ): Promise<void> {
    const isNewlyImplicit = events === 'implicit' && !this.#readImplicit();
    const isStored = this.#additions(definitions).length === 0 && !isNewlyImplicit;
    if (readOnly && !isStored)
      throw new SchemaMismatchError(
        `${this.#path}: the classes${isNewlyImplicit ? ' and their events' : ''} are not those stored, and it is opened to be read`,
      );
    if (!isStored || (!readOnly && !this.#hasTrees()))
      await this.#store(definitions, isNewlyImplicit, onProgress, now, beside);
    this.#version = readState(this.#meta).schemaVersion;
    if (!this.#isImplicit && this.#readImplicit()) {
      this.#isImplicit = true;
      for (const each of this.#byId.values()) each.tellAll();
    }
    const given = new Map(definitions.map((each) => [each.name, each]));
    for (const each of this.#read()) {
      const { id, description } = each;
      if (!isDeepStrictEqual(this.#stored.get(id), each)) this.#stored.set(id, each);
      const definition = given.get(description.name);
      const store = definition === undefined ? this.#byId.get(id) : this.#byDefinition.get(definition);
      if (store === undefined || !this.#isCurrent(store))
        this.#add(this.#stored.get(id) as StoredClass, definition ?? classFromDescription(description));
    }
  }

  #isCurrent(store: ClassStore): boolean {
    return this.#madeFrom.get(store) === this.#stored.get(store.id);
  }

  /**
   * Runs in one write transaction, which also opens the trees: LMDB's own synchronous transaction for opening a tree
   * must not run while another is in progress in the background.
   */
  async #store(
    definitions: readonly ClassDefinition[],
    isImplicit: boolean,
    onProgress: (progress: IndexProgress) => void,
    now: () => number,
    beside: Beside,
  ): Promise<void> {
    const trees = new Set(this.#trees.keys());
    let theirs: unknown;
    const tell = (progress: IndexProgress): void => {
      try {
        onProgress(progress);
      } catch (error) {
        theirs = error;
        throw error;
      }
    };
    try {
      await writeTransaction(this.#root, () => {
        const steps = this.#write(definitions, isImplicit, now());
        const first = steps.next();
        return first.done ? undefined : this.#build(first, steps, tell, beside);
      });
    } catch (error) {
      // Trees opened in a failed transaction are gone.
      for (const name of this.#trees.keys()) if (!trees.has(name)) this.#trees.delete(name);
      throw error instanceof EvenkeelError || error === theirs
        ? error
        : storageError(await causeOf(error), this.#path);
    } finally {
      beside.end();
    }
  }

  /** The rest of what #write() does, in the same write transaction but over several turns. */
  async #build(
    first: IteratorResult<IndexProgress, void>,
    steps: Generator<IndexProgress, void>,
    onProgress: (progress: IndexProgress) => void,
    beside: Beside,
  ): Promise<void> {
    try {
      for (let step = first; !step.done; step = steps.next()) {
        beside.begin();
        onProgress(step.value);
        await new Promise((resolve) => setImmediate(resolve));
        beside.resume();
      }
    } finally {
      beside.begin();
    }
  }

  /** Runs in the write transaction; yields where other callbacks may run. */
  *#write(
    definitions: readonly ClassDefinition[],
    isImplicit: boolean,
    now: number,
  ): Generator<IndexProgress, void> {
    const added = this.#additions(definitions); // read under the lock: another process may have been faster
    const before = new Map(this.#read().map((each) => [each.id, each]));
    const stored = new Map([...before, ...added.map((each) => [each.id, each] as const)]);
    const changed = added.filter(({ id }) => before.has(id));
    if (added.length > 0) this.#meta.putSync(KEY, Buffer.from(JSON.stringify([...stored.values()])));
    const isNewlyImplicit = isImplicit && !this.#readImplicit();
    if (isNewlyImplicit) this.#meta.putSync(EVENTS_KEY, IMPLICIT);
    if (added.length > 0 || isNewlyImplicit) this.#countChange(changed, now);
    for (const each of stored.values()) {
      const store = this.#make(each, classFromDescription(each.description));
      const old = before.get(each.id);
      if (old !== undefined) yield* this.#buildIndexes(old, store);
    }
  }

  /** False when another process has added to the classes. */
  #hasTrees(): boolean {
    return this.#read().every((each) => treeNames(each).every((name) => this.#trees.has(name)));
  }

  /** The version tells everybody who has the directory open to open it again. */
  #countChange(changed: readonly StoredClass[], now: number): void {
    const state = readState(this.#meta);
    state.schemaVersion += 1;
    state.time = Math.max(state.time, now);
    this.#journalChanges(changed, state);
    writeState(this.#meta, state);
  }

  #readImplicit(): boolean {
    return peek(this.#meta, EVENTS_KEY)?.equals(IMPLICIT) ?? false;
  }

  #read(): StoredClass[] {
    const bytes = peek(this.#meta, KEY);
    if (bytes === undefined) return [];
    try {
      return JSON.parse(bytes.toString());
    } catch {
      throw damaged(`${this.#path}: the schema`, { node: this.#path });
    }
  }

  /** Subscribers to schema changes learn where the new form begins. */
  #journalChanges(changed: readonly StoredClass[], state: State): void {
    if (changed.length === 0) return;
    const journal = new JournalWriter(this.#journal, state);
    const none = { before: undefined, after: undefined, changed: undefined };
    for (const { id: classId } of changed)
      journal.add({
        kind: ChangeKind.schema,
        flags: BOTH_VIEWS,
        classId,
        ...none,
        extra: state.schemaVersion,
      });
    journal.end();
    journal.flush(KEEP_ALL, { isBehind: false });
  }

  /** The classes to store because they differ from the stored ones. */
  #additions(definitions: readonly ClassDefinition[]): StoredClass[] {
    const stored = this.#read();
    let lastId = Math.max(0, ...stored.map(({ id }) => id));
    const additions: StoredClass[] = [];
    for (const definition of definitions) {
      const description = describeClass(definition);
      const old = stored.find((each) => each.description.name === definition.name);
      if (old === undefined) {
        lastId += 1;
        const names = Object.keys(definition.fields);
        additions.push({ id: lastId, description, names, shapes: shapesOf(definition.fields) });
      } else if (!isDeepStrictEqual(old.description, JSON.parse(JSON.stringify(description)))) {
        additions.push(merge(old, definition, description, this.#path));
      }
    }
    checkEventNames(stored, additions, this.#path);
    return additions;
  }

  #add(stored: StoredClass, definition: ClassDefinition): void {
    const store = this.#make(stored, definition);
    this.#stored.set(store.id, stored);
    this.#madeFrom.set(store, stored);
    this.#byName.set(definition.name, store);
    this.#byId.set(store.id, store);
    this.#byDefinition.set(definition, store);
  }

  #make(stored: StoredClass, definition: ClassDefinition): ClassStore {
    const { id, names, shapes } = stored;
    const tree = (name: string): Tree => this.#tree(name);
    const hooks = this.#byId.get(id)?.hooks ?? new HookList();
    const reload = (): readonly Shape[] => this.#read().find((each) => each.id === id)?.shapes ?? shapes;
    const store = new ClassStore(id, definition, names, hooks, shapes, reload, {
      records: tree(`records:${id}`),
      indexes: new Map(Object.keys(definition.indexes).map((name) => [name, tree(`index:${id}:${name}`)])),
      order: definition.ttl?.count === undefined ? undefined : tree(`order:${id}`),
    });
    if (this.#isImplicit) store.tellAll();
    return store;
  }

  #tree(name: string): Tree {
    let tree = this.#trees.get(name);
    if (tree === undefined) {
      tree = this.#root.openDB(name, BINARY) as Tree;
      this.#trees.set(name, tree);
    }
    return tree;
  }

  /** Yields after each page. */
  *#buildIndexes(before: StoredClass, store: ClassStore): Generator<IndexProgress> {
    const { definition } = store;
    const built = new Set(before.description.indexes.map(({ name }) => name));
    const total = entryCount(store.records);
    for (const index of store.indexes) {
      if (built.has(index.name)) continue;
      let done = 0;
      for (
        let page = nextPage(store.records, undefined);
        page.length > 0;
        page = nextPage(store.records, page.at(-1)?.key)
      ) {
        for (const { key, value } of page) {
          const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
          const { record } = store.decode(bytes, bytes.length, key);
          const indexKey = store.indexKey(index, record, Buffer.from(key));
          if (peek(index.tree, indexKey) !== undefined) {
            throw new SchemaMismatchError(
              `${definition.name}: the unique index ${index.name} cannot be added: two records have the same value`,
              { context: { class: definition.name, index: index.name } },
            );
          }
          index.tree.putSync(indexKey, key);
        }
        done += page.length;
        yield { class: definition.name, index: index.name, done, total };
      }
    }
  }
}

function nextPage(tree: Tree, after: Uint8Array | undefined): { key: Uint8Array; value: Uint8Array }[] {
  const range = after === undefined ? FROM_FIRST : { start: after, end: undefined, exclusiveStart: true };
  return [...tree.getRange({ ...range, limit: BUILD_PAGE })];
}
