// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine } from '../../test/support/fake-engine.ts';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { ServedVersion } from '../lifecycle/model-state.ts';
import { TypeScriptInferPath } from './infer-path.ts';
import { V1Predictor } from './predict-v1.ts';

const MAX_INPUT_BYTES = 1000;

/** A predictor over an engine that echoes: outputs bear the names of the inputs. */
function predictor(given: Partial<ModelPlan>): (body: string) => Promise<string> {
  const plan = makePlan({ outputs: given.inputs ?? [], version: 1, ...given });
  const models = {
    find: () => ({ version: 1, handle: 1, plan }) as unknown as ServedVersion,
  };
  const options = {
    engine: new FakeEngine(),
    models,
    maxInputBytes: MAX_INPUT_BYTES,
    real16Json: false,
    allowClientShm: false,
  };
  const v1 = new V1Predictor(new TypeScriptInferPath(options), options);
  return (body) => v1.predict(plan.name, { body: Buffer.from(body), token: 1 });
}

const one = (datatype: Parameters<typeof tensorPlan>[1], dims = [-1]) =>
  predictor({ inputs: [tensorPlan('A', datatype, dims)] });
const two = predictor({
  inputs: [tensorPlan('A', 'INT32', [2]), tensorPlan('B', 'BYTES', [1])],
});

describe('predictions of the KServe v1 protocol', () => {
  it('answer rows with rows', async () => {
    assert.equal(
      await one('INT32')('{"instances":[[1,2],[3,4]]}'),
      '{"predictions":[[1,2],[3,4]]}',
    );
    assert.equal(
      await two('{"instances":[{"A":[1,2],"B":["x"]},{"A":[3,4],"B":["y"]}]}'),
      '{"predictions":[{"A":[1,2],"B":["x"]},{"A":[3,4],"B":["y"]}]}',
    );
    assert.equal(await one('INT32')('{"instances":[{"A":[1]}]}'), '{"predictions":[[1]]}');
    assert.equal(
      await one('FP32', [2, 1])('{"instances":[[[1],[2.5]]]}'),
      '{"predictions":[[[1.0],[2.5]]]}',
    );
  });

  it('answer columns with columns', async () => {
    assert.equal(await one('INT32')('{"inputs":[[1,2],[3,4]]}'), '{"outputs":[[1,2],[3,4]]}');
    assert.equal(await one('INT32')('{"inputs":{"A":[[1,2]]}}'), '{"outputs":[[1,2]]}');
    assert.equal(
      await two('{"inputs":{"B":[["x"],["y"]],"A":[[1,2],[3,4]]}}'),
      '{"outputs":{"A":[[1,2],[3,4]],"B":[["x"],["y"]]}}',
    );
  });

  it('pass every datatype, 64 bits exactly', async () => {
    for (const [datatype, sent, back = sent] of [
      ['BOOL', 'true,false'],
      ['UINT8', '0,255'],
      ['UINT16', '0,65535'],
      ['UINT32', '0,4294967295'],
      ['UINT64', '0,18446744073709551615'],
      ['INT8', '-128,127'],
      ['INT16', '-32768,32767'],
      ['INT32', '-2147483648,2147483647'],
      ['INT64', '-9223372036854775808,9223372036854775807'],
      ['FP16', '1.5,-65504,0.1', '1.5,-65500.0,0.1'],
      ['BF16', '1.5,3.14', '1.5,3.14'],
      ['FP32', '0.1,1e30', '0.1,1e+30'],
      ['FP64', '0.1,1e300', '0.1,1e+300'],
      ['BYTES', '"a","é"'],
    ] as const) {
      assert.equal(
        await one(datatype)(`{"instances":[[${sent}]]}`),
        `{"predictions":[[${back}]]}`,
        datatype,
      );
    }
  });

  it('pass bytes that are no text as base64, and no number as null', async () => {
    assert.equal(
      await one('BYTES')('{"instances":[[{"b64":"/wA="},{"b64":"eA=="},"y"]]}'),
      '{"predictions":[[{"b64":"/wA="},"x","y"]]}',
    );
    assert.equal(await one('BYTES', [])('{"instances":["x","y"]}'), '{"predictions":["x","y"]}');
    assert.equal(
      await one('FP32')('{"instances":[[NaN,Infinity,-Infinity,1.0]]}'),
      '{"predictions":[[null,null,null,1.0]]}',
    );
  });

  it('keep what is empty', async () => {
    assert.equal(await one('INT32')('{"inputs":[[]]}'), '{"outputs":[[]]}');
    assert.equal(await one('INT32', [2, -1])('{"inputs":[[[],[]]]}'), '{"outputs":[[[],[]]]}');
  });

  it('have no rows where the model has no batch', async () => {
    const inputs = [tensorPlan('A', 'INT32', [2])];
    const ask = predictor({ inputs, maxBatchSize: 0 });
    assert.equal(await ask('{"inputs":[1,2]}'), '{"outputs":[1,2]}');
    assert.equal(await ask('{"instances":[1,2]}'), '{"predictions":[1,2]}');
  });

  it('refuse in a sentence', async () => {
    const limit = `{"instances":[[${'1,'.repeat(300)}1]]}`;
    for (const [ask, body, message] of [
      [one('INT32'), '', /The document is empty/],
      [one('INT32'), '[]', /expected either "instances" or "inputs"/],
      [one('INT32'), '{"instances":[],"inputs":[]}', /expected either "instances" or "inputs"/],
      [one('INT32'), '{"instances":{"A":[1]}}', /expected "instances" to be a list/],
      [one('INT32'), '{"instances":[[1],[2,3]]}', /'A': expected lists of one length/],
      [one('INT32'), '{"instances":[[1],2]}', /'A': expected lists of one length/],
      [one('INT32'), '{"instances":[1,[2]]}', /'A': expected lists of one length/],
      [one('INT32'), '{"instances":[[1.5]]}', /non-signed-integer as signed-integer/],
      [one('INT32'), '{"instances":[[null]]}', /non-signed-integer/],
      [one('INT32'), '{"instances":[[{"b64":"eA=="}]]}', /non-signed-integer/],
      [one('INT32'), '{"instances":[{"Z":[1]}]}', /unexpected inference input 'Z'/],
      [one('INT32'), '{"instances":[{"__proto__":[1]}]}', /unexpected inference input/],
      [one('BYTES'), '{"instances":[[{"b64":"%"}]]}', /expected a string or/],
      [one('BYTES'), '{"instances":[[1]]}', /expected a string or/],
      [one('INT32'), limit, /exceeds the maximum allowed value/],
      [one('INT32'), `{"inputs":${'['.repeat(40)}1${']'.repeat(40)}}`, /at most 32 dimensions/],
      [two, '{"instances":[[1,2]]}', /has 2 inputs: expected an object with values for 'A', 'B'/],
      [two, '{"instances":[{"A":[1,2],"B":["x"]},{"A":[1,2]}]}', /instance 1 has no value for/],
      [two, '{"instances":[{"A":[1,2]},{"A":[1,2],"B":["x"]}]}', /instance 0 has no value for/],
      [two, '{"instances":[{"A":[1,2]}]}', /expected 2 inputs but got 1 inputs/],
    ] as const) {
      await assert.rejects(ask(body), { code: 'InvalidArgument', message }, body);
    }
    const decoupled = predictor({ inputs: [tensorPlan('A', 'INT32', [1])], decoupled: true });
    await assert.rejects(decoupled('{"instances":[[1]]}'), { code: 'Unimplemented' });
  });
});
