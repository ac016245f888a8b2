import { type Document, isJson } from '../document';
import type { Frame } from '../frame';
import { Datatype, Feature } from '../protocol';
import { invalid } from '../refusal';
import type { Reply, Session } from '../session';
import { compressed, uncompressed } from '../snappy';

/** Smaller values are not compressed. */
const WORTH_COMPRESSING = 32;

/** The value of a request, uncompressed. */
export function givenValue(request: Frame, session: Session): Buffer {
  const value = request.value();
  const { datatype } = request;
  if ((datatype & Datatype.xattr) !== 0) throw invalid('Xattrs within values are not understood here');
  if ((datatype & Datatype.json) !== 0 && !session.has(Feature.json)) throw invalid('JSON was not agreed to');
  if ((datatype & Datatype.snappy) === 0) return value;
  if (!session.has(Feature.snappy)) throw invalid('Snappy was not agreed to');
  const plain = uncompressed(value);
  if (plain === undefined) throw invalid('The value is not what Snappy makes');
  return plain;
}

/** The value and datatype for this client. */
export function valueReply(document: Document, session: Session): Pick<Reply, 'value' | 'datatype'> {
  const json = session.has(Feature.json) && isJson(document) ? Datatype.json : 0;
  const { value } = document;
  if (!session.has(Feature.snappy) || value.length < WORTH_COMPRESSING) return { value, datatype: json };
  const smaller = compressed(value);
  if (smaller.length >= value.length) return { value, datatype: json };
  return { value: smaller, datatype: json | Datatype.snappy };
}
