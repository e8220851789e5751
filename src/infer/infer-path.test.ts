// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { addonError, FakeEngine } from '../../test/support/fake-engine.ts';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { ControlCall, HttpReply } from '../addon/control-call.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { notFound, ServeError } from '../base/status.ts';
import { decodeMessage, encodeMessage } from '../grpc/codec.ts';
import type { ServedVersion } from '../lifecycle/model-state.ts';
import { TypeScriptInferPath } from './infer-path.ts';

const MAX_INPUT_BYTES = 100_000;

/** The path over an engine that echoes: the outputs of `plan` bear the names of its inputs. */
class Fixture {
  readonly engine = new FakeEngine();
  readonly plan: ModelPlan;
  readonly path: TypeScriptInferPath;

  constructor(
    {
      allowClientShm = false,
      ...given
    }: Partial<ModelPlan> & { readonly allowClientShm?: boolean } = {},
    real16Json = false,
  ) {
    const inputs = given.inputs ?? [tensorPlan('IN', 'INT32', [-1])];
    this.plan = makePlan({ inputs, outputs: inputs, version: 3, ...given });
    this.path = new TypeScriptInferPath({
      engine: this.engine,
      models: {
        find: (name, version) => this.#find(name, version),
      },
      maxInputBytes: MAX_INPUT_BYTES,
      real16Json,
      allowClientShm,
    });
  }

  http(body: unknown, headers: readonly string[] = [], version = ''): Promise<HttpReply> {
    const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    return this.path.http(call('http', bytes, headers), this.plan.name, version);
  }

  async grpc(message: object): Promise<Record<string, unknown>> {
    const bytes = encodeMessage('ModelInferRequest', message);
    const reply = await this.path.grpc(call('grpc', bytes));
    assert.equal(reply.code, 0);
    return decodeMessage('ModelInferResponse', reply.body);
  }

  #find(name: string, version: number | undefined): ServedVersion {
    const { plan } = this;
    if (name !== plan.name) throw notFound(`no model '${name}'`);
    if (version !== undefined && version !== plan.version) throw notFound(`no version ${version}`);
    return { version: plan.version, handle: 1, plan, loadSeconds: 0 } as ServedVersion;
  }
}

const call = (
  protocol: 'http' | 'grpc',
  body: Uint8Array,
  headers: readonly string[] = [],
): ControlCall => ({
  token: 1,
  protocol,
  service: protocol,
  method: 'POST',
  path: '',
  query: '',
  headers,
  body,
  remoteAddress: '',
});

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    const { code, message } = ServeError.from(error);
    return `${code}: ${message}`;
  }
  return 'it was taken';
}

const IN = { name: 'IN', shape: [1, 2], datatype: 'INT32' };
const REQUEST = { inputs: [{ ...IN, data: [1, 2] }] };
const MESSAGE = {
  model_name: 'm',
  inputs: [IN],
  raw_input_contents: [Buffer.from('0100000002000000', 'hex')],
};
const textOf = (reply: HttpReply): string => Buffer.from(reply.body as Uint8Array).toString();

describe('the TypeScript path over HTTP', () => {
  it('answers JSON', async () => {
    const reply = await new Fixture().http({ ...REQUEST, id: 'x"' });
    assert.deepEqual([reply.status, reply.headers], [200, ['content-type', 'application/json']]);
    assert.equal(
      textOf(reply),
      '{"id":"x\\"","model_name":"m","model_version":"3","outputs":' +
        '[{"name":"IN","datatype":"INT32","shape":[1,2],"data":[1,2]}]}',
    );
  });

  it('answers in the binary tail what is wanted there', async () => {
    const inputs = [tensorPlan('A', 'FP16', [-1]), tensorPlan('B', 'UINT8', [-1])];
    const fixture = new Fixture({ inputs });
    const json = {
      inputs: [
        { name: 'B', shape: [1, 1], datatype: 'UINT8', data: [7] },
        { name: 'A', shape: [1, 1], datatype: 'FP16', parameters: { binary_data_size: 2 } },
      ],
      outputs: [{ name: 'B' }, { name: 'A', parameters: { binary_data: true } }],
      parameters: { binary_data_output: true },
    };
    const head = Buffer.from(JSON.stringify(json));
    const reply = await fixture.http(Buffer.concat([head, Buffer.from([1, 2])]), [
      'inference-header-content-length',
      String(head.length),
    ]);
    // In the model's order; the request-wide wish counts for no output that is named.
    const expected =
      '{"model_name":"m","model_version":"3","outputs":[{"name":"A","datatype":"FP16",' +
      '"shape":[1,1],"parameters":{"binary_data_size":2}},{"name":"B","datatype":"UINT8",' +
      '"shape":[1,1],"data":[7]}]}';
    assert.equal(textOf(reply), `${expected}\u0001\u0002`);
    assert.deepEqual(reply.headers, [
      'content-type',
      'application/octet-stream',
      'inference-header-content-length',
      String(expected.length),
    ]);
  });

  it('answers a tail without a byte as JSON', async () => {
    const reply = await new Fixture().http(new Uint8Array(0));
    assert.deepEqual(reply.headers, ['content-type', 'application/json']);
    assert.match(textOf(reply), /"shape":\[1,0\],"parameters":\{"binary_data_size":0\}/);
  });

  it('answers classes', async () => {
    const outputs = [{ name: 'IN', parameters: { classification: 1 } }];
    const reply = await new Fixture().http({ ...REQUEST, outputs });
    assert.match(textOf(reply), /"datatype":"BYTES","shape":\[1,1\],"data":\["2:1"\]/);
  });

  it('refuses to write what JSON cannot carry', async () => {
    const fp16 = new Fixture({ inputs: [tensorPlan('IN', 'FP16', [-1])] });
    const body = { inputs: [{ ...IN, shape: [1, 0], datatype: 'FP16', data: [] }] };
    assert.equal(
      await refusal(fp16.http(body)),
      'InvalidArgument: sending FP16 data via JSON is not supported. Please use the binary data format for output',
    );
    const bytes = new Fixture({ inputs: [tensorPlan('IN', 'BYTES', [1])] });
    const json = {
      inputs: [{ ...IN, shape: [1, 1], datatype: 'BYTES', parameters: { binary_data_size: 5 } }],
    };
    const head = Buffer.from(JSON.stringify(json));
    const tail = Buffer.from('01000000ff', 'hex');
    const length = ['inference-header-content-length', String(head.length)];
    assert.equal(
      await refusal(bytes.http(Buffer.concat([head, tail]), length)),
      "InvalidArgument: output 'IN' has elements that are not UTF-8 and can not be sent via JSON. " +
        'Please use the binary data format for output',
    );
  });

  it('reads compressed bodies and compresses the answer as preferred', async () => {
    const fixture = new Fixture();
    const json = Buffer.from(JSON.stringify(REQUEST));
    const plain = textOf(await fixture.http(REQUEST));
    for (const [coding, body] of [
      ['gzip', gzipSync(json)],
      ['deflate', deflateSync(json)],
      ['identity', json],
      [' GZip ', gzipSync(json)],
    ] as const) {
      assert.equal(textOf(await fixture.http(body, ['content-encoding', coding])), plain);
    }
    for (const [accepted, coding] of [
      ['gzip', 'gzip'],
      ['deflate, gzip', 'deflate'],
      ['gzip;q=0.5, deflate;q=0.8', 'deflate'],
      ['gzip;q=0, identity', undefined],
      ['identity, gzip;q=0.9', undefined],
      ['br', undefined],
    ] as const) {
      const { headers, body } = await fixture.http(REQUEST, ['accept-encoding', accepted]);
      assert.equal(headers[3], coding, accepted);
      const bytes = Buffer.from(body as Uint8Array);
      const unpacked =
        coding === 'gzip' ? gunzipSync(bytes) : coding === 'deflate' ? inflateSync(bytes) : bytes;
      assert.equal(unpacked.toString(), plain);
    }
  });

  it('refuses compressed bodies that are not', async () => {
    const { path } = new Fixture();
    const send = (coding: string, body: Uint8Array): Promise<string> =>
      refusal(path.http(call('http', body, ['content-encoding', coding]), 'm', ''));
    const json = Buffer.from(JSON.stringify(REQUEST));
    assert.equal(
      await send('br', brotliCompressSync(json)),
      'Unimplemented: Unsupported compression type',
    );
    for (const [coding, bytes] of [
      ['gzip', json],
      ['deflate', gzipSync(json)],
      ['gzip', gzipSync(json).subarray(0, 30)],
    ] as const) {
      assert.equal(
        await send(coding, bytes),
        `InvalidArgument: failed to decompress the request: expected ${coding} data`,
      );
    }
    assert.match(
      await send('gzip', gzipSync(Buffer.alloc(MAX_INPUT_BYTES + 1))),
      /^InvalidArgument: the decompressed request exceeds/,
    );
  });
});

describe('the TypeScript path over gRPC', () => {
  it('answers raw contents', async () => {
    const response = await new Fixture().grpc({ ...MESSAGE, id: 'x' });
    assert.deepEqual([response.model_name, response.model_version, response.id], ['m', '3', 'x']);
    const [output] = response.outputs as Record<string, unknown>[];
    assert.deepEqual([output?.name, output?.datatype, output?.shape], ['IN', 'INT32', ['1', '2']]);
    assert.deepEqual(response.raw_output_contents, MESSAGE.raw_input_contents);
  });

  it('passes the parameters on that are not reserved', async () => {
    const fixture = new Fixture();
    const seen: unknown[] = [];
    const echo = fixture.engine.infer.bind(fixture.engine);
    fixture.engine.infer = (infer, cancelId) => {
      seen.push(infer.parameters);
      return echo(infer, cancelId);
    };
    const parameters = {
      priority_class: { string_param: 'background' },
      priority: { int64_param: 1n },
      low: { int64_param: -(2n ** 63n) },
      high: { uint64_param: 2n ** 64n - 1n },
      real: { double_param: 0.5 },
      off: { bool_param: false },
    };
    await fixture.grpc({ ...MESSAGE, parameters });
    assert.deepEqual(seen, [
      [
        ['priority_class', 'background'],
        ['low', -(2n ** 63n)],
        ['high', 2n ** 64n - 1n],
        ['real', 0.5],
        ['off', false],
      ],
    ]);
  });

  it('passes priority, timeout and the outputs wanted on', async () => {
    const fixture = new Fixture();
    const seen: unknown[] = [];
    const echo = fixture.engine.infer.bind(fixture.engine);
    fixture.engine.infer = (infer, cancelId) => {
      seen.push([infer.priority, infer.timeoutUs, infer.outputs, infer.version]);
      return echo(infer, cancelId);
    };
    await fixture.grpc({
      ...MESSAGE,
      outputs: [{ name: 'IN' }],
      parameters: { priority: { uint64_param: 2n ** 64n - 1n }, timeout: { int64_param: 5n } },
    });
    assert.deepEqual(seen, [[Number.MAX_SAFE_INTEGER, 5, ['IN'], '3']]);
  });

  it('says what is wrong with a message', async () => {
    const message = (change: object): object => ({ ...MESSAGE, ...change });
    const typed = (contents: object): object =>
      message({ inputs: [{ ...IN, contents }], raw_input_contents: [] });
    const parameter = (parameters: object): object => message({ parameters });
    const onInput = (parameters: object): object => message({ inputs: [{ ...IN, parameters }] });
    const onOutput = (parameters: object): object =>
      message({ outputs: [{ name: 'IN', parameters }] });
    const explicit = "unexpected explicit tensor data for input tensor 'IN' for model 'm'";
    const disabled =
      "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.";
    const cases: readonly [object, string][] = [
      [
        message({ raw_input_contents: [] }),
        "unable to find data for input tensor 'IN' for model 'm' in request.",
      ],
      [
        message({ inputs: [{ ...IN, contents: { int_contents: [1] } }] }),
        "contents field must not be specified when using raw_input_contents for 'IN' for model 'm'",
      ],
      [typed({ fp32_contents: [1] }), `${explicit} of type 'FP32', expected datatype 'INT32'`],
      [
        typed({ int_contents: [1], fp32_contents: [1] }),
        `${explicit}, binary data was already supplied.`,
      ],
      [
        typed({ int_contents: [1] }),
        "[request id: <id_unknown>] input byte size mismatch for input 'IN' for model 'm'. Expected 8, got 4",
      ],
      [
        message({ inputs: [IN, IN], raw_input_contents: new Array(2).fill(Buffer.alloc(8)) }),
        "[request id: <id_unknown>] input 'IN' already exists in request",
      ],
      [
        message({ inputs: [{ ...IN, shape: new Array(33).fill(1) }] }),
        "input 'IN' for model 'm' has more than 32 dimensions",
      ],
      [
        parameter({ priority: { int64_param: -1n } }),
        "invalid value for 'priority', expected value >= 0.",
      ],
      [
        parameter({ priority: { string_param: 'x' } }),
        "invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
      ],
      [
        parameter({ timeout: { bool_param: true } }),
        "invalid value type for 'timeout' parameter, expected int64_param.",
      ],
      [
        parameter({ sequence_id: { bool_param: true } }),
        "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
      ],
      [
        parameter({ sequence_start: { int64_param: 1n } }),
        "invalid value type for 'sequence_start' parameter, expected bool_param.",
      ],
      [
        parameter({ mine: {} }),
        "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
      ],
      [
        parameter({ triton_mine: { bool_param: true } }),
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following " +
          "keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
      ],
      [onInput({ shared_memory_region: { string_param: 'r' } }), disabled],
      [
        onInput({ shared_memory_region: { int64_param: 1n } }),
        "invalid value type for 'shared_memory_region' parameter for tensor 'IN', expected string_param.",
      ],
      [
        onInput({ shared_memory_offset: { int64_param: 1n } }),
        "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'IN'",
      ],
      [onOutput({ shared_memory_region: { string_param: 'r' } }), disabled],
      [
        onOutput({ classification: { string_param: 'x' } }),
        "invalid value type for 'classification' parameter, expected int64_param",
      ],
      [
        onOutput({ classification: { int64_param: 0n } }),
        "invalid value for 'classification' parameter, expected >= 0",
      ],
    ];
    for (const [given, expected] of cases) {
      const got = await refusal(new Fixture().grpc(given));
      assert.equal(got.replace(/^\w+: /, ''), expected);
      const code = expected === disabled ? 'Unimplemented' : 'InvalidArgument';
      assert.ok(got.startsWith(`${code}: `), got);
    }
  });

  it('refuses what is no message', async () => {
    const { path } = new Fixture();
    const good = Buffer.from(encodeMessage('ModelInferRequest', MESSAGE));
    const cuts = [2, 10, good.length - 1].map((length) => good.subarray(0, length));
    for (const bytes of [...cuts, Buffer.from('0a02fffe', 'hex'), Buffer.from('0c', 'hex')]) {
      assert.equal(
        await refusal(path.grpc(call('grpc', bytes))),
        'Internal: Unable to parse request',
      );
    }
  });
});

describe('the TypeScript path', () => {
  it('reports the model before the body', async () => {
    const { path } = new Fixture();
    const broken = Buffer.from('{');
    assert.equal(
      await refusal(path.http(call('http', broken), 'no', '')),
      "NotFound: no model 'no'",
    );
    assert.equal(
      await refusal(path.http(call('http', broken), 'm', '9')),
      'NotFound: no version 9',
    );
    assert.equal(
      await refusal(path.http(call('http', broken), 'm', '9'.repeat(18))),
      `NotFound: Request for unknown model: 'm' version ${'9'.repeat(18)} is not found`,
    );
    const failed = 'InvalidArgument: failed to get model version from specified version string';
    assert.equal(
      await refusal(path.http(call('http', broken), 'm', '9'.repeat(20))),
      `${failed} '${'9'.repeat(20)}' (details: stol), version should be an integral value > 0`,
    );
    const versioned = (version: string): Promise<string> =>
      refusal(new Fixture().grpc({ ...MESSAGE, model_version: version }));
    assert.equal(await versioned('03'), 'it was taken');
    assert.match(await versioned('x'), /^InvalidArgument: failed to get model version/);
    assert.equal(
      await versioned('-5'),
      "InvalidArgument: invalid model version specified '-5' , version should be an integral value > 0",
    );
  });

  it('refuses decoupled models', async () => {
    const decoupled = new Fixture({ decoupled: true });
    assert.equal(
      await refusal(decoupled.http(REQUEST)),
      "Unimplemented: HTTP end point doesn't support models with decoupled transaction policy",
    );
    assert.equal(
      await refusal(decoupled.grpc(MESSAGE)),
      "Unimplemented: ModelInfer RPC doesn't support models with decoupled transaction policy",
    );
  });

  it('passes the errors of the engine on', async () => {
    const fixture = new Fixture();
    fixture.engine.infer = () => Promise.reject(addonError(14, 'Exceeds maximum queue size'));
    assert.equal(await refusal(fixture.http(REQUEST)), 'Unavailable: Exceeds maximum queue size');
    assert.equal(await refusal(fixture.grpc(MESSAGE)), 'Unavailable: Exceeds maximum queue size');
  });
});
