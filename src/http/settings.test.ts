// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { HttpReply } from '../addon/control-call.ts';

const show = ({ status, body }: HttpReply): [number, unknown] => [status, JSON.parse(String(body))];

const LOGGING = {
  log_file: '',
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: 'default',
};
const TRACE = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: 'traces.json',
  trace_mode: 'triton',
};

async function withServer(
  test: (
    post: (path: string, body: string) => Promise<[number, unknown]>,
    server: FakeServer,
  ) => Promise<void>,
): Promise<void> {
  using repository = new TempRepository();
  await repository.addIdentity('m');
  await using server = new FakeServer(repository.path, { traceFile: 'traces.json' });
  await server.server.start(['m']);
  await test(async (path, body) => show(await server.http('POST', path, body)), server);
}

describe('the logging extension', () => {
  it('changes both halves of the server', () =>
    withServer(async (post, server) => {
      assert.deepEqual(show(await server.http('GET', '/v2/logging')), [200, LOGGING]);
      const changed = { ...LOGGING, log_info: false, log_verbose_level: 3, log_format: 'ISO8601' };
      const body =
        '{"log_info":false,"log_verbose_level":3,"log_format":"ISO8601","log_error":null}';
      assert.deepEqual(await post('/v2/logging', body), [200, changed]);
      assert.deepEqual(server.engine.logOptions, [
        {
          logFile: '',
          logInfo: false,
          logWarning: true,
          logError: true,
          logVerbose: 3,
          logFormat: 'ISO8601',
        },
      ]);
    }));

  it('refuses and changes nothing', () =>
    withServer(async (post, server) => {
      for (const [body, status, words] of [
        ['{"log_info":"x"}', 400, 'attempt to access JSON non-boolean as boolean'],
        [
          '{"log_verbose_level":-1}',
          400,
          'attempt to access JSON non-unsigned-integer as unsigned-integer',
        ],
        [
          '{"log_verbose_level":4294967296}',
          400,
          'attempt to access JSON non-unsigned-integer as unsigned-integer',
        ],
        ['{"log_format":5}', 400, 'attempt to access JSON non-string as string'],
        ['{"log_format":"x"}', 400, 'invalid argument for --log_format, got: x'],
        [
          '{"log_info":false,"log_file":"/tmp/x"}',
          501,
          'log file location can not be updated through network protocol',
        ],
        [
          '{"constructor":1}',
          400,
          "unknown setting 'constructor', expected log_info, log_warning, log_error, log_verbose_level, log_format",
        ],
      ] as const) {
        assert.deepEqual(await post('/v2/logging', body), [status, { error: words }], body);
      }
      for (const body of ['', '[]', '3', '{']) {
        assert.equal((await post('/v2/logging', body))[0], 400, body);
      }
      assert.deepEqual(show(await server.http('GET', '/v2/logging')), [200, LOGGING]);
      assert.deepEqual(server.engine.logOptions, []);
    }));
});

describe('the trace extension', () => {
  it('has settings for the server and for a model', () =>
    withServer(async (post, server) => {
      const path = '/v2/models/m/trace/setting';
      assert.deepEqual(show(await server.http('GET', path)), [200, TRACE]);
      assert.deepEqual(await post('/v2/trace/setting', '{"trace_level":["TIMESTAMPS"]}'), [
        200,
        { ...TRACE, trace_level: ['TIMESTAMPS'] },
      ]);
      assert.deepEqual(await post(path, '{"trace_rate":"7","trace_count":"3"}'), [
        200,
        { ...TRACE, trace_level: ['TIMESTAMPS'], trace_rate: '7', trace_count: '3' },
      ]);
      assert.deepEqual(await post(path, '{"trace_rate":null,"trace_count":null}'), [
        200,
        { ...TRACE, trace_level: ['TIMESTAMPS'] },
      ]);
      assert.deepEqual(server.engine.tracePlans.at(-1)?.models[0]?.name, 'm');
      // What a client got it may send back.
      const back = JSON.stringify({ ...TRACE, trace_file: undefined });
      assert.deepEqual(await post('/v2/trace/setting', back), [200, TRACE]);
    }));

  it('refuses and changes nothing', () =>
    withServer(async (post, server) => {
      for (const [body, status, words] of [
        ['{"trace_level":"TIMESTAMPS"}', 400, 'attempt to access JSON non-array as array'],
        [
          '{"trace_level":["OFF","TENSORS"]}',
          400,
          "Expect only one trace level 'OFF' is specified",
        ],
        [
          '{"trace_level":["FOO"]}',
          400,
          "Unable to parse 'trace_level', expected OFF, TIMESTAMPS or TENSORS, got: FOO",
        ],
        ['{"trace_rate":5}', 400, 'attempt to access JSON non-string as string'],
        ['{"trace_rate":"x"}', 400, "Unable to parse 'trace_rate', got: x"],
        ['{"trace_rate":"-1"}', 400, "Unable to parse 'trace_rate', got: -1"],
        [
          '{"trace_rate":"0"}',
          400,
          'Attempting to set invalid trace setting :sample rate must be non-zero',
        ],
        [
          '{"trace_rate":"99999999999999999999"}',
          400,
          "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: 99999999999999999999",
        ],
        [
          '{"trace_count":"-2"}',
          400,
          "Unable to parse 'trace_count'. Expecting value >= -1, got:-2",
        ],
        ['{"log_frequency":"1.5"}', 400, "Unable to parse 'log_frequency', got: 1.5"],
        [
          '{"trace_file":null}',
          501,
          'trace file location can not be updated through network protocol',
        ],
        [
          '{"trace_mode":"opentelemetry"}',
          400,
          "unknown setting 'trace_mode', expected trace_level, trace_rate, trace_count, log_frequency",
        ],
      ] as const) {
        const answer = await post('/v2/trace/setting', body);
        assert.deepEqual(answer, [status, { error: words }], body);
      }
      for (const method of ['GET', 'POST']) {
        assert.deepEqual(show(await server.http(method, '/v2/models/nosuch/trace/setting', '{}')), [
          400,
          { error: 'Request for unknown model : nosuch' },
        ]);
      }
      assert.deepEqual(show(await server.http('GET', '/v2/trace/setting')), [200, TRACE]);
      assert.deepEqual(server.engine.tracePlans, []);
    }));
});
