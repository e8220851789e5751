// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { completeModelConfig } from './complete.ts';
import { ConfigError } from './config-error.ts';
import { type JsonNode, readJson } from './json-text.ts';
import { parseModelConfigJson, readModelConfig } from './read.ts';
import { modelConfigJson } from './write.ts';

interface Case {
  readonly name: string;
  readonly strict?: boolean;
  readonly files: readonly string[];
  readonly config?: string;
  readonly override?: string;
}

/** What the real server answered; `text` is its sentence, `json` what `/config` printed. */
interface Fact {
  readonly name: string;
  readonly status: number;
  readonly json?: string;
  readonly text?: string;
}

/** Where we answer otherwise on purpose; `text` is our sentence, absent when we serve the model. */
interface Difference {
  readonly case: string;
  readonly because: 'version' | 'lifecycle' | 'nereid';
  readonly text?: string;
  readonly why: string;
}

type Outcome = { readonly json: string } | { readonly error: ConfigError };

const fixture = <T>(name: string): T =>
  JSON.parse(
    readFileSync(new URL(`../../test/fixtures/config/${name}`, import.meta.url), 'utf8'),
  ) as T;

const cases = fixture<Case[]>('cases.json');
const { facts } = fixture<{ facts: Fact[] }>('triton-2.51.json');
const differences = new Map(
  fixture<Difference[]>('differences.json').map((one) => [one.case, one]),
);

describe('configurations a real Triton was asked about', () => {
  for (const one of cases) {
    const fact = facts.find(({ name }) => name === one.name);
    const difference = differences.get(one.name);
    if (!fact) continue;
    it(`${difference ? 'differs, as written, from' : 'equals'} Triton on ${one.name}`, () => {
      const outcome = ask(one);
      if (difference) checkDifference(outcome, fact, difference);
      else checkEqual(outcome, fact);
    });
  }

  it('has a fact for every case and a case for every difference', () => {
    const names = cases.map(({ name }) => name);
    assert.ok(names.length > 200);
    assert.deepEqual(
      names.filter((name) => !facts.some((fact) => fact.name === name)),
      [],
    );
    assert.deepEqual(
      [...differences.keys()].filter((name) => !names.includes(name)),
      [],
    );
  });
});

function ask(one: Case): Outcome {
  const inVersion = one.files.map((file) => file.split('/')).filter(([, name]) => name);
  const options = {
    modelName: one.name,
    versionDirFiles: inVersion.map(([, name = '']) => name),
    autoComplete: !one.strict,
  };
  try {
    const config =
      one.override === undefined
        ? readModelConfig(one.config ?? '', 'm/config.pbtxt')
        : parseModelConfigJson(one.override);
    return { json: modelConfigJson(completeModelConfig(config, options)) };
  } catch (error) {
    if (error instanceof ConfigError) return { error };
    throw error;
  }
}

function checkEqual(outcome: Outcome, fact: Fact): void {
  if ('error' in outcome) {
    assert.notEqual(fact.status, 200, `Triton serves it; we say: ${outcome.error.message}`);
    const { error } = outcome;
    assert.equal(error.phase, fact.status === 500 ? 'read' : 'load', error.message);
    // Ours may go on after a semicolon: the remedy.
    const said = (fact.text ?? '')
      .replace(/^Invalid config override: (\(\S*\): |\w*: )?/, '')
      .replace(/\.$/, '');
    assert.ok(said && error.text.startsWith(said), `\n  ours:   ${error.text}\n  Triton: ${said}`);
    assert.match(error.text.slice(said.length), /^(\.?$|; )/);
  } else {
    assert.ok(fact.json, `Triton refuses it (${fact.status} ${fact.text}); we serve it`);
    const ours = plain(readJson(outcome.json), '');
    assert.deepEqual(ours, plain(readJson(fact.json), ''));
    assert.deepEqual(keysOf(outcome.json), keysOf(fact.json), 'the order of fields');
  }
}

function checkDifference(outcome: Outcome, fact: Fact, difference: Difference): void {
  assert.ok(difference.why.length > 10);
  if ('error' in outcome) assert.equal(outcome.error.text, difference.text);
  else assert.equal(difference.text, undefined, 'we serve it');
  assert.throws(() => checkEqual(outcome, fact), 'no longer a difference: remove the entry');
}

/** Fields Triton prints as strings although they hold 64-bit numbers; we print every 64-bit field as a number. */
const PRINTED_AS_STRING = /\.(device_id|dim\[\d+\]|initial_state\[\d+\]\.dims\[\d+\])$/;
/** Fields that 2.73 prints and 2.51 does not know. */
const NEWER = /^\.ensemble_scheduling\.max_inflight_requests$/;

/** A JSON tree as comparable values: numbers by their digits, objects without the order of their keys. */
function plain(node: JsonNode, path: string): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(
        node.members
          .filter(({ name }) => !NEWER.test(`${path}.${name}`))
          .map(({ name, value }) => [name, plain(value, `${path}.${name}`)]),
      );
    case 'array':
      return node.items.map((item, index) => plain(item, `${path}[${index}]`));
    case 'number':
      return { digits: node.text };
    case 'string':
      return PRINTED_AS_STRING.test(path) ? { digits: node.value } : node.value;
    case 'boolean':
      return node.value;
    case 'null':
      return null;
  }
}

/** Names of all members in the order they are printed. The keys of maps come in no order at all from Triton. */
function keysOf(json: string): string[] {
  const names: string[] = [];
  const visit = (node: JsonNode, path: string): void => {
    if (node.kind === 'array') for (const item of node.items) visit(item, `${path}[]`);
    if (node.kind !== 'object') return;
    const keys = node.members.map(({ name }) => `${path}.${name}`).filter((at) => !NEWER.test(at));
    names.push(...(MAPS.test(path) ? keys.sort() : keys));
    for (const { name, value } of node.members)
      if (!MAPS.test(path)) visit(value, `${path}.${name}`);
  };
  visit(readJson(json), '');
  return names;
}

const MAPS =
  /\.(parameters|metric_tags|cc_model_filenames|priority_queue_policy|inputs|\w+_map|input)$/;
