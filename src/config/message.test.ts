// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf, { type Type } from 'protobufjs';
import { EVERY_FIELD, OTHER_SCHEDULERS } from '../../test/fixtures/config/every-field.ts';
import { emptyModelConfig, messageOf, type PlainMessage, toPlain } from './message.ts';
import type { ModelConfig } from './model-config.ts';
import { modelConfigType } from './proto.ts';
import { parseModelConfigJson, readModelConfig } from './read.ts';
import { encodeModelConfig, modelConfigJson } from './write.ts';

const { dynamic_batching: _, ...rest } = EVERY_FIELD;
const samples: Record<string, ModelConfig> = {
  'every field': EVERY_FIELD,
  'sequence batching': { ...rest, sequence_batching: OTHER_SCHEDULERS.sequence_batching },
  'an ensemble': { ...rest, ensemble_scheduling: OTHER_SCHEDULERS.ensemble_scheduling },
  nothing: emptyModelConfig(),
};

describe('a configuration', () => {
  for (const [what, config] of Object.entries(samples)) {
    it(`with ${what} comes back from protobuf bytes`, () => {
      assert.deepEqual(decode(encodeModelConfig(config)), asFloats(config));
    });
    it(`with ${what} comes back from its JSON`, () => {
      assert.deepEqual(parseModelConfigJson(modelConfigJson(config)), asFloats(config));
    });
  }

  it('has the fields in our types that it has in the contract', () => {
    const sample = { ...EVERY_FIELD, ...OTHER_SCHEDULERS } as unknown as PlainMessage;
    assert.deepEqual(missing(modelConfigType(), sample, ''), [
      '.version_policy.latest',
      '.version_policy.all',
      '.sequence_batching.direct',
      '.sequence_batching.state.initial_state.zero_data',
      '.model_warmup.inputs.zero_data',
      '.model_warmup.inputs.input_data_file',
    ]);
  });

  it('prints 64-bit numbers exactly and enum values by name', () => {
    const json = modelConfigJson(EVERY_FIELD);
    assert.match(json, /"max_queue_delay_microseconds":18446744073709551615,/);
    assert.match(json, /"device_id":-9007199254740993\}/);
    assert.match(json, /"data_type":"TYPE_STRING"/);
    assert.match(json, /"metric_tags":\{"__proto__":"a \\"quoted\\"\\n<tag>"\}/);
  });

  it('encodes nothing for defaults, as other protobuf encoders do', () => {
    assert.equal(encodeModelConfig(emptyModelConfig()).length, 0);
  });

  it('prints a float32 in its shortest form', () => {
    const config = readModelConfig(
      'sequence_batching { direct { minimum_slot_utilization: 0.8 } }',
      'f',
    );
    const decoded = decode(encodeModelConfig(config));
    assert.match(modelConfigJson(decoded), /"minimum_slot_utilization":0\.8[,}]/);
  });
});

interface Decoded {
  readonly dynamic_batching?: { readonly priority_queue_policy?: Record<string, unknown> };
}

function decode(bytes: Uint8Array): ModelConfig {
  const type = modelConfigType();
  const message = type.decode(bytes) as unknown as Decoded;
  const policies = message.dynamic_batching?.priority_queue_policy ?? {};
  // protobufjs writes decoded 64-bit keys as 8 characters; the text format, which we read, gives digits.
  for (const [hash, policy] of Object.entries(policies)) {
    delete policies[hash];
    policies[protobuf.util.longFromHash(hash, true).toString()] = policy;
  }
  return toPlain(type, message) as unknown as ModelConfig;
}

/** 0.8 is no float32: after the wire it is the nearest one. */
function asFloats(config: ModelConfig): ModelConfig {
  return JSON.parse(
    JSON.stringify(config, (_key, value: unknown) => revive(value)),
    (key, value: unknown) => unfold(key, value),
  ) as ModelConfig;
}

function revive(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (value instanceof Map) return { $map: [...(value as ReadonlyMap<unknown, unknown>)] };
  return value;
}

function unfold(key: string, value: unknown): unknown {
  if (key === 'fp32_false_true') return (value as number[]).map(Math.fround);
  if (typeof value !== 'object' || value === null) return value;
  if ('$bigint' in value) return BigInt(value.$bigint as string);
  if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
  return value;
}

/** Fields of the contract that the sample does not have, deep. */
function missing(type: Type, sample: PlainMessage, path: string): string[] {
  const found: string[] = [];
  for (const field of type.fieldsArray) {
    const at = `${path}.${field.name}`;
    const value = sample[field.name];
    const [first] = value instanceof Map ? value.values() : Array.isArray(value) ? value : [value];
    const message = messageOf(field);
    if (value === undefined) found.push(at);
    else if (message && first !== undefined)
      found.push(...missing(message, first as PlainMessage, at));
  }
  const unknown = Object.keys(sample).filter((name) => !Object.hasOwn(type.fields, name));
  return [...found, ...unknown.map((name) => `${path}.${name} is not in the contract`)];
}
