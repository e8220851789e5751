// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify, stripVTControlCharacters } from 'node:util';
import { freePorts } from '../../test/support/ports.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { ServedVersion } from '../lifecycle/model-state.ts';
import { plotAnswer } from './answer-plot.ts';
import { runCheck } from './check.ts';
import { fitShape } from './infer.ts';
import { sampleRequest, shellWord } from './sample-request.ts';
import { columns, type Output, styled } from './terminal.ts';
import { curlLine, modelTable } from './welcome.ts';

const pipe: Output = { isTerminal: false, write: () => undefined };
const terminal: Output = { isTerminal: true, write: () => undefined };

function served(plan: Partial<ModelPlan>): ServedVersion {
  return { plan: { name: 'm', maxBatchSize: 0, inputs: [], ...plan } } as unknown as ServedVersion;
}

const tensor = (name: string, datatype: string, dims: number[], optional = false): object => ({
  name,
  datatype,
  dims,
  optional,
  labels: [],
});

const plan = (value: object): ModelPlan => ({ name: 'm', ...value }) as unknown as ModelPlan;

describe('sampleRequest', () => {
  it('fits shape and type of every input that must be there', () => {
    const text = sampleRequest(
      plan({
        maxBatchSize: 8,
        inputs: [
          tensor('a', 'INT32', [2]),
          tensor('b', 'BYTES', [-1, 1]),
          tensor('c', 'BOOL', [1], true),
        ],
      }),
    );
    assert.deepEqual(JSON.parse(text ?? ''), {
      inputs: [
        { name: 'a', shape: [1, 2], datatype: 'INT32', data: [0, 1] },
        { name: 'b', shape: [1, 1, 1], datatype: 'BYTES', data: ['0'] },
      ],
    });
  });

  it('has none for what fits no line or no JSON', () => {
    assert.equal(
      sampleRequest(plan({ maxBatchSize: 0, inputs: [tensor('a', 'FP32', [1000])] })),
      undefined,
    );
    assert.equal(
      sampleRequest(plan({ maxBatchSize: 0, inputs: [tensor('a', 'FP16', [1])] })),
      undefined,
    );
  });
});

describe('curlLine', () => {
  const http = { id: 1, host: '0.0.0.0', port: 8000 };

  it('asks digits if it is served, else the first model that a line can ask', () => {
    const small = served({
      name: 'small',
      inputs: plan({ inputs: [tensor('a', 'INT32', [1])] }).inputs,
    });
    const large = served({
      name: 'large',
      inputs: plan({ inputs: [tensor('a', 'INT32', [999])] }).inputs,
    });
    const digits = served({
      name: 'digits',
      maxBatchSize: 1,
      inputs: plan({ inputs: [tensor('image', 'FP32', [1, 8, 8])] }).inputs,
    });
    assert.equal(
      curlLine(http, [large, small]),
      `curl -s http://localhost:8000/v2/models/small/infer -d '{"inputs":[{"name":"a","shape":[1],"datatype":"INT32","data":[0]}]}'`,
    );
    assert.match(
      curlLine(http, [small, digits]),
      /\/v2\/models\/digits\/infer -d '.*"shape":\[1,1,8,8\].*0\.44,0\.75/,
    );
    assert.equal(curlLine({ ...http, host: '::1' }, [large]), 'curl -s http://[::1]:8000/v2');
  });

  it('quotes for the shell', () => {
    assert.equal(shellWord('plain/word.1'), 'plain/word.1');
    assert.equal(shellWord(`it's`), `'it'\\''s'`);
  });
});

describe('what people see', () => {
  it('is coloured on a terminal only, and not with NO_COLOR', () => {
    assert.equal(styled(terminal, 'bold', 'x', {}), '\x1b[1mx\x1b[22m');
    assert.equal(styled(terminal, 'bold', 'x', { NO_COLOR: '1' }), 'x');
    assert.equal(styled(pipe, 'bold', 'x', {}), 'x');
  });

  it('of a check is the same text with and without colours', async () => {
    using repository = new TempRepository();
    await repository.write('m/config.pbtxt', 'nonsense: 1\n');
    const run = async (isTerminal: boolean): Promise<string> => {
      let text = '';
      await runCheck([repository.path], { isTerminal, write: (piece) => (text += piece) });
      return text;
    };
    const coloured = await run(true);
    const bare = await run(false);
    assert.ok(coloured.includes('\x1b[31merror:\x1b[39m'));
    assert.equal(stripVTControlCharacters(coloured), bare);
    assert.ok(!bare.includes('\x1b'));
  });

  it('is laid out in columns', () => {
    assert.deepEqual(
      columns([
        ['a', 'bb'],
        ['ccc', ''],
      ]),
      ['a    bb', 'ccc'],
    );
  });

  it('plots shares on a terminal and prints numbers elsewhere', () => {
    const answer = JSON.stringify({
      model_name: 'digits',
      model_version: '1',
      outputs: [
        { name: 'probabilities', datatype: 'FP32', shape: [1, 3], data: [0, 0.25, 0.75] },
        { name: 'label', datatype: 'INT64', shape: [1, 1], data: [2] },
      ],
    });
    assert.equal(
      plotAnswer(answer, pipe),
      'digits version 1\nlabel  2\nprobabilities  0 0.25 0.75\n',
    );
    const plotted = plotAnswer(answer, terminal);
    assert.match(plotted, /^ {2}1 0\.250 █{10}$/m);
    assert.match(plotted, / {2}2 0\.750 █{30}/);
  });

  it('prints an answer that is no JSON, and 64-bit integers, as they are', () => {
    assert.equal(plotAnswer('{"data":[NaN]}', pipe), '{"data":[NaN]}\n');
    const big =
      '{"outputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[9223372036854775807]}]}';
    assert.match(plotAnswer(big, pipe), /^x {2}9223372036854775807$/m);
  });

  it('lists models as Triton does', () => {
    assert.equal(
      modelTable([
        { name: 'a', version: 1, state: 'READY' },
        { name: 'bb', version: 2, state: 'UNAVAILABLE', reason: 'Internal: no\nluck\n' },
      ]),
      [
        '+-------+---------+--------------------------------+',
        '| Model | Version | Status                         |',
        '+-------+---------+--------------------------------+',
        '| a     | 1       | READY                          |',
        '| bb    | 2       | UNAVAILABLE: Internal: no luck |',
        '+-------+---------+--------------------------------+',
      ].join('\n'),
    );
  });
});

describe('fitShape', () => {
  it('gives the last free dimension what is left', () => {
    assert.deepEqual(fitShape([-1, 16], 16), [1, 16]);
    assert.deepEqual(fitShape([-1, 16], 32), [2, 16]);
    assert.deepEqual(fitShape([-1, -1], 3), [1, 3]);
    assert.deepEqual(fitShape([2], 2), [2]);
    assert.throws(
      () => fitShape([-1, 16], 15),
      /expected values for shape \[-1,16\], got 15 values/,
    );
    assert.throws(() => fitShape([2], 3), { code: 'InvalidArgument' });
  });
});

describe('the executables', () => {
  const bin = (name: string): string => new URL(`../../bin/${name}`, import.meta.url).pathname;
  const run = async (
    name: string,
    args: string[],
  ): Promise<{ code: number; out: string; err: string }> => {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [bin(name), ...args]);
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  };

  it('nereid says its version and helps', async () => {
    assert.match((await run('nereid', ['--version'])).out, /^nereid \d+\.\d+\.\d+\n$/);
    for (const words of [[], ['help'], ['--help']]) {
      assert.match((await run('nereid', words)).out, /^Usage: nereid COMMAND/);
    }
    for (const command of ['serve', 'infer', 'models', 'check', 'setup']) {
      const { out } = await run('nereid', [command, '--help']);
      assert.match(out, new RegExp(`^Usage: nereid ${command}`));
      assert.equal((await run('nereid', ['help', command])).out, out);
    }
  });

  it('nereid refuses wrong words with exit code 2', async () => {
    const unknown = await run('nereid', ['swim']);
    assert.deepEqual(
      [unknown.code, unknown.err],
      [2, "nereid: there is no command 'swim'. `nereid help` lists them.\n"],
    );
    assert.equal((await run('nereid', ['infer'])).code, 2);
    assert.equal((await run('nereid', ['models', '--nope'])).code, 2);
    assert.equal((await run('nereid', ['check'])).code, 2);
  });

  it('tritonserver prints usage, the reason last, and exit code 1', async () => {
    const help = await run('tritonserver', ['--help']);
    assert.match(help.out, /^Usage: tritonserver \[options\]\n/);
    const bad = await run('tritonserver', ['--http-port=x']);
    assert.equal(bad.code, 1);
    assert.match(
      bad.err,
      /^Usage: tritonserver.*Bad option: "--http-port"\.\nInvalid option value\. Got x\n$/s,
    );
    const none = await run('tritonserver', []);
    assert.deepEqual(
      [none.code, none.err],
      [1, 'error: creating server: Invalid argument - --model-repository must be specified\n'],
    );
  });

  it('says that no server answers', async () => {
    const [port] = await freePorts(1);
    const { code, err } = await run('nereid', ['models', `--url=127.0.0.1:${port}`]);
    assert.equal(code, 1);
    assert.equal(
      err,
      `nereid models: no server answers at http://127.0.0.1:${port}: start one with \`nereid serve\`, or name another with --url\n`,
    );
  });
});
