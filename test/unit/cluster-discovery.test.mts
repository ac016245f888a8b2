import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClusterConfig } from '../../lib/cluster/discovery.ts';
import { ConnectionError } from '../../lib/errors.ts';

test('servers are told with their addresses, or without them', () => {
  assert.deepEqual(
    parseClusterConfig('12\na.0001.use1.example|10.82.235.120|11211 a.0002.use1.example||11212\n\r\n'),
    {
      version: 12,
      servers: [
        { host: 'a.0001.use1.example', address: '10.82.235.120', port: 11211 },
        { host: 'a.0002.use1.example', address: undefined, port: 11212 },
      ],
    },
  );
});

test('line ends, further spaces and IPv6 addresses make no difference', () => {
  const server = { host: '2001:db8::1', address: '2001:db8::1', port: 11211 };
  for (const end of ['', '\n', '\r\n', '\n\r\n'])
    assert.deepEqual(parseClusterConfig(`3\r\n 2001:db8::1|2001:db8::1|11211  ${end}`), {
      version: 3,
      servers: [server],
    });
});

test('whatever else a server says is refused whole', () => {
  const server = 'a.example|10.0.0.1|11211';
  const bad = [
    '',
    '1',
    '1\n',
    '1\n   ',
    `\n${server}`,
    `${server}\n1`,
    `-1\n${server}`,
    `1.5\n${server}`,
    `1e3\n${server}`,
    `9999999999999999\n${server}`,
    `1 \n${server}`,
    ...[
      'a.example',
      'a.example|10.0.0.1',
      'a.example:11211',
      '|10.0.0.1|11211',
      'a.example|10.0.0.256|11211',
      'a.example|b.example|11211',
      'a.example|10.0.0.1|',
      'a.example|10.0.0.1|0',
      'a.example|10.0.0.1|65536',
      'a.example|10.0.0.1|11211x',
      'a.example|10.0.0.1|11211|',
      'a\texample|10.0.0.1|11211',
      'a\0example|10.0.0.1|11211',
      `${'a'.repeat(254)}||11211`,
      server,
      'a.example||11211',
    ].map((other) => `1\n${server} ${other}`),
    `1\n${server}\n${server}`,
    `1\n${server}\nEND`,
    'SERVER_ERROR out of memory',
  ];
  for (const text of bad)
    assert.throws(
      () => parseClusterConfig(text),
      (error) => error instanceof ConnectionError && error.message.length < 200,
      JSON.stringify(text),
    );
});

test('no answer that was changed by a byte crashes', () => {
  const text = '12\na.example|10.0.0.1|11211 b.example||11212\n';
  for (let at = 0; at < text.length; at += 1)
    for (const other of ['', '\0', '\n', ' ', '|', '9', 'x'])
      try {
        const { servers } = parseClusterConfig(text.slice(0, at) + other + text.slice(at + 1));
        for (const { host, port } of servers) assert.ok(host !== '' && port > 0 && port < 65536);
      } catch (error) {
        assert.ok(error instanceof ConnectionError);
      }
});
