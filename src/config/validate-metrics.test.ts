// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeModelConfig } from './complete.ts';
import { readModelConfig } from './read.ts';

const MODEL =
  'backend: "identity" input { name: "x" data_type: TYPE_FP32 dims: 1 } output { name: "y" data_type: TYPE_FP32 dims: 1 }\n';

function complete(text: string) {
  const config = readModelConfig(MODEL + text, 'f');
  return completeModelConfig(config, { modelName: 'm', versionDirFiles: [], autoComplete: true });
}

const control = (inside: string): string => `model_metrics { metric_control { ${inside} } }`;
const family = 'metric_identifier { family: "nv_inference_first_response_histogram_ms" }';

describe('metric fields of a configuration', () => {
  it('takes labels and ascending buckets', () => {
    complete(
      'metric_tags { key: "Team_1" value: "anything\\n" } metric_tags { key: "" value: "" }',
    );
    complete(control(`${family} histogram_options { buckets: [ -1, 0, 2.5 ] }`));
  });

  it('refuses a tag that is no label', () => {
    for (const key of ['a-b', '_a', 'a b', 'é', 'a"']) {
      assert.throws(
        () => complete(`metric_tags { key: '${key}' value: "x" }`),
        new RegExp(`metric tags must have keys of letters, .*got '${key}' for m`),
      );
    }
  });

  it('refuses a metric control that is not whole, in Triton’s words', () => {
    const options = 'histogram_options { buckets: 1 }';
    for (const [inside, sentence] of [
      [options, "metric control must specify 'metric_identifier'"],
      [`metric_identifier { } ${options}`, "metric identifier must specify non-empty 'family'"],
      [family, "metric control must specify 'histogram_options'"],
      [`${family} histogram_options { }`, "histogram options must specify non-empty 'buckets'"],
    ] as const) {
      assert.throws(() => complete(control(inside)), { message: new RegExp(sentence) });
    }
  });

  it('refuses buckets that no histogram can have', () => {
    for (const buckets of ['2, 1', '1, 1', '1, inf', 'nan']) {
      assert.throws(
        () => complete(control(`${family} histogram_options { buckets: [ ${buckets} ] }`)),
        /histogram options must specify finite 'buckets' in ascending order/,
        buckets,
      );
    }
  });
});
