// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultOptions } from '../config/options.ts';
import { vertexAiModel } from './aliases.ts';

const options = {
  ...defaultOptions('tritonserver'),
  vertexAiPredictRoute: '/predict',
  vertexAiHealthRoute: '/health',
};

describe('the model of Vertex AI', () => {
  it('is the only one, or the one asked for', () => {
    assert.equal(vertexAiModel(options, ['a']), 'a');
    assert.equal(vertexAiModel({ ...options, vertexAiDefaultModel: 'b' }, ['a', 'b']), 'b');
  });

  it('is missed in the words of Triton', () => {
    const table: [object, string[], string][] = [
      [
        {},
        ['a', 'b'],
        'Expect the model repository contains only a single model if default model is not specified',
      ],
      [
        {},
        [],
        'Expect the model repository contains only a single model if default model is not specified',
      ],
      [{ vertexAiDefaultModel: 'c' }, ['a'], "Expect the default model 'c' is loaded"],
      [
        { vertexAiPredictRoute: '' },
        ['a'],
        'API_PREDICT_ROUTE is not defined for Vertex AI endpoint',
      ],
      [
        { vertexAiHealthRoute: '' },
        ['a'],
        'AIP_HEALTH_ROUTE is not defined for Vertex AI endpoint',
      ],
    ];
    for (const [change, served, reason] of table) {
      assert.throws(() => vertexAiModel({ ...options, ...change }, served), {
        message: `failed to start Vertex AI service: Invalid argument - ${reason}`,
      });
    }
  });
});
