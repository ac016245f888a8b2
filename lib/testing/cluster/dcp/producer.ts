import { clearInterval, setImmediate, setInterval } from '../../../platform';
import type { Bucket } from '../bucket';
import type { VBucket } from '../vbucket';
import type { Filter } from './filter';
import { type EndReasonName, type Form, noopMessage } from './messages';
import { StreamFlag, type StreamRequest } from './request';
import { type Cuts, Stream } from './stream';

/** Maximum size of one write. */
const BATCH_BYTES = 64 * 1024;

export const OpenFlag = {
  producer: 0x01,
  includeXattrs: 0x04,
  noValue: 0x08,
  includeDeleteTimes: 0x20,
  noValueWithDatatype: 0x40,
} as const;

/** The settings that DCP_CONTROL accepts. */
const CONTROLS: ReadonlySet<string> = new Set([
  'connection_buffer_size',
  'enable_noop',
  'set_noop_interval',
  'supports_cursor_dropping',
  'supports_cursor_dropping_vulcan',
  'send_stream_end_on_client_close_stream',
  'enable_expiry_opcode',
  'force_value_compression',
  'set_priority',
  'backfill_order',
  'enable_stream_id',
  'enable_out_of_order_snapshots',
  'max_marker_version',
  'v7_dcp_status_codes',
]);

/** The connection that a producer sends to. */
export interface Consumer {
  readonly bucket: Bucket;
  readonly node: number;
  readonly hasCollections: boolean;
  readonly hasJson: boolean;
  send(bytes: Buffer): void;
}

/** The change streams of one connection, under its flow control. */
export class Producer {
  readonly name: string;
  readonly #flags: number;
  readonly #consumer: Consumer;
  readonly #cuts: () => Cuts;
  readonly #controls = new Map<string, string>();
  readonly #streams: Stream[] = [];
  readonly #stopWatching: () => void;
  #unacknowledged = 0;
  #isPumping = false;
  #noops: NodeJS.Timeout | undefined;
  #noopOpaque = 0;
  /** Number of answered NOOPs. */
  answeredNoops = 0;

  constructor(name: string, flags: number, consumer: Consumer, cuts: () => Cuts) {
    this.name = name;
    this.#flags = flags;
    this.#consumer = consumer;
    this.#cuts = cuts;
    this.#stopWatching = consumer.bucket.onRetired((node, partition) => {
      if (node === consumer.node) this.end('stateChanged', (form) => form.partition === partition);
    });
  }

  /** False for a setting that is not known. */
  control(key: string, value: string): boolean {
    if (!CONTROLS.has(key)) return false;
    this.#controls.set(key, value);
    if (key === 'enable_noop' || key === 'set_noop_interval') this.#scheduleNoops();
    return true;
  }

  has(partition: number, streamId: number | undefined): boolean {
    return this.#streams.some(({ form }) => form.partition === partition && form.streamId === streamId);
  }

  get wantsStreamIds(): boolean {
    return this.#isOn('enable_stream_id');
  }

  open(opaque: number, vbucket: VBucket, request: StreamRequest): void {
    const { filter, flags, start, snapshotStart, streamId } = request;
    const { bucket } = this.#consumer;
    const isBounded = (flags & (StreamFlag.toLatest | StreamFlag.diskOnly)) !== 0;
    const oso = this.#controls.get('enable_out_of_order_snapshots') ?? '';
    const stream = new Stream({
      form: this.#form(vbucket.id, opaque, streamId),
      vbucket,
      filter,
      start: (flags & StreamFlag.fromLatest) !== 0 ? vbucket.high : start,
      snapshotStart,
      end: isBounded ? vbucket.high : request.end,
      isOutOfOrder: oso.startsWith('true') && start === 0n && isOfOneCollection(filter),
      tellsAdvances: oso === 'true_with_seqno_advanced',
      scopeOf: (collection) => bucket.manifest.collection(collection)?.scope,
      wake: () => this.pump(),
    });
    this.#streams.push(stream);
    this.pump();
  }

  /** Closes a stream for the client, with a stream end message if the client has asked for it. */
  close(partition: number, streamId: number | undefined): void {
    const isIt = ({ partition: of, streamId: id }: Form): boolean => of === partition && id === streamId;
    if (this.#isOn('send_stream_end_on_client_close_stream')) this.end('closed', isIt);
    else for (const stream of this.#streams) if (isIt(stream.form)) stream.stop();
    this.#forgetEnded();
  }

  /** Ends the matching streams with a reason. */
  end(reason: EndReasonName, isMeant: (form: Form) => boolean): void {
    for (const stream of this.#streams) {
      const message = isMeant(stream.form) ? stream.finish(reason) : undefined;
      if (message !== undefined) this.#send([message]);
    }
    this.#forgetEnded();
  }

  acknowledge(bytes: number): void {
    this.#unacknowledged = Math.max(0, this.#unacknowledged - bytes);
    this.pump();
  }

  sendNoop(): void {
    this.#noopOpaque += 1;
    this.#consumer.send(noopMessage(this.#noopOpaque));
  }

  /** Sends pending messages in a later turn of the event loop. Changes made until then form one snapshot. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      this.#flush();
    });
  }

  /** Called when the connection has ended. */
  stop(): void {
    for (const stream of this.#streams) stream.stop();
    this.#streams.length = 0;
    this.#stopWatching();
    clearInterval(this.#noops);
  }

  #flush(): void {
    const cuts = this.#cuts();
    let batch: Buffer[] = [];
    let size = 0;
    let sends = true;
    while (sends && this.#hasRoom) {
      sends = false;
      // Take one message of each stream in turn.
      for (const stream of this.#streams) {
        const message = this.#hasRoom ? stream.next(cuts) : undefined;
        if (message === undefined) continue;
        sends = true;
        this.#unacknowledged += message.length;
        batch.push(message);
        size += message.length;
        if (size < BATCH_BYTES) continue;
        this.#consumer.send(Buffer.concat(batch));
        batch = [];
        size = 0;
      }
    }
    if (batch.length > 0) this.#consumer.send(Buffer.concat(batch));
    this.#forgetEnded();
  }

  #send(messages: readonly Buffer[]): void {
    for (const message of messages) this.#unacknowledged += message.length;
    this.#consumer.send(Buffer.concat(messages));
  }

  get #hasRoom(): boolean {
    const room = Number(this.#controls.get('connection_buffer_size') ?? 0);
    return room === 0 || this.#unacknowledged < room;
  }

  #forgetEnded(): void {
    const open = this.#streams.filter(({ isOver }) => !isOver);
    this.#streams.splice(0, this.#streams.length, ...open);
  }

  #form(partition: number, opaque: number, streamId: number | undefined): Form {
    const markers = this.#controls.get('max_marker_version');
    const hasFlag = (flag: number): boolean => (this.#flags & flag) !== 0;
    const withExpirations = this.#isOn('enable_expiry_opcode');
    return {
      partition,
      opaque,
      streamId,
      hasCollections: this.#consumer.hasCollections,
      hasJson: this.#consumer.hasJson,
      withXattrs: hasFlag(OpenFlag.includeXattrs),
      withValues: !hasFlag(OpenFlag.noValue) && !hasFlag(OpenFlag.noValueWithDatatype),
      withDeleteTimes: withExpirations || hasFlag(OpenFlag.includeDeleteTimes),
      withExpirations,
      markers: markers === '2.2' || markers === '2.0' ? markers : '1',
    };
  }

  #isOn(control: string): boolean {
    return this.#controls.get(control) === 'true';
  }

  #scheduleNoops(): void {
    clearInterval(this.#noops);
    const seconds = Number(this.#controls.get('set_noop_interval') ?? 0);
    if (!this.#isOn('enable_noop') || !(seconds > 0)) return;
    this.#noops = setInterval(() => this.sendNoop(), seconds * 1000);
    this.#noops.unref();
  }
}

function isOfOneCollection({ collections }: Filter): boolean {
  return collections?.size === 1;
}
