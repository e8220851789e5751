// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { dirname, join, relative, resolve } from 'node:path';
import type { ModelInspection } from '../../src/addon/types.ts';
import { ServeError } from '../../src/base/status.ts';
import { ConfigText } from '../../src/check/config-text.ts';
import { correct } from '../../src/check/corrections.ts';
import { Draft } from '../../src/check/draft.ts';
import { EditedText } from '../../src/check/text-edits.ts';
import { checkModelConfig, completeModelConfig } from '../../src/config/complete.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import type { ConfigSource, ModelConfig } from '../../src/config/model-config.ts';
import { scanPbtxt } from '../../src/config/pbtxt-scan.ts';
import { modelConfigType } from '../../src/config/proto.ts';
import { parseModelConfigJson, readModelConfig } from '../../src/config/read.ts';
import { encodeModelConfig, modelConfigJson } from '../../src/config/write.ts';
import { matchRoute } from '../../src/http/routes.ts';
import { readOverrideKeys, versionsOf } from '../../src/repository/override-files.ts';
import { checkModelName } from '../../src/repository/scan.ts';
import { versionOfFolder } from '../../src/repository/version-policy.ts';

/** What a text is taken for. */
export const KINDS = ['pbtxt', 'json', 'name'] as const;
export type Kind = (typeof KINDS)[number];

/** @throws whatever shows that a property does not hold */
export function check(kind: Kind, text: string): void {
  if (kind === 'name') checkName(text);
  else checkConfig(kind, text);
}

function checkConfig(kind: 'pbtxt' | 'json', text: string): void {
  const source: ConfigSource = { text, file: 'm', format: kind };
  const read = kind === 'pbtxt' ? readModelConfig : parseModelConfigJson;
  const config = orConfigError(text, true, () => read(text, 'm'));
  if (kind === 'pbtxt') {
    const { problem } = scanPbtxt(text.replace(/^\uFEFF/, ' '), modelConfigType());
    assert.equal(problem === undefined, config !== undefined, 'reader and walk agree');
    checkFindings(text, config !== undefined);
  }
  if (config === undefined) return;
  checkRoundTrip(config);
  for (const autoComplete of [true, false]) {
    const options = { modelName: 'm', versionDirFiles: ['model.onnx'], autoComplete, source };
    const complete = orConfigError(text, false, () => completeModelConfig(config, options));
    if (complete !== undefined) checkFiles(complete);
  }
}

/** `nereid check` goes on after a problem: places and corrections stay inside the text, and it always ends. */
function checkFindings(text: string, isGood: boolean): void {
  const read = new ConfigText(text);
  assert.equal(read.problems.length === 0, isGood, 'a text has problems when it cannot be read');
  const lines = text.split('\n').length;
  for (const { line, column, source, fix } of read.place(read.problems)) {
    assert.ok(line !== null && column !== null && source !== null);
    assert.ok(line >= 1 && line <= lines && source.length >= 1);
    if (fix !== null) assert.ok(fix.line >= 1 && fix.line <= fix.endLine && fix.endLine <= lines);
  }
  if (read.config !== undefined) checkCorrections(read, read.config);
}

const INSPECTION: ModelInspection = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 3, -1] },
    { name: 'once', datatype: 'BYTES', shape: [] },
  ],
  outputs: [{ name: 'y', datatype: 'INT64', shape: [1] }],
};

/** Corrections of what can be read stay inside it, and what they give can still be read. */
function checkCorrections(read: ConfigText, written: ModelConfig): void {
  const options = { modelName: 'm', versionDirFiles: ['model.onnx'], autoComplete: true };
  for (const inspection of [undefined, INSPECTION]) {
    const { config, problems } = checkModelConfig(written, { ...options, inspection });
    const draft = new Draft(read.text, () => read.scan);
    for (const problem of problems) {
      const edits = correct(problem, draft, { modelName: 'm', config, inspection }) ?? [];
      for (const { start, end } of edits)
        assert.ok(start >= 0 && start <= end && end <= read.text.length, problem.path);
      const { text } = new EditedText(read.text, edits);
      assert.equal(
        scanPbtxt(text, modelConfigType()).problem,
        undefined,
        `${problem.path}: ${text}`,
      );
    }
  }
}

/** The result, or undefined after an error of ours the place of which lies in the text. */
function orConfigError<T>(text: string, hasPlace: boolean, work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const { position } = thrown;
    if (position === undefined) {
      assert.ok(!hasPlace, `an error without a place: ${thrown.message}`);
      return undefined;
    }
    const line = text.split('\n')[position.line - 1];
    assert.ok(line !== undefined, `line ${position.line} is in the text`);
    assert.ok(position.column >= 1 && position.column <= line.length + 1, thrown.message);
    return undefined;
  }
}

function checkRoundTrip(config: ModelConfig): void {
  const printed = modelConfigJson(config);
  const again = parseModelConfigJson(printed);
  assert.deepEqual(again, config);
  assert.equal(modelConfigJson(again), printed);
  assert.ok(encodeModelConfig(config).length >= 0);
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith('../') && !way.startsWith('/');
}

/** File names of a configuration that was accepted lead into the version's folder. */
function checkFiles(config: ModelConfig): void {
  for (const file of [config.default_model_filename, ...config.cc_model_filenames.values()]) {
    if (file !== '') assert.ok(isInside('/r/m', resolve('/r/m/1', file)), file);
  }
  for (const { label_filename: file } of config.output) {
    if (file !== '') assert.ok(isInside('/r', resolve('/r/m', file)), file);
  }
}

function orServeError<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof ServeError)) throw thrown;
    assert.equal(thrown.code, 'InvalidArgument');
    return undefined;
  }
}

/** The text as a model's name, as the folder of a version and as the key of a file in a load. */
function checkName(text: string): void {
  const repository = '/models';
  const route = matchRoute(`/v2/repository/models/${text}/load`)?.route;
  for (const name of [text, route?.kind === 'load' ? route.model : undefined]) {
    if (name === undefined) continue;
    const accepted = orServeError(() => {
      checkModelName(name);
      return true;
    });
    if (accepted) assert.equal(dirname(resolve(join(repository, name))), repository, name);
  }
  const version = versionOfFolder(text);
  if (version !== undefined) {
    assert.equal(String(version), text);
    assert.ok(Number.isSafeInteger(version) && version > 0);
  }
  const files = orServeError(() => readOverrideKeys(new Map([[`file:${text}`, new Uint8Array()]])));
  if (files === undefined) return;
  for (const path of files.keys()) {
    const folder = join(repository, 'm');
    assert.ok(isInside(folder, resolve(folder, path)), path);
    assert.equal(join(path), path, 'a key is written plainly');
    assert.ok(!path.includes('\0'));
  }
  for (const { files: names } of versionsOf(files.keys())) {
    for (const name of names) assert.ok(!name.includes('/') && name !== '..');
  }
}
