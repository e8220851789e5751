// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { completeModelConfig } from './complete.ts';
import { FIELDS_WITHOUT_EFFECT } from './no-effect.ts';
import { modelConfigType } from './proto.ts';
import { readModelConfig } from './read.ts';
import { UNSUPPORTED_FIELDS, unsupportedFeatures } from './unsupported.ts';

const IO =
  'input { name: "x" data_type: TYPE_FP32 dims: 1 } output { name: "y" data_type: TYPE_FP32 dims: 1 } max_batch_size: 4\n';

function ask(text: string): string[] {
  const config = readModelConfig(
    (text.includes('platform:') ? '' : 'backend: "identity" ') + IO + text,
    'f',
  );
  return unsupportedFeatures(
    completeModelConfig(config, { modelName: 'm', versionDirFiles: [], autoComplete: true }),
  );
}

describe('unsupportedFeatures', () => {
  const refused: readonly [text: string, sentence: string][] = [
    ['instance_group { passive: true }', 'passive instances (instance_group.passive)'],
    [
      'instance_group { secondary_devices { } }',
      'secondary devices (instance_group.secondary_devices)',
    ],
    [
      'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }',
      'an execution accelerator',
    ],
    [
      'model_repository_agents { agents { name: "checksum" } }',
      'repository agents (model_repository_agents)',
    ],
    [
      'model_operations { op_library_filename: "a.so" }',
      'custom operator libraries (model_operations)',
    ],
    ['runtime: "x.so"', 'a backend library of its own (runtime)'],
    [
      'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "x.so" } }',
      'a custom batching library',
    ],
  ];
  for (const [text, sentence] of refused)
    it(`names ${sentence}`, () => {
      const found = ask(text);
      assert.equal(found.length, 1, found.join('\n'));
      assert.ok(found[0]?.startsWith(`model 'm' asks for ${sentence}`), found[0]);
      assert.match(found[0] ?? '', /which this server does not support yet$/);
    });

  it('names nothing in a model it can serve', () => {
    assert.deepEqual(
      ask(`dynamic_batching { preserve_ordering: true default_queue_policy { max_queue_size: 3 default_timeout_microseconds: 5 } }
        optimization { graph { level: 1 } } response_cache { enable: true } model_repository_agents { }
        instance_group { count: 3 kind: KIND_CPU rate_limiter { priority: 1 } }
        metric_tags { key: "a" value: "b" } version_policy { all { } }`),
      [],
    );
  });

  it('names each feature once', () => {
    assert.equal(ask('instance_group { passive: true } runtime: "x"').length, 2);
  });
});

describe('docs/config.md', () => {
  const page = readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8');

  it('says of every field of a configuration what it does', () => {
    const fields = modelConfigType().fieldsArray.map(({ name }) => name);
    assert.deepEqual(
      fields.filter((name) => !page.includes(`\`${name}`)),
      [],
    );
  });

  it('lists every feature that is refused', () => {
    assert.deepEqual(
      UNSUPPORTED_FIELDS.filter((field) => !page.includes(`\`${field}\``)),
      [],
    );
  });

  it('lists every field that has no effect', () => {
    assert.deepEqual(
      FIELDS_WITHOUT_EFFECT.filter((field) => !page.includes(`\`${field}\``)),
      [],
    );
  });
});
