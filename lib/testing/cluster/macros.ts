import { type Document, isJson, type Xattrs } from './document';
import type { VBucket } from './vbucket';

/** The CAS and seqno of a version that is about to be written. */
export interface Stamp {
  readonly cas: bigint;
  readonly seqno: bigint;
}

/** The JSON text that a macro expands to; undefined for an unknown macro. */
export function expandedMacro(text: string, stamp: Stamp, body: Buffer): string | undefined {
  switch (/^"\$\{Mutation\.(\w+)\}"$/.exec(text)?.[1]) {
    case 'CAS':
      return `"${casText(stamp.cas)}"`;
    case 'seqno':
      return `"0x${stamp.seqno.toString(16).padStart(16, '0')}"`;
    case 'value_crc32c':
      return `"0x${crc32c(body).toString(16).padStart(8, '0')}"`;
    default:
      return undefined;
  }
}

/** The virtual, read-only xattrs of a document. */
export function virtualXattrs(document: Document, vbucket: VBucket, milliseconds: number): Xattrs {
  const types = [...(isJson(document) ? ['json'] : ['raw']), ...(document.xattrs.size > 0 ? ['xattr'] : [])];
  const properties = {
    CAS: `0x${document.cas.toString(16).padStart(16, '0')}`,
    vbucket_uuid: `0x${vbucket.uuid.toString(16).padStart(16, '0')}`,
    seqno: `0x${document.seqno.toString(16).padStart(16, '0')}`,
    revid: String(document.revision),
    exptime: document.expiry,
    flags: document.flags,
    value_bytes: document.value.length,
    value_crc32c: `0x${crc32c(document.value).toString(16).padStart(8, '0')}`,
    datatype: types,
    deleted: document.deletion !== undefined,
    last_modified: String(document.cas / 1_000_000_000n),
  };
  const hlc = { now: String(Math.floor(milliseconds / 1000)), mode: 'real' };
  return new Map([
    ['$document', JSON.stringify(properties)],
    ['$vbucket', JSON.stringify({ HLC: hlc })],
    ['$XTOC', JSON.stringify([...document.xattrs.keys()])],
  ]);
}

/** Macros expand to the CAS in little-endian byte order. */
function casText(cas: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(cas);
  return `0x${bytes.toString('hex')}`;
}

const CRC32C_TABLE = Array.from({ length: 256 }, (_, index) => {
  let rest = index;
  for (let bit = 0; bit < 8; bit += 1) rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ 0x82f63b78;
  return rest >>> 0;
});

function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}
