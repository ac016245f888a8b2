import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { tracingChannel } from 'node:diagnostics_channel';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { connect, defineClass, EventBase, field } from 'evenkeel';
import { EvenkeelInstrumentation } from 'evenkeel/opentelemetry';
import { serverOf } from '../../lib/opentelemetry/attributes.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');
let server: TestServer;
let instrumentation: EvenkeelInstrumentation;

before(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  server = await startServer();
  instrumentation = new EvenkeelInstrumentation();
  instrumentation.setTracerProvider(provider);
});
beforeEach(() => exporter.reset());
after(async () => {
  instrumentation.disable();
  context.disable();
  await provider.shutdown();
  await server.close();
});

const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
const server0 = () => ({ 'server.address': '127.0.0.1', 'server.port': server.port });

test('an operation is a span of a client, with the attributes of the conventions and without keys', async () => {
  await using db = await connect(server.url);
  await db.upsert('secret', 'value');
  await db.get('secret');
  await db.get('missing');
  await db.getMany(['secret', 'missing']);
  const told = spans().map(({ name, kind, attributes, status }) => ({ name, kind, attributes, status }));
  const common = {
    kind: SpanKind.CLIENT,
    status: { code: SpanStatusCode.UNSET },
  };
  const memcached = { 'db.system.name': 'memcached' };
  const get = { ...memcached, 'db.operation.name': 'get', ...server0() };
  assert.deepEqual(told, [
    { name: 'upsert', ...common, attributes: { ...memcached, 'db.operation.name': 'upsert', ...server0() } },
    { name: 'get', ...common, attributes: { ...get, 'db.response.returned_rows': 1 } },
    { name: 'get', ...common, attributes: { ...get, 'db.response.returned_rows': 0 } },
    {
      name: 'BATCH get',
      ...common,
      attributes: {
        ...memcached,
        'db.operation.name': 'BATCH get',
        'db.operation.batch.size': 2,
        'db.response.returned_rows': 1,
      },
    },
  ]);
  assert.ok(!JSON.stringify(told).includes('secret'));
});

test('an operation that fails says how, be it at once', async () => {
  await using db = await connect(server.url);
  await db.upsert('k', 1);
  exporter.reset();
  await assert.rejects(db.insert('k', 2));
  assert.throws(() => void db.get(''));
  const [insert, get] = spans();
  assert.equal(insert?.status.code, SpanStatusCode.ERROR);
  assert.equal(insert?.attributes['error.type'], 'EVENKEEL_KEY_EXISTS');
  assert.equal(insert?.attributes['db.response.status_code'], '2');
  assert.equal(get?.attributes['error.type'], 'EVENKEEL_INVALID_ARGUMENT');
  assert.equal(get?.status.code, SpanStatusCode.ERROR);
});

test('its parent is the span of its caller, which stays the active one', async () => {
  await using db = await connect(server.url);
  const request = (id: string): Promise<string> =>
    tracer.startActiveSpan(id, async (span) => {
      await db.get(id);
      assert.equal(trace.getActiveSpan(), span);
      await db.schedule((ctx) => [ctx.get(id)]);
      assert.equal(trace.getActiveSpan(), span);
      span.end();
      return span.spanContext().spanId;
    });
  const parents = await Promise.all(['a', 'b', 'c'].map(request));
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    const outer = spans().find((span) => span.name === name);
    assert.equal(outer?.spanContext().spanId, parents[i]);
    const inner = spans().filter(({ parentSpanContext }) => parentSpanContext?.spanId === parents[i]);
    assert.deepEqual(
      inner.map((span) => span.name),
      ['get', 'get'],
    );
  }
});

test('with requireParentSpan there are spans within others only', async () => {
  instrumentation.disable();
  using within = new EvenkeelInstrumentation({ requireParentSpan: true });
  within.setTracerProvider(provider);
  await using db = await connect(server.url);
  await db.get('alone');
  await tracer.startActiveSpan('request', async (span) => {
    await db.get('within');
    span.end();
  });
  instrumentation.enable();
  assert.deepEqual(
    spans().map(({ name }) => name),
    ['get', 'request'],
  );
});

test('operations of an embedded database are internal, and name their class', async () => {
  const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() } });
  const base = EventBase.create();
  const db = await connect('embedded:', { classes: [Item], eventBase: base });
  await db.records(Item).insert({ id: 1 });
  await db.close();
  await base.close();
  const [span] = spans();
  assert.equal(span?.name, 'insert Item');
  assert.equal(span?.kind, SpanKind.INTERNAL);
  assert.deepEqual(span?.attributes, {
    'db.system.name': 'lmdb',
    'db.operation.name': 'insert',
    'db.collection.name': 'Item',
  });
});

test('durations are a histogram in seconds, with the advised boundaries', async () => {
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 600_000,
  });
  const meters = new MeterProvider({ readers: [reader] });
  instrumentation.setMeterProvider(meters);
  await using db = await connect(server.url);
  await Promise.all([db.get('a'), db.get('b'), db.getMany(['a', 'b'])]);
  await db.upsert('k', 1);
  await assert.rejects(db.insert('k', 1));
  await reader.forceFlush();
  const [metric] = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics[0]?.metrics ?? []);
  assert.ok(metric?.dataPointType === DataPointType.HISTOGRAM);
  assert.equal(metric.descriptor.name, 'db.client.operation.duration');
  assert.equal(metric.descriptor.unit, 's');
  const points = metric.dataPoints.map(({ attributes, value }) => ({ attributes, count: value.count }));
  const memcached = { 'db.system.name': 'memcached' };
  const fault = { 'error.type': 'EVENKEEL_KEY_EXISTS', 'db.response.status_code': '2' };
  const one = (op: string, more: object) => ({
    attributes: { ...memcached, 'db.operation.name': op, ...more },
    count: 1,
  });
  assert.deepEqual(points, [
    { attributes: { ...memcached, 'db.operation.name': 'get', ...server0() }, count: 2 },
    one('BATCH get', {}),
    one('upsert', server0()),
    one('insert', { ...server0(), ...fault }),
  ]);
  for (const { value } of metric.dataPoints) {
    assert.deepEqual(value.buckets.boundaries, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
    assert.ok((value.sum ?? 0) > 0 && (value.sum ?? 0) < 600);
  }
  await meters.shutdown();
});

test('after disable() no spans begin, and those under way end with their operations', async () => {
  await using db = await connect(server.url);
  const before = [db.get('before'), db.insert('before', 1), db.getMany(['before'])];
  instrumentation.disable();
  const after = db.get('after');
  assert.deepEqual(spans(), []);
  await Promise.all([...before, after]);
  const { start, end, asyncEnd } = tracingChannel('evenkeel:operation');
  assert.ok([start, end, asyncEnd].every((channel) => !channel.hasSubscribers));
  instrumentation.enable();
  const again = db.get('again');
  instrumentation.disable();
  instrumentation.enable();
  await again;
  assert.deepEqual(
    spans().map(({ name }) => name),
    ['get', 'insert', 'BATCH get', 'get'],
  );
});

test('what servers are asked themselves is a span as well', async () => {
  await using db = await connect(server.url);
  await db.serverStats({ group: 'settings' });
  await db.flushAll();
  const told = spans().map(({ name, attributes }) => ({ name, attributes }));
  const common = { 'db.system.name': 'memcached', ...server0() };
  assert.deepEqual(told, [
    { name: 'serverStats', attributes: { ...common, 'db.operation.name': 'serverStats' } },
    { name: 'flushAll', attributes: { ...common, 'db.operation.name': 'flushAll' } },
  ]);
});

test('a server is an address and a port, whatever it is named', () => {
  assert.deepEqual(serverOf('cache-1:11211'), { 'server.address': 'cache-1', 'server.port': 11211 });
  assert.deepEqual(serverOf('[::1]:11211'), { 'server.address': '::1', 'server.port': 11211 });
  assert.deepEqual(serverOf('/run/mc.sock'), { 'server.address': '/run/mc.sock' });
  assert.deepEqual(serverOf('/run/mc:1'), { 'server.address': '/run/mc:1' });
  assert.deepEqual(serverOf(undefined), {});
});

test('bad options are refused', () => {
  assert.throws(() => new EvenkeelInstrumentation({ enable: true } as object), {
    code: 'EVENKEEL_INVALID_ARGUMENT',
  });
  assert.throws(() => new EvenkeelInstrumentation({ requireParentSpan: 1 as unknown as boolean }), {
    code: 'EVENKEEL_INVALID_ARGUMENT',
  });
});

test('without @opentelemetry/api it is one clear error, and everything else works', () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-otel-'));
  const installed = join(folder, 'node_modules', 'evenkeel');
  mkdirSync(installed, { recursive: true });
  for (const part of ['dist', 'package.json']) cpSync(part, join(installed, part), { recursive: true });
  const program = `
    const { EvenkeelInstrumentation } = require('evenkeel/opentelemetry');
    try {
      new EvenkeelInstrumentation();
    } catch ({ code, message }) {
      console.log(code, message);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: folder, encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  assert.equal(stderr, '');
  assert.match(stdout, /^EVENKEEL_UNSUPPORTED .*needs the package @opentelemetry\/api/);
});
