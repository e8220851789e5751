// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const MINUTE = 60_000;

const control = (name: string, kind: string, values: string): string =>
  `control_input { name: "${name}" control { kind: CONTROL_SEQUENCE_${kind} ${values} } }\n`;

const CONTROLS =
  control('START', 'START', 'int32_false_true: [ 0, 1 ]') +
  control('END', 'END', 'bool_false_true: [ false, true ]') +
  control('READY', 'READY', 'fp32_false_true: [ 0, 1 ]') +
  control('CORRID', 'CORRID', 'data_type: TYPE_UINT64');

/** A model that adds up; `sequence` is the rest of its sequence_batching. */
async function add(
  repository: TempRepository,
  name: string,
  sequence: string,
  more = '',
): Promise<void> {
  await repository.write(
    `${name}/config.pbtxt`,
    `backend: "sequence" max_batch_size: 4
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "LOG" data_type: TYPE_STRING dims: [ 1 ] }]
sequence_batching { max_sequence_idle_microseconds: 60000000
${sequence} }
${more}`,
  );
  await repository.write(`${name}/1/.keep`, '');
}

const state = (initial: string): string =>
  `state { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ] ${initial} }`;

for (const inferPath of ['native', 'typescript']) {
  describe(`sequences, under --infer-path=${inferPath}`, () => {
    it('serve the real clients over HTTP and gRPC', { timeout: 2 * MINUTE }, async () => {
      using repository = new TempRepository();
      await add(repository, 'direct', `direct { } ${CONTROLS}`);
      await add(
        repository,
        'oldest',
        `oldest { max_candidate_sequences: 6 } ${CONTROLS}`,
        'instance_group { count: 2 kind: KIND_CPU }',
      );
      const named = control('CORRID', 'CORRID', 'data_type: TYPE_STRING');
      await add(
        repository,
        'named',
        `direct { } ${control('START', 'START', 'fp32_false_true: [ 0, 1 ]')} ${named}`,
      );
      const file =
        'initial_state { name: "five" data_type: TYPE_INT32 dims: [ 1 ] data_file: "five" }';
      await add(repository, 'stateful', `direct { } ${state(file)}`);
      await repository.write('stateful/initial_state/five', '\u0005\0\0\0');
      await add(repository, 'stateful_zero', `oldest { max_candidate_sequences: 3 } ${state('')}`);
      await using server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--enable-test-backends',
          `--infer-path=${inferPath}`,
        ],
      });
      const { http, grpc } = server.endpoints;
      const script = join(projectRoot, 'test/e2e/sequences.py');
      const { stdout } = await promisify(execFile)(python, [script, http, grpc]);
      assert.match(stdout, /ok/);
    });
  });
}
