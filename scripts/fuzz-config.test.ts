// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { check, KINDS } from './fuzz/config-properties.ts';
import { wordsOf } from './fuzz/config-words.ts';
import { corpusOf } from './fuzz/corpus.ts';
import { mutate, Random } from './fuzz/mutator.ts';

describe('the fuzz corpus of configurations and names', () => {
  for (const kind of KINDS) {
    const corpus = corpusOf(kind);

    it(`holds for each ${kind}, and for a few near them`, () => {
      assert.ok(corpus.length >= 3);
      const random = new Random(7);
      const words = wordsOf(kind);
      for (const text of corpus) {
        check(kind, text);
        const near = mutate(text, random.pick(corpus, ''), words, random);
        try {
          check(kind, near);
        } catch (cause) {
          throw new Error(JSON.stringify(near), { cause });
        }
      }
    });
  }

  it('makes the same texts from the same seed', () => {
    const texts = [1, 1, 2].map((seed) =>
      mutate('input { name: "x" }', 'a', wordsOf('pbtxt'), new Random(seed)),
    );
    assert.equal(texts[0], texts[1]);
    assert.notEqual(texts[0], texts[2]);
  });
});
