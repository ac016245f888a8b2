import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { normalise, type Weighted } from './alias';
import { isOperationKind, type OperationKind } from './operation';

/** A production cache cluster during one week; see data/README.md for the source of every column. */
export interface WorkloadProfile {
  readonly name: string;
  readonly category: 'storage' | 'computation' | 'transient';
  /** The share of reads that missed, 0 … 1. */
  readonly missRatio: number;
  /** Mean sizes in bytes. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** The mean rate in thousands of requests a second. */
  readonly requestKqps: number | undefined;
  /** The mean number of requests for an object. */
  readonly meanFrequency: number | undefined;
  /** The share of objects requested only once, 0 … 1. */
  readonly oneHitWonderRatio: number | undefined;
  /** The share of requests that were the first for their object, 0 … 1. */
  readonly compulsoryMissRatio: number | undefined;
  /** Times to live in seconds; shares sum to 1. */
  readonly ttls: readonly Weighted<number>[];
  /** The working set in MB, without and with expiry. */
  readonly workingSetMbWithoutTtl: number | undefined;
  readonly workingSetMb: number | undefined;
  /** Shares sum to 1. */
  readonly operations: readonly Weighted<OperationKind>[];
  /** The exponent of the popularity distribution; 0 is uniform. */
  readonly zipfAlpha: number;
  /**
   * Columns that the source does not state for this cluster; their values are the defaults of {@link parseProfiles}.
   */
  readonly assumed: readonly string[];
}

const COLUMNS =
  'cluster,miss_ratio,category,key_bytes,value_bytes,request_kqps,mean_frequency,one_hit_wonder_pct,compulsory_miss_pct,common_ttl,wss_mb_no_ttl,wss_mb,operations,zipf_alpha';
const CATEGORIES = { 1: 'storage', 2: 'computation', 3: 'transient' } as const;
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 } as const;
const UNSTATED_OPERATIONS = 'get:0.90 set:0.10';
const UNSTATED_TTL = '1d:1.00';

/** The profiles included in this package. */
export function loadProfiles(): WorkloadProfile[] {
  // Not __dirname: a loader that compiles on the fly may define only __filename.
  const table = join(dirname(__filename), '../../data/production-cache-workloads.csv');
  return parseProfiles(readFileSync(table, 'utf8'));
}

/**
 * Parses the table. Missing values (N/A) get defaults: the median of the other clusters for key size, value size and
 * Zipf exponent; the compulsory miss ratio, else 0, for the miss ratio; 90 % get and 10 % set for the operations; and a
 * day for the time to live.
 *
 * @throws SyntaxError naming the line of a malformed row.
 */
export function parseProfiles(csv: string): WorkloadProfile[] {
  const [header, ...lines] = csv.split(/\r?\n/).filter((line) => line.length > 0);
  if (header !== COLUMNS) throw new SyntaxError(`line 1: the columns must be ${COLUMNS}`);
  const rows = lines.map((line, index) => splitRow(line, index + 2));
  const medians = { keyBytes: median(rows, 3), valueBytes: median(rows, 4), zipfAlpha: median(rows, 13) };
  return rows.map((row, index) => {
    try {
      return profileOf(row, medians);
    } catch (error) {
      throw new SyntaxError(`line ${index + 2}: ${error instanceof Error ? error.message : error}`);
    }
  });
}

type Medians = Pick<WorkloadProfile, 'keyBytes' | 'valueBytes' | 'zipfAlpha'>;

function profileOf(row: readonly string[], medians: Medians): WorkloadProfile {
  const assumed: string[] = [];
  const or = <T>(column: string, stated: T | undefined, fallback: T): T => {
    if (stated === undefined) assumed.push(column);
    return stated ?? fallback;
  };
  const compulsoryMissRatio = percentAt(row, 8);
  return {
    name: textAt(row, 0),
    category: categoryOf(textAt(row, 2)),
    missRatio: or('miss_ratio', numberAt(row, 1), compulsoryMissRatio ?? 0),
    keyBytes: or('key_bytes', numberAt(row, 3), medians.keyBytes),
    valueBytes: or('value_bytes', numberAt(row, 4), medians.valueBytes),
    requestKqps: numberAt(row, 5),
    meanFrequency: numberAt(row, 6),
    oneHitWonderRatio: percentAt(row, 7),
    compulsoryMissRatio,
    ttls: normalise(sharesOf(or('common_ttl', statedAt(row, 9), UNSTATED_TTL)).map(withSeconds)),
    workingSetMbWithoutTtl: numberAt(row, 10),
    workingSetMb: numberAt(row, 11),
    operations: normalise(sharesOf(or('operations', statedAt(row, 12), UNSTATED_OPERATIONS)).map(withKind)),
    zipfAlpha: or('zipf_alpha', numberAt(row, 13), medians.zipfAlpha),
    assumed,
  };
}

/** Splits a row according to RFC 4180; fields must not contain line breaks, and the table has none. */
function splitRow(line: string, lineNumber: number): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (let more = true; more; ) {
    const match = field.exec(line);
    if (match === null) throw new SyntaxError(`line ${lineNumber}: unbalanced quotes`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    more = match[3] === ',';
  }
  const expected = COLUMNS.split(',').length;
  if (fields.length !== expected) {
    throw new SyntaxError(`line ${lineNumber}: ${fields.length} fields instead of ${expected}`);
  }
  return fields;
}

function textAt(row: readonly string[], column: number): string {
  return (row[column] ?? '').trim();
}

function statedAt(row: readonly string[], column: number): string | undefined {
  const text = textAt(row, column);
  return text === '' || text === 'N/A' || text === 'NA' ? undefined : text;
}

function numberAt(row: readonly string[], column: number): number | undefined {
  const text = statedAt(row, column);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new SyntaxError(`"${text}" is not a number >= 0`);
  return value;
}

function percentAt(row: readonly string[], column: number): number | undefined {
  const percent = numberAt(row, column);
  return percent === undefined ? undefined : percent / 100;
}

/** Ignores malformed numbers: parsing their row reports them with the line. */
function median(rows: readonly (readonly string[])[], column: number): number {
  const values = rows
    .map((row) => Number(statedAt(row, column) ?? Number.NaN))
    .filter((value) => Number.isFinite(value))
    .sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

function categoryOf(text: string): WorkloadProfile['category'] {
  if (text === '1' || text === '2' || text === '3') return CATEGORIES[text];
  throw new SyntaxError(`"${text}" is not a category`);
}

/** "1d:0.65, 14d:0.27" or "get:0.91 add:0.04" as pairs of name and share. */
function sharesOf(text: string): Weighted<string>[] {
  return text.split(/[\s,]+/).map((part) => {
    const [item, share, ...rest] = part.split(':');
    const value = Number(share);
    if (!item || !share || rest.length > 0 || !(value >= 0 && value <= 1)) {
      throw new SyntaxError(`"${part}" is not a share`);
    }
    return { item, share: value };
  });
}

function withKind({ item, share }: Weighted<string>): Weighted<OperationKind> {
  if (!isOperationKind(item)) throw new SyntaxError(`"${item}" is not an operation`);
  return { item, share };
}

function withSeconds({ item, share }: Weighted<string>): Weighted<number> {
  const match = /^(\d+(?:\.\d+)?)([smhd])$/.exec(item);
  const unit = match?.[2] as keyof typeof SECONDS | undefined;
  if (match === null || unit === undefined) throw new SyntaxError(`"${item}" is not a duration`);
  return { item: Math.round(Number(match[1]) * SECONDS[unit]), share };
}
