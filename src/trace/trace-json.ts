// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TracedTensor, TraceRecord } from '../addon/tracing.ts';

/** The objects of one record, as Triton's trace files hold them: a head, its moments, its tensors. */
export function traceObjects(record: TraceRecord): string[] {
  const { id } = record;
  const head: Record<string, unknown> = {
    id,
    model_name: record.model,
    model_version: record.version,
  };
  if (record.requestId !== '') head.request_id = record.requestId;
  if (record.parentId !== 0) head.parent_id = record.parentId;
  const objects = [JSON.stringify(head)];
  if (record.timestamps) {
    for (const { name, ns } of record.stamps) {
      objects.push(`{"id":${id},"timestamps":[{"name":"${name}","ns":${ns}}]}`);
    }
  }
  for (const tensor of record.tensors) {
    const { activity, name, datatype, shape } = tensor;
    objects.push(
      JSON.stringify({
        id,
        activity,
        tensor: { name, data: tensorText(tensor), shape: shape.join(','), dtype: datatype },
      }),
    );
  }
  return objects;
}

/** The elements of a tensor, separated by commas; texts are quoted. */
export function tensorText({ datatype, data }: TracedTensor): string {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (datatype === 'BYTES') return bytesText(view, data);
  const { size, read } = READERS[datatype];
  const elements: string[] = [];
  for (let at = 0; at + size <= data.byteLength; at += size) elements.push(String(read(view, at)));
  return elements.join(',');
}

function bytesText(view: DataView, data: Uint8Array): string {
  const elements: string[] = [];
  const text = new TextDecoder();
  for (let at = 0; at + 4 <= data.byteLength; ) {
    const end = at + 4 + view.getUint32(at, true);
    elements.push(JSON.stringify(text.decode(data.subarray(at + 4, end))));
    at = end;
  }
  return elements.join(',');
}

type Reader = (view: DataView, at: number) => number | bigint | string;
const reader = (size: number, read: Reader): { size: number; read: Reader } => ({ size, read });

const READERS = {
  BOOL: reader(1, (view, at) => view.getUint8(at)),
  UINT8: reader(1, (view, at) => view.getUint8(at)),
  UINT16: reader(2, (view, at) => view.getUint16(at, true)),
  UINT32: reader(4, (view, at) => view.getUint32(at, true)),
  UINT64: reader(8, (view, at) => view.getBigUint64(at, true)),
  INT8: reader(1, (view, at) => view.getInt8(at)),
  INT16: reader(2, (view, at) => view.getInt16(at, true)),
  INT32: reader(4, (view, at) => view.getInt32(at, true)),
  INT64: reader(8, (view, at) => view.getBigInt64(at, true)),
  FP16: reader(2, (view, at) => view.getFloat16(at, true)),
  BF16: reader(2, (view, at) => shortest(bfloat(view.getUint16(at, true)))),
  FP32: reader(4, (view, at) => shortest(view.getFloat32(at, true))),
  FP64: reader(8, (view, at) => view.getFloat64(at, true)),
} as const;

function bfloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

// The fewest digits that read back as the same 32-bit value.
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return value;
}
