// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { integerRange, messageType, modelConfigType, toBigInt, toLongBits } from './proto.ts';

const contract = JSON.parse(
  readFileSync(new URL('../../test/fixtures/config/contract-2.73.json', import.meta.url), 'utf8'),
) as Record<'model_config' | 'inference', string[]>;

/** Fields of the Open Inference Protocol that Triton's contract does not have. */
const ADDED = {
  model_config: [],
  inference: ['F ModelMetadataResponse.properties 6 map<string,string'],
} as const;

describe('the contracts of protos/', () => {
  for (const file of ['model_config', 'inference'] as const) {
    it(`${file}.proto has the names, numbers and types that clients have`, () => {
      const text = readFileSync(new URL(`../../protos/${file}.proto`, import.meta.url), 'utf8');
      const { root } = protobuf.parse(text, new protobuf.Root(), { keepCase: true });
      const found = declarations(root.lookup('inference') as protobuf.Namespace, '');
      assert.deepEqual(found.sort(), [...contract[file], ...ADDED[file]].sort());
    });
  }

  it('gives types of every file, whichever is asked for first', () => {
    assert.ok(messageType('inference', 'inference.ModelConfigResponse').fields.config);
    assert.ok(messageType('health', 'grpc.health.v1.HealthCheckResponse').fields.status);
    assert.equal(modelConfigType(), messageType('model_config', 'inference.ModelConfig'));
    assert.throws(() => messageType('health', 'no.such.Type'), /no such/);
  });
});

describe('64-bit values', () => {
  for (const value of [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)])
    it(`keeps ${value} as int64`, () => assert.equal(toBigInt(toLongBits(value, false)), value));
  it('keeps the largest uint64', () =>
    assert.equal(toBigInt(toLongBits(2n ** 64n - 1n, true)), 2n ** 64n - 1n));
});

describe('integerRange', () => {
  it('knows the bounds of the integer types', () => {
    assert.deepEqual(integerRange('int32'), { min: -(2n ** 31n), max: 2n ** 31n - 1n });
    assert.deepEqual(integerRange('uint64'), { min: 0n, max: 2n ** 64n - 1n });
    assert.equal(integerRange('string'), undefined);
    assert.equal(integerRange('float'), undefined);
  });
});

/** One line per enum, field and method; `bool optional` and `repeated` as in the recorded contract. */
function declarations(namespace: protobuf.NamespaceBase, prefix: string): string[] {
  const found: string[] = [];
  for (const one of namespace.nestedArray) {
    const name = prefix + one.name;
    if (one instanceof protobuf.Enum)
      found.push(
        `E ${name} ${Object.entries(one.values)
          .map(([key, value]) => `${key}=${value}`)
          .join(',')}`,
      );
    if (one instanceof protobuf.Type)
      for (const field of one.fieldsArray) found.push(fieldLine(name, field));
    if (one instanceof protobuf.Service)
      for (const method of one.methodsArray)
        found.push(
          `M ${method.name} ${method.requestType} ${method.responseType} ${method.requestStream ?? false}${method.responseStream ?? false}`,
        );
    if (one instanceof protobuf.Namespace) found.push(...declarations(one, `${name}.`));
  }
  return found;
}

function fieldLine(message: string, field: protobuf.Field): string {
  const map = 'keyType' in field ? `map<${String(field.keyType)},` : '';
  const type = field.type.split('.').at(-1) ?? '';
  return `F ${message}.${field.name} ${field.id} ${map}${type} ${field.repeated ? 'r' : ''} ${field.partOf?.name ?? ''}`.trimEnd();
}
