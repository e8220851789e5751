// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Element types by ONNX's numbers (onnx.proto: TensorProto.DataType). */
export const ONNX_FLOAT = 1;
export const ONNX_INT32 = 6;
export const ONNX_INT64 = 7;
export const ONNX_STRING = 8;

const OPSET = 17;
const IR_VERSION = 8;

/** Writes small ONNX files (onnx.proto: ModelProto) for tests. A dimension of -1 is free. */
export class OnnxFile {
  readonly #nodes: Buffer[] = [];
  readonly #rest: Buffer[] = [];

  input(name: string, type: number, dims: readonly number[]): this {
    this.#rest.push(message(11, valueInfo(name, type, dims)));
    return this;
  }

  output(name: string, type: number, dims: readonly number[]): this {
    this.#rest.push(message(12, valueInfo(name, type, dims)));
    return this;
  }

  /** A constant, e.g. a `BigInt64Array` for INT64. */
  constant(name: string, type: number, dims: readonly number[], data: ArrayBufferView): this {
    const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const tensor = [
      ...dims.map((dim) => number(1, dim)),
      number(2, type),
      message(8, name),
      message(9, raw),
    ];
    this.#rest.push(message(5, Buffer.concat(tensor)));
    return this;
  }

  node(type: string, inputs: readonly string[], outputs: readonly string[]): this {
    const parts = [
      ...inputs.map((name) => message(1, name)),
      ...outputs.map((name) => message(2, name)),
      message(4, type),
    ];
    this.#nodes.push(message(1, Buffer.concat(parts)));
    return this;
  }

  bytes(): Buffer {
    const graph = Buffer.concat([...this.#nodes, message(2, 'test'), ...this.#rest]);
    const opset = Buffer.concat([message(1, ''), number(2, OPSET)]);
    return Buffer.concat([number(1, IR_VERSION), message(7, graph), message(8, opset)]);
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

function number(field: number, value: number): Buffer {
  return Buffer.from([...varint(field * 8), ...varint(value)]);
}

function message(field: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(bytes.length)]), bytes]);
}

/** ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 | dim_param 2 } } } } */
function valueInfo(name: string, type: number, dims: readonly number[]): Buffer {
  const shape = dims.map((dim, i) =>
    message(1, dim < 0 ? message(2, `free_${name}_${i}`) : number(1, dim)),
  );
  const tensor = Buffer.concat([number(1, type), message(2, Buffer.concat(shape))]);
  return Buffer.concat([message(1, name), message(2, message(1, tensor))]);
}
