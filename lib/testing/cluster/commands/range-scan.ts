import { randomBytes } from 'node:crypto';
import { type Document, isJson } from '../document';
import type { Frame } from '../frame';
import { leb128, u32, u64 } from '../numbers';
import { ClusterOpcode, ClusterStatus, Datatype } from '../protocol';
import { RangeScan, type ScanWishes } from '../range-scan';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import type { VBucket } from '../vbucket';
import { type Commands, ofBucket } from './command';
import { bucketOf, collectionOf, copyFor, manifestOf } from './target';

/** Maximum number of documents in a response. */
const BATCH = 50;
const UUID_BYTES = 16;
const CONTENTS = { keys: 0, documents: 1 } as const;

export const rangeScanCommands: Commands = [
  [ClusterOpcode.rangeScanCreate, ofBucket(create)],
  [ClusterOpcode.rangeScanContinue, ofBucket(proceed)],
  [ClusterOpcode.rangeScanCancel, ofBucket(cancel)],
];

function create(request: Frame, session: Session): Reply {
  const bucket = bucketOf(session);
  const vbucket = copyFor(request, session);
  const given = parsed(request.value());
  const wishes = wishesOf(given);
  collectionOf(manifestOf(session), wishes.collection);
  checkRequirements(vbucket, given.snapshot_requirements);
  const scan = new RangeScan(vbucket, wishes, bucket.clock.seconds);
  if (scan.isOver) throw new Refusal(ClusterStatus.keyNotFound);
  const uuid = randomBytes(UUID_BYTES);
  bucket.scans.set(uuid.toString('hex'), scan);
  return { value: uuid };
}

function proceed(request: Frame, session: Session): Reply[] {
  const extras = request.extras();
  if (extras.length !== UUID_BYTES + 12) throw invalid('The extras are not those of the command');
  const scan = scanOf(request, session);
  let left = extras.readUInt32BE(UUID_BYTES) || Number.MAX_SAFE_INTEGER;
  const replies: Reply[] = [];
  do {
    const documents = scan.take(Math.min(BATCH, left));
    left -= documents.length;
    const pieces = documents.map(scan.keysOnly ? keyPiece : documentPiece);
    replies.push({
      extras: u32(scan.keysOnly ? CONTENTS.keys : CONTENTS.documents),
      value: Buffer.concat(pieces),
    });
  } while (left > 0 && !scan.isOver);
  if (scan.isOver) bucketOf(session).scans.delete(nameOf(request));
  const status = scan.isOver ? ClusterStatus.rangeScanComplete : ClusterStatus.rangeScanMore;
  return replies.map((reply, index) => (index === replies.length - 1 ? { ...reply, status } : reply));
}

function cancel(request: Frame, session: Session): Reply {
  scanOf(request, session);
  bucketOf(session).scans.delete(nameOf(request));
  return {};
}

function scanOf(request: Frame, session: Session): RangeScan {
  copyFor(request, session);
  const scan = bucketOf(session).scans.get(nameOf(request));
  if (scan === undefined || scan.partition !== request.vbucket) throw new Refusal(ClusterStatus.keyNotFound);
  return scan;
}

function nameOf(request: Frame): string {
  return request.extras().toString('hex', 0, UUID_BYTES);
}

function keyPiece({ key }: Document): Buffer {
  return Buffer.concat([leb128(key.length), key]);
}

function documentPiece(document: Document): Buffer {
  const { flags, expiry, seqno, cas, key, value } = document;
  const datatype = Buffer.from([isJson(document) ? Datatype.json : 0]);
  return Buffer.concat([
    u32(flags, expiry),
    u64(seqno, cas),
    datatype,
    leb128(key.length),
    key,
    leb128(value.length),
    value,
  ]);
}

type Given = Readonly<Record<string, unknown>>;

function parsed(value: Buffer): Given {
  try {
    const given: unknown = JSON.parse(value.toString('utf8'));
    if (typeof given === 'object' && given !== null) return given as Given;
  } catch {
    // Handled below, like any value that is not an object.
  }
  throw invalid('A scan is described by an object of JSON');
}

function wishesOf(given: Given): ScanWishes {
  const common = {
    collection: typeof given.collection === 'string' ? Number.parseInt(given.collection, 16) : 0,
    keysOnly: given.key_only === true,
  };
  const sampling = given.sampling as Given | undefined;
  if (sampling !== undefined) {
    if (typeof sampling.samples !== 'number') throw invalid('A sample has a size');
    const everything = { from: Buffer.alloc(0), to: Buffer.alloc(256, 0xff) };
    return { ...common, ...everything, excludesFrom: false, excludesTo: false, samples: sampling.samples };
  }
  const range = (given.range ?? {}) as Given;
  const from = range.excl_start ?? range.start;
  const to = range.excl_end ?? range.end;
  if (typeof from !== 'string' || typeof to !== 'string') throw invalid('A range has two ends');
  return {
    ...common,
    from: Buffer.from(from, 'base64'),
    to: Buffer.from(to, 'base64'),
    excludesFrom: range.excl_start !== undefined,
    excludesTo: range.excl_end !== undefined,
    samples: undefined,
  };
}

function checkRequirements(vbucket: VBucket, given: unknown): void {
  if (given === undefined) return;
  const { vb_uuid: uuid, seqno, seqno_exists: mustExist } = given as Given;
  if (BigInt(String(uuid)) !== vbucket.uuid) throw new Refusal(ClusterStatus.vbUuidNotEqual);
  const wanted = BigInt(Number(seqno));
  if (wanted > vbucket.persisted) throw new Refusal(ClusterStatus.temporaryFailure);
  if (mustExist !== true) return;
  for (const document of vbucket.documents()) if (document.seqno === wanted) return;
  throw new Refusal(ClusterStatus.notStored);
}
