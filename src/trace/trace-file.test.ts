// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { TracedTensor, TraceRecord } from '../addon/tracing.ts';
import { TraceFile } from './trace-file.ts';
import { tensorText, traceObjects } from './trace-json.ts';

const record = (id: number, more: Partial<TraceRecord> = {}): TraceRecord => ({
  id,
  parentId: 0,
  sampler: 1,
  protocol: 'http',
  model: 'm',
  version: 2,
  requestId: '',
  traceParent: '',
  timestamps: true,
  failed: false,
  cut: false,
  wallOffsetNs: 0n,
  stamps: [{ name: 'REQUEST_START', ns: 9_007_199_254_740_993n }],
  tensors: [],
  ...more,
});

const tensor = (datatype: TracedTensor['datatype'], data: Uint8Array): TracedTensor => ({
  activity: 'TENSOR_QUEUE_INPUT',
  name: 'in',
  datatype,
  shape: [1, 2],
  data,
});

describe('traceObjects', () => {
  it("has Triton's objects, nanoseconds exact", () => {
    const floats = new Uint8Array(new Float32Array([0.1, 1e30]).buffer);
    const given = record(7, { requestId: 'a"b', tensors: [tensor('FP32', floats)] });
    assert.deepEqual(traceObjects(given), [
      '{"id":7,"model_name":"m","model_version":2,"request_id":"a\\"b"}',
      '{"id":7,"timestamps":[{"name":"REQUEST_START","ns":9007199254740993}]}',
      '{"id":7,"activity":"TENSOR_QUEUE_INPUT","tensor":{"name":"in","data":"0.1,1e+30","shape":"1,2","dtype":"FP32"}}',
    ]);
    assert.equal(traceObjects(record(7, { timestamps: false })).length, 1);
    assert.equal(
      traceObjects(record(7, { parentId: 3, requestId: 'r' }))[0],
      '{"id":7,"model_name":"m","model_version":2,"request_id":"r","parent_id":3}',
    );
  });

  it('prints elements of every datatype', () => {
    const of = (datatype: TracedTensor['datatype'], ...bytes: number[]) =>
      tensorText(tensor(datatype, Uint8Array.from(bytes)));
    assert.equal(of('BOOL', 1, 0), '1,0');
    assert.equal(of('INT8', 255), '-1');
    assert.equal(of('UINT64', 255, 255, 255, 255, 255, 255, 255, 255), '18446744073709551615');
    assert.equal(of('INT16', 0, 128), '-32768');
    assert.equal(of('FP16', 0, 0x3c), '1');
    assert.equal(of('BF16', 0xcd, 0x3d), '0.10009765625');
    assert.equal(of('BYTES', 2, 0, 0, 0, 0x61, 0x22, 0, 0, 0, 0), String.raw`"a\"",""`);
    assert.equal(of('INT32', 1, 0, 0), '');
  });
});

describe('TraceFile', () => {
  let folder = '';
  const errors: string[] = [];
  const log = { error: (text: string) => void errors.push(text) };
  const ids = (path: string) =>
    (JSON.parse(readFileSync(path, 'utf8')) as { id: number; model_name?: string }[])
      .filter((entry) => entry.model_name !== undefined)
      .map(({ id }) => id);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'nereid-trace-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is a whole array after every write and replaces an older file', async () => {
    const path = join(folder, 'one.json');
    writeFileSync(path, 'something else, and longer than what comes');
    const file = new TraceFile(path, log);
    file.add([record(1), record(2)], 0);
    await file.flush();
    assert.deepEqual(ids(path), [1, 2]);
    file.add([record(3)], 0);
    file.add([], 0);
    await file.flush();
    assert.deepEqual(ids(path), [1, 2, 3]);
    rmSync(path);
    file.add([record(4)], 0);
    await file.flush();
    assert.deepEqual(ids(path), [4]);
  });

  it('begins a numbered file for so many traces', async () => {
    const path = join(folder, 'many.json');
    const file = new TraceFile(path, log);
    file.add([record(1), record(2), record(3)], 2);
    await file.flush();
    file.add([record(4)], 1);
    await file.flush();
    assert.deepEqual([ids(`${path}.0`), ids(`${path}.1`), ids(`${path}.2`)], [[1, 2], [3], [4]]);
    assert.equal(existsSync(path), false);
  });

  it('counts requests, not the steps of ensembles', async () => {
    const path = join(folder, 'steps.json');
    const file = new TraceFile(path, log);
    const tree = (id: number) => [record(id + 1, { parentId: id }), record(id)];
    file.add([...tree(1), ...tree(3), ...tree(5)], 2);
    await file.flush();
    assert.deepEqual(
      [ids(`${path}.0`), ids(`${path}.1`)],
      [
        [2, 1, 4, 3],
        [6, 5],
      ],
    );
    assert.equal(existsSync(`${path}.2`), false);
  });

  it('stays a whole array when the disk is full', { timeout: 60_000 }, async () => {
    const path = join(folder, 'full.json');
    // In a process of its own, whose files may have 8 KiB. Where there is no handler of the signal it ends the process.
    const script = `
      process.on('SIGXFSZ', () => {});
      const { TraceFile } = await import(${JSON.stringify(import.meta.resolve('./trace-file.ts'))});
      const file = new TraceFile(${JSON.stringify(path)}, { error: (text) => console.log(text) });
      const record = { model: 'm', version: 1, requestId: 'x'.repeat(1000), stamps: [], tensors: [] };
      for (let id = 1; id <= 20; id++) file.add([{ id, parentId: 0, ...record }], 0);
      await file.flush();`;
    const limited = 'ulimit -f 8; exec "$0" --input-type=module -e "$1"';
    const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, script]);
    assert.match(stdout, /^cannot write traces to '.*full\.json': .*EFBIG[^\n]*\n$/);
    assert.deepEqual(ids(path), [1, 2, 3, 4, 5, 6, 7]);
  });

  it('says once that it cannot write', async () => {
    const file = new TraceFile(join(folder, 'no', 'such', 'folder'), log);
    file.add([record(1)], 0);
    file.add([record(2)], 0);
    await file.flush();
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? '', /cannot write traces to '.*folder'/);
  });
});
