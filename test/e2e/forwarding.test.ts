// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { GrpcClient } from '../support/grpc-client.ts';
import { askHttp } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const CONFIG = `backend: "parameters"
max_batch_size: 0
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "PARAMS" data_type: TYPE_STRING dims: [ 1 ] }
`;

const INPUT = { name: 'IN', shape: [1], datatype: 'INT32', data: [1] };

describe('headers that are forwarded', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;
  let grpc: GrpcClient;

  before(async () => {
    await repository.write('m/config.pbtxt', CONFIG);
    await repository.write('m/1/empty', '');
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--http-header-forward-pattern=(x-a|priority|timeout|triton_)',
        '--grpc-header-forward-pattern=(?-i)(x-a|priority|timeout|triton_)',
      ],
    });
    grpc = new GrpcClient(server.endpoints.grpc);
  });

  after(async () => {
    grpc?.[Symbol.dispose]();
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const overHttp = async (
    headers: Record<string, string>,
    parameters?: object,
    path = '/v2/models/m/infer',
  ): Promise<{ status: number; text: string }> => {
    const body = JSON.stringify({ inputs: [INPUT], ...(parameters && { parameters }) });
    const answer = await askHttp(server.endpoints.http, 'POST', path, { headers, body });
    const { outputs, error, ...rest } = JSON.parse(answer.body) as {
      outputs?: { data: string[] }[];
      error?: string;
    };
    assert.doesNotMatch(JSON.stringify(rest), /x-a/i, 'the answer echoes no header');
    return { status: answer.status, text: error ?? outputs?.[0]?.data[0] ?? '' };
  };

  const overGrpc = async (
    metadata: Record<string, string>,
    parameters: object = {},
  ): Promise<string> => {
    const message = {
      model_name: 'm',
      parameters,
      inputs: [{ name: 'IN', shape: [1], datatype: 'INT32', contents: { int_contents: [1] } }],
    };
    const { code, details, message: answer } = await grpc.call('ModelInfer', message, metadata);
    if (code !== 'OK') return `${code} ${details}`;
    const { raw_output_contents: raw } = answer as { raw_output_contents: Buffer[] };
    return raw[0]?.subarray(4).toString() ?? '';
  };

  it('are parameters of the request, as Triton has them', async () => {
    const cases: [Record<string, string>, object | undefined, string][] = [
      [{ 'x-a': '1' }, undefined, '{"x-a":"1"}'],
      [{ 'X-A': '1' }, undefined, '{"X-A":"1"}'],
      [{ 'my-x-a-b': '1', other: 'x-a' }, undefined, '{"my-x-a-b":"1"}'],
      [{ 'x-a': 'say "\\"' }, undefined, '{"x-a":"say \\"\\\\\\""}'],
      [{ 'x-a': '1' }, { 'x-a': 5 }, '{"x-a":5,"x-a":"1"}'],
      [{ 'x-a': '1' }, { y: true }, '{"y":true,"x-a":"1"}'],
      [{}, undefined, '{}'],
    ];
    for (const [headers, parameters, expected] of cases) {
      assert.deepEqual(await overHttp(headers, parameters), { status: 200, text: expected });
    }
    assert.equal(
      await overGrpc({ 'x-b': '0', 'x-a-2': '2', 'x-a-1': '1' }),
      '{"x-a-1":"1","x-a-2":"2"}',
    );
    assert.equal(
      await overGrpc({ 'x-a': '1' }, { 'x-a': { int64_param: 5 } }),
      '{"x-a":5,"x-a":"1"}',
    );
  });

  it('may not be parameters that mean something of their own', async () => {
    for (const name of ['priority', 'timeout', 'triton_x', 'Timeout']) {
      const { status, text } = await overHttp({ [name]: '7' });
      assert.equal(status, 400, name);
      assert.match(text, new RegExp(`'${name}'`));
    }
    assert.match(await overGrpc({ timeout: '7' }), /^INVALID_ARGUMENT .*'timeout'/);
    assert.equal(await overGrpc({ triton_grpc_error: 'true' }), '{}');
    const unknown = await overHttp({ priority: '7' }, undefined, '/v2/models/nope/infer');
    assert.equal(unknown.status, 404);
  });

  it('are no parameters of generate', async () => {
    const headers = { 'x-a': '1', priority: '1' };
    const { body } = await askHttp(server.endpoints.http, 'POST', '/v2/models/m/generate', {
      headers,
      body: '{"IN":1}',
    });
    assert.equal((JSON.parse(body) as { PARAMS: string }).PARAMS, '{}');
  });

  it('are asked for in a pattern that can be read', async () => {
    await assert.rejects(
      startNereid({
        args: [`--model-repository=${repository.path}`, '--http-header-forward-pattern=(x'],
      }),
      /'\(x' is no pattern: a '\(' without its '\)' at 2/,
    );
  });
});
