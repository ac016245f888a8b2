import { tracingChannel } from 'node:diagnostics_channel';
import type { Attributes, Histogram, MeterProvider, Span, Tracer, TracerProvider } from '@opentelemetry/api';
import { checkFlag, checkOptions, messageOf, optionNames } from '../arguments';
import { VERSION } from '../native/load';
import type { OperationTrace } from '../observability/channels';
import { performanceNow } from '../platform';
import { type Api, loadApi } from './api';
import { attributesOf, endAttributesOf, errorAttributesOf } from './attributes';

export interface EvenkeelInstrumentationOptions {
  /** false: nothing is recorded until enable(). Default true. */
  readonly enabled?: boolean | undefined;
  /** true: operations get spans only within other spans, such as those of a request. Default false. */
  readonly requireParentSpan?: boolean | undefined;
}

const NAMES = optionNames<EvenkeelInstrumentationOptions>({ enabled: true, requireParentSpan: true });

type Told = OperationTrace & { readonly error?: unknown };

/** An operation under way. */
interface Running {
  readonly span: Span | undefined;
  readonly since: number;
  readonly attributes: Attributes;
}

/** Seconds, as in the conventions. */
const BOUNDARIES = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/**
 * Records spans and the metric `db.client.operation.duration` for all operations of this thread, following
 * OpenTelemetry's semantic conventions for database clients. They contain neither keys nor values, unless an error
 * message quotes one. Implements what `registerInstrumentations()` and the Node SDK expect of an instrumentation;
 * without them, it uses the globally registered providers.
 *
 * Throws UnsupportedError when the package `@opentelemetry/api` is missing.
 */
export class EvenkeelInstrumentation implements Disposable {
  readonly instrumentationName = 'evenkeel';
  readonly instrumentationVersion = VERSION;
  readonly #api: Api;
  readonly #options: EvenkeelInstrumentationOptions;
  readonly #running = new WeakMap<object, Running>();
  readonly #operations = tracingChannel<unknown, Told>('evenkeel:operation');
  /** The number of entries in `#running`. */
  #underWay = 0;
  #hearsEnds = false;
  #tracer: Tracer;
  /** Created on first use, because providers may be registered later. */
  #duration: Histogram | undefined;
  #isEnabled = false;

  constructor(options: EvenkeelInstrumentationOptions = {}) {
    checkOptions(options, NAMES);
    const { enabled = true, requireParentSpan = false } = options;
    checkFlag('enabled', enabled);
    this.#options = { enabled, requireParentSpan: checkFlag('requireParentSpan', requireParentSpan) };
    this.#api = loadApi();
    this.#tracer = this.#api.trace.getTracer(this.instrumentationName, this.instrumentationVersion);
    if (enabled) this.enable();
  }

  /** Starts recording, with operations that start from now on. */
  enable(): void {
    if (this.#isEnabled) return;
    this.#isEnabled = true;
    const { start, end, asyncEnd } = this.#operations;
    start.subscribe(this.#onStart);
    if (this.#hearsEnds) return;
    this.#hearsEnds = true;
    end.subscribe(this.#onEnd);
    asyncEnd.subscribe(this.#onAsyncEnd);
  }

  /** Stops recording new operations. Those under way are still recorded when they end. */
  disable(): void {
    if (!this.#isEnabled) return;
    this.#isEnabled = false;
    this.#operations.start.unsubscribe(this.#onStart);
    this.#leaveWhenOver();
  }

  [Symbol.dispose](): void {
    this.disable();
  }

  /** Replaces the global provider. */
  setTracerProvider(provider: TracerProvider): void {
    this.#tracer = provider.getTracer(this.instrumentationName, this.instrumentationVersion);
  }

  /** Replaces the global provider. */
  setMeterProvider(provider: MeterProvider): void {
    this.#duration = this.#histogram(provider);
  }

  getConfig(): EvenkeelInstrumentationOptions {
    return this.#options;
  }

  /**
   * Does nothing: options are given to the constructor, and those of `registerInstrumentations()` contain none for it.
   */
  setConfig(): void {}

  #histogram(provider: Pick<MeterProvider, 'getMeter'>): Histogram {
    const meter = provider.getMeter(this.instrumentationName, this.instrumentationVersion);
    return meter.createHistogram('db.client.operation.duration', {
      unit: 's',
      description: 'Duration of database client operations.',
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
  }

  readonly #onStart = (trace: unknown): void => this.#start(trace as Told);
  // A call that has thrown by then has no other end.
  readonly #onEnd = (trace: unknown): void => {
    if ('error' in (trace as Told)) this.#finish(trace as Told);
  };
  readonly #onAsyncEnd = (trace: unknown): void => this.#finish(trace as Told);

  #leaveWhenOver(): void {
    if (this.#isEnabled || this.#underWay > 0 || !this.#hearsEnds) return;
    this.#hearsEnds = false;
    this.#operations.end.unsubscribe(this.#onEnd);
    this.#operations.asyncEnd.unsubscribe(this.#onAsyncEnd);
  }

  #start(trace: Told): void {
    const { trace: traces, context, SpanKind } = this.#api;
    const attributes = attributesOf(trace);
    const parent = context.active();
    const hasSpan = !this.#options.requireParentSpan || traces.getSpan(parent) !== undefined;
    const { class: collection, engine } = trace;
    const name = `${attributes['db.operation.name']} ${collection ?? ''}`.trimEnd();
    const kind = engine === 'embedded' ? SpanKind.INTERNAL : SpanKind.CLIENT;
    const span = hasSpan ? this.#tracer.startSpan(name, { kind, attributes }, parent) : undefined;
    this.#running.set(trace, { span, since: performanceNow(), attributes });
    this.#underWay += 1;
  }

  #finish(trace: Told): void {
    const running = this.#running.get(trace);
    if (running === undefined) return; // it started before enable()
    this.#running.delete(trace);
    this.#underWay -= 1;
    this.#leaveWhenOver();
    const { span, since, attributes } = running;
    const failed = 'error' in trace;
    const fault = failed ? errorAttributesOf(trace.error) : {};
    const { 'db.response.returned_rows': rows, ...server } = endAttributesOf(trace);
    const { 'db.operation.batch.size': size, ...lasting } = attributes;
    this.#duration ??= this.#histogram(this.#api.metrics);
    this.#duration.record((performanceNow() - since) / 1000, { ...lasting, ...server, ...fault });
    if (span === undefined) return;
    span.setAttributes({
      ...server,
      ...(rows !== undefined && { 'db.response.returned_rows': rows }),
      ...fault,
    });
    if (failed) span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: messageOf(trace.error) });
    span.end();
  }
}
