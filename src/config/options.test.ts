// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { serverFlags } from './flag-table.ts';
import { flagsHelp, flagsPage } from './flags-page.ts';
import { defaultOptions, type Program, parseOptions } from './options.ts';
import type { ServerOptions } from './server-options.ts';

function accept(argv: readonly string[], program: Program = 'tritonserver'): ServerOptions {
  const parsed = parseOptions(program, argv);
  if (parsed.kind !== 'options') assert.fail(`${argv}: ${JSON.stringify(parsed)}`);
  return parsed.options;
}

function refuse(argv: readonly string[], program: Program = 'tritonserver'): string {
  const parsed = parseOptions(program, argv);
  if (parsed.kind !== 'error') assert.fail(`${argv}: ${parsed.kind}`);
  return parsed.message;
}

describe('parseOptions', () => {
  it('has the defaults of Triton under its name', () => {
    const options = defaultOptions('tritonserver');
    assert.equal(options.id, 'triton');
    assert.equal(options.httpAddress, '0.0.0.0');
    assert.deepEqual(
      [options.httpPort, options.grpcPort, options.metricsPort, options.exitTimeoutSecs],
      [8000, 8001, 8002, 30],
    );
    assert.equal(options.maxQueueSize, 0);
    assert.equal(options.queueFullStatus, 'Unavailable');
    assert.equal(options.jsonHealthBodies, true);
    assert.equal(options.singleProtocolPorts, true);
    assert.equal(options.setup, 'never');
    assert.equal(options.httpMaxInputBytes, 64 * 1024 * 1024);
    assert.deepEqual(options.readinessPolicy, { kind: 'known' });
  });

  it('has safer defaults under its own name', () => {
    const options = defaultOptions('nereid');
    assert.equal(options.httpAddress, '127.0.0.1');
    assert.equal(options.grpcAddress, '127.0.0.1');
    assert.equal(options.maxQueueSize, 1024);
    assert.equal(options.queueFullStatus, 'ResourceExhausted');
    assert.equal(options.jsonHealthBodies, true);
    assert.equal(options.setup, 'ask');
    assert.deepEqual(options.readinessPolicy, { kind: 'all' });
  });

  it('takes a value after = or as the next word', () => {
    assert.equal(accept(['--http-port=81']).httpPort, 81);
    assert.equal(accept(['--http-port', '81']).httpPort, 81);
    assert.equal(accept(['--id=a=b']).id, 'a=b');
  });

  it('takes booleans in every spelling of Triton', () => {
    for (const word of ['true', 'TRUE', 'on', 'On', '1']) {
      assert.equal(accept([`--allow-http=${word}`]).allowHttp, true, word);
    }
    for (const word of ['false', 'False', 'off', '0']) {
      assert.equal(accept([`--allow-http=${word}`]).allowHttp, false, word);
    }
    assert.equal(
      refuse(['--allow-http=yes']),
      'Bad option: "--allow-http".\ninvalid value for bool option: yes',
    );
  });

  it('collects flags that repeat, model-store as model-repository', () => {
    const options = accept([
      '--model-repository=a',
      '--model-store',
      'b',
      '--backend-config=default-max-batch-size=8',
      '--backend-config=onnxruntime,intra_op_thread_count=2',
    ]);
    assert.deepEqual(options.modelRepositories, ['a', 'b']);
    assert.deepEqual(options.backendConfig, [
      { backend: '', key: 'default-max-batch-size', value: '8' },
      { backend: 'onnxruntime', key: 'intra_op_thread_count', value: '2' },
    ]);
  });

  it('takes the command line of KServe', () => {
    const options = accept([
      '--model-store=/mnt/models',
      '--grpc-port=9000',
      '--http-port=8080',
      '--allow-grpc=true',
      '--allow-http=true',
    ]);
    assert.deepEqual(options.modelRepositories, ['/mnt/models']);
    assert.equal(options.grpcPort, 9000);
  });

  it('takes a unique beginning of a name, as getopt does', () => {
    assert.equal(accept(['--http-p=81']).httpPort, 81);
    assert.match(
      refuse(['--http=1']),
      /^option '--http=1' is ambiguous; possibilities: '--http-address'/,
    );
  });

  it('takes our own switches alone, with = and with a word behind', () => {
    assert.equal(accept(['--enable-test-backends']).enableTestBackends, true);
    assert.equal(accept(['--enable-test-backends', '--id=x']).enableTestBackends, true);
    assert.equal(accept(['--enable-test-backends=off']).enableTestBackends, false);
    assert.equal(accept(['--enable-test-backends', 'false']).enableTestBackends, false);
    assert.equal(refuse(['--enable-test-backends', 'stray']), 'Unexpected argument: stray');
  });

  it('refuses what it does not know', () => {
    assert.equal(refuse(['--foo']), "unrecognized option '--foo'");
    assert.equal(refuse(['stray']), 'Unexpected argument: stray');
    assert.equal(refuse(['-h']), "invalid option -- 'h'");
    assert.equal(refuse(['--', '--id']), 'Unexpected argument: --id');
    assert.equal(refuse(['stray', '--foo']), "unrecognized option '--foo'");
    accept(['--']);
    assert.equal(refuse(['--http-port']), "option '--http-port' requires an argument");
    assert.equal(
      refuse(['--disable-auto-complete-config=true']),
      "option '--disable-auto-complete-config' doesn't allow an argument",
    );
  });

  it('refuses bad values in the words of Triton', () => {
    const table: [string, string][] = [
      ['--http-port=abc', 'Invalid option value. Got abc'],
      ['--http-port=', 'Invalid option value. Got '],
      ['--http-port=77777777777777', 'Provided option value is out of bound. Got 77777777777777'],
      ['--http-port=65536', 'Expected a value from 0 to 65535. Got 65536'],
      ['--http-port=-1', 'Expected a value from 0 to 65535. Got -1'],
      [
        '--backend-config=foo',
        "--backend-config option format is '<backend name>,<setting>=<value>'. Got foo",
      ],
      ['--backend-config=default-max-batch-size=x', 'Invalid option value. Got x'],
      ['--model-control-mode=sometimes', 'invalid argument for --model-control-mode'],
    ];
    for (const [argument, reason] of table) {
      const flag = argument.slice(0, argument.indexOf('='));
      assert.equal(refuse([argument]), `Bad option: "${flag}".\n${reason}`);
    }
  });

  it('takes the models that readiness waits for', () => {
    const policy = (value: string) => accept([`--readiness-policy=${value}`]).readinessPolicy;
    assert.deepEqual(policy('any'), { kind: 'any' });
    assert.deepEqual(policy('listed:a,b'), { kind: 'listed', names: ['a', 'b'] });
    for (const bad of ['', 'some', 'listed', 'listed:', 'listed:a,']) {
      assert.match(refuse([`--readiness-policy=${bad}`]), /Expected all, known, any or listed:/);
    }
  });

  it('takes sizes beyond 2^31', () => {
    assert.equal(accept(['--http-max-input-size=8589934592']).httpMaxInputBytes, 8_589_934_592);
  });

  it('takes addresses as Triton writes IPv6', () => {
    assert.equal(accept(['--http-address=ipv6:[::1]']).httpAddress, '::1');
    assert.equal(accept(['--http-address=[::1]']).httpAddress, '::1');
  });

  it('asks for explicit mode with --load-model, and * alone', () => {
    assert.equal(
      refuse(['--load-model=a']),
      "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.",
    );
    assert.equal(
      refuse(['--model-control-mode=explicit', '--load-model=*', '--load-model=a']),
      "creating server: Invalid argument - Wildcard model name '*' must be the ONLY startup model if specified at all.",
    );
    assert.deepEqual(
      accept(['--model-control-mode=explicit', '--load-model=a', '--load-model=b']).loadModels,
      ['a', 'b'],
    );
  });

  it('refuses two services on one port', () => {
    assert.equal(
      refuse(['--http-port=8001']),
      'The server cannot listen to HTTP requests and GRPC requests at the same address and port 0.0.0.0:8001',
    );
    assert.match(refuse(['--metrics-port=8000']), /HTTP requests and metrics requests/);
    assert.match(
      refuse(['--http-address=127.0.0.1', '--http-port=8001']),
      /HTTP requests and GRPC/,
    );
    accept(['--http-port=8001', '--allow-grpc=false']);
    accept(['--http-port=0', '--grpc-port=0', '--metrics-port=0']);
    accept(['--http-address=127.0.0.1', '--grpc-address=127.0.0.2', '--http-port=8001']);
  });

  it('names flags that have no effect', () => {
    const parsed = parseOptions('tritonserver', ['--http-thread-count=4', '--http-thread-count=8']);
    assert.equal(parsed.kind, 'options');
    if (parsed.kind !== 'options') return;
    assert.equal(parsed.notes.length, 1);
    assert.match(parsed.notes[0] ?? '', /^--http-thread-count is accepted and has no effect: /);
  });

  it('answers --help before anything else is checked', () => {
    assert.equal(parseOptions('tritonserver', ['--help', '--foo']).kind, 'help');
  });
});

describe('the table of flags', () => {
  it('names every flag once', () => {
    const names = serverFlags.map((flag) => flag.name);
    assert.equal(new Set(names).size, names.length);
  });

  it('accepts its own defaults', () => {
    for (const flag of serverFlags) {
      for (const program of ['tritonserver', 'nereid'] as const) {
        const value = flag.defaults?.[program];
        if (value !== undefined) accept([`--${flag.name}=${value}`], program);
      }
    }
  });

  it('is what --help prints', () => {
    const help = flagsHelp('nereid');
    for (const flag of serverFlags) assert.ok(help.includes(`  --${flag.name}`), flag.name);
    for (const line of help.split('\n')) assert.ok(line.length <= 100, line);
  });

  it('is what docs/flags.md says (nereid help flags --markdown > docs/flags.md)', () => {
    const page = readFileSync(new URL('../../docs/flags.md', import.meta.url), 'utf8');
    assert.equal(page, flagsPage());
  });
});
