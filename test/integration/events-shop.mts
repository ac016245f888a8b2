import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  connect,
  defineClass,
  type EmbeddedConnectOptions,
  type Feed,
  field,
  onCheckpoint,
  onDelete,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  onUpdate,
  uniqueIndex,
} from '../../lib/index.ts';

/** The class that the scenarios are told of. */
export const Order = defineClass('Order', {
  key: 'id',
  fields: {
    id: field.uint32(),
    customer: field.uint32(),
    state: field.uint32(),
    note: field.string(),
    code: field.optional(field.string()),
  },
  indexes: { byCode: uniqueIndex('code') },
  events: [
    onNew('orderNew'),
    onUpdate(),
    onFieldUpdate('state'),
    onDelete(),
    onDeleteAll(),
    onCheckpoint(),
    onExpire(),
  ],
});

/** Commits something that is told, so that nothing before it is still to come. */
export const Marker = defineClass('Marker', { key: 'id', fields: { id: field.autoid() }, events: [onNew()] });

export const classes = [Order, Marker] as const;

export function order(
  id: number,
  more: { customer?: number; state?: number; note?: string; code?: string } = {},
) {
  return { id, customer: 1, state: 1, note: '', ...more };
}

export function open(
  options: EmbeddedConnectOptions<typeof classes> = {},
  url: `embedded:${string}` = 'embedded:',
) {
  return connect(url, { ...options, classes });
}

export type Shop = Awaited<ReturnType<typeof open>>;

/** A directory that goes when it is disposed of. */
export class Directory implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Directory> {
    return new Directory(await mkdtemp(path.join(tmpdir(), 'evenkeel-events-')));
  }

  get url(): `embedded:${string}` {
    return `embedded://${this.path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** What a feed of orders and markers tells up to the next marker, which is committed here; the marker is left out. */
export async function told<E extends { readonly kind: string }>(db: Shop, feed: Feed<E>): Promise<E[]> {
  await db.records(Marker).insert({});
  const events: E[] = [];
  for (;;) {
    const { value, done } = await feed.next();
    if (done || value === undefined) return events;
    if ((value as { class?: string }).class === 'Marker') return events;
    events.push(value);
  }
}

/** An event in short. */
export function short(event: { readonly kind: string } & object): string {
  const {
    kind,
    key,
    field: name,
    times,
    count,
  } = event as {
    kind: string;
    key?: unknown;
    field?: string;
    times?: number;
    count?: number;
  };
  return [kind, name, key, times, count].filter((each) => each !== undefined).join(' ');
}
