import { type Command, Option } from 'commander';
import { redactUrl } from '../cluster/connection-string';
import { type AnyEvent, connect, type Database, InvalidArgumentError } from '../index';
import { Ending } from './ending';
import { commaList } from './options';

interface WatchCommandOptions {
  readonly class?: readonly string[];
  readonly kind?: readonly string[];
  readonly from: string;
  readonly json?: boolean;
}

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('follow the events of an embedded database')
    .argument('<url>', 'embedded:///directory')
    .addOption(new Option('-c, --class <names>', 'of these classes (default: all)').argParser(commaList))
    .addOption(
      new Option('-k, --kind <kinds>', 'only new, update, fieldUpdate:field, delete, …').argParser(commaList),
    )
    .option('--from <where>', 'now, beginning, or a position that was printed', 'now')
    .option('--json', 'one JSON document a line')
    .action(watch);
}

async function watch(url: string, options: WatchCommandOptions): Promise<void> {
  if (!url.startsWith('embedded://'))
    throw new InvalidArgumentError(
      `only embedded databases in a directory can be watched, not ${redactUrl(url)}`,
    );
  let feed: { close(): void } | undefined;
  const ending = new Ending(() => feed?.close());
  const db: Database = await connect(url as `embedded:${string}`, { readOnly: true });
  try {
    const watched = chosen(db.classes, options.class, db.events.implicit);
    const isTold = db.events.implicit || watched.some(({ events }) => events.length > 0);
    if (!isTold && options.kind === undefined)
      throw new InvalidArgumentError(`${options.class?.join(', ')}: no event is declared`);
    const events = db.events.feed(watched, {
      from: options.from,
      ...(options.kind !== undefined && { kinds: options.kind as never[] }),
    });
    feed = events;
    if (ending.seen) return;
    const width = Math.max(...watched.map(({ name }) => name.length));
    for await (const event of events as AsyncIterable<AnyEvent>) {
      const line = options.json ? asJson(event) : asText(event, width);
      if (!(await ending.print(`${line}\n`))) break;
    }
  } finally {
    ending.close();
    await db.close();
  }
}

function chosen<C extends { readonly name: string; readonly events: readonly unknown[] }>(
  classes: readonly C[],
  names: readonly string[] | undefined,
  isImplicit: boolean,
): readonly C[] {
  if (names === undefined) {
    const declaring = isImplicit ? classes : classes.filter(({ events }) => events.length > 0);
    if (declaring.length > 0) return declaring;
    throw new InvalidArgumentError('no class of the database declares an event');
  }
  return names.map((name) => {
    const found = classes.find((each) => each.name === name);
    if (found !== undefined) return found;
    const known = classes.map((each) => each.name).join(', ') || 'none';
    throw new InvalidArgumentError(`the database has no class ${name}; there are: ${known}`);
  });
}

/** One line; `width` is that of the class column. */
function asText(event: AnyEvent, width: number): string {
  if (event.kind === 'gap') return `gap: ${event.dropped ?? 'some'} events are not kept any more`;
  const { class: name, kind, transaction, position } = event;
  const time = transaction.time.toISOString();
  const what = kind === 'fieldUpdate' ? `${kind}:${event.field}` : kind;
  const head = `${time}  ${String(transaction.seq).padStart(6)}  ${name.padEnd(width)}  ${what.padEnd(18)}`;
  return `${head}${'key' in event ? ` ${plain(event.key)}` : ''}${detailOf(event)}  ${position}`;
}

function detailOf(event: Exclude<AnyEvent, { readonly kind: 'gap' }>): string {
  switch (event.kind) {
    case 'new':
      return `  ${plain(event.after)}`;
    case 'update': {
      const changes = event.changed.map(
        (name) => `${name}: ${plain(event.before[name])} → ${plain(event.after[name])}`,
      );
      return `  ${changes.join(', ')}`;
    }
    case 'fieldUpdate':
      return `  ${plain(event.before)} → ${plain(event.after)}`;
    case 'delete':
    case 'expire':
      return `  ${event.cause}`;
    case 'deleteAll':
      return `  ${event.count} ${event.count === 1 ? 'record' : 'records'}`;
    default:
      return '';
  }
}

function plain(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  return JSON.stringify(value, sayable) ?? 'undefined';
}

function asJson(event: AnyEvent): string {
  return JSON.stringify(event, sayable);
}

/** Converts what JSON cannot represent: large integers to decimal text, bytes to base64. */
function sayable(this: unknown, name: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[name];
  if (typeof raw === 'bigint') return raw.toString();
  if (raw instanceof Uint8Array) return Buffer.from(raw).toString('base64');
  return value;
}
