import { type Command, Option } from 'commander';
import { type AnyEvent, connect, InvalidArgumentError } from '../index';
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
    throw new InvalidArgumentError(`only embedded databases can be watched, not ${url}`);
  const db = await connect(url as `embedded:${string}`, { readOnly: true });
  const watched = chosen(db.classes, options.class);
  const feed = db.events.feed(watched, {
    from: options.from,
    ...(options.kind !== undefined && { kinds: options.kind as never[] }),
  });
  const end = (): void => feed.close();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  process.stdout.once('error', end); // whoever reads has seen enough
  const line = options.json ? asJson : asText;
  for await (const event of feed) {
    if (!process.stdout.write(`${line(event as AnyEvent)}\n`) && !feed.closed)
      await new Promise((resolve) => process.stdout.once('drain', resolve).once('error', resolve));
  }
  await db.close();
}

function chosen<C extends { readonly name: string; readonly events: readonly unknown[] }>(
  classes: readonly C[],
  names: readonly string[] | undefined,
): readonly C[] {
  if (names === undefined) return classes.filter(({ events }) => events.length > 0);
  return names.map((name) => {
    const found = classes.find((each) => each.name === name);
    if (found !== undefined) return found;
    const known = classes.map((each) => each.name).join(', ') || 'none';
    throw new InvalidArgumentError(`the database has no class ${name}; there are: ${known}`);
  });
}

function asText(event: AnyEvent): string {
  if (event.kind === 'gap') return `gap: ${event.dropped ?? 'some'} events are not kept any more`;
  const { class: name, kind, transaction, position } = event;
  const time = transaction.time.toISOString();
  const what = kind === 'fieldUpdate' ? `${kind}:${event.field}` : kind;
  const head = `${time}  ${String(transaction.seq).padStart(6)}  ${what.padEnd(16)} ${name}`;
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
      return `  ${event.count} records`;
    default:
      return '';
  }
}

function plain(value: unknown): string {
  return JSON.stringify(value, sayable) ?? 'undefined';
}

function asJson(event: AnyEvent): string {
  return JSON.stringify(event, sayable);
}

/** What JSON has no word for: integers beyond its numbers as decimal text, bytes as base64. */
function sayable(this: unknown, name: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[name];
  if (typeof raw === 'bigint') return raw.toString();
  if (raw instanceof Uint8Array) return Buffer.from(raw).toString('base64');
  return value;
}
