// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import { readGreyPng } from './png.ts';

/** How a model wants a grey image: its size in pixels and what black and white are. */
export interface ImageInput {
  readonly height: number;
  readonly width: number;
  readonly black: number;
  readonly white: number;
}

/** An input of a model's configuration, as the config endpoint prints it (without the batch dimension). */
export interface InputSpec {
  readonly name: string;
  readonly data_type: string;
  readonly format?: string;
  readonly dims: readonly (number | string)[];
}

/**
 * Reads from a model's configuration how its input takes a grey image: one channel of FP32 in FORMAT_NCHW
 * ([1, height, width]) or FORMAT_NHWC ([height, width, 1]).
 * @param range the model's parameter `image_range`, the values of a black and a white pixel as `0..1`
 * @returns undefined when the input takes no grey image of a fixed size
 * @throws ServeError InvalidArgument when `range` is not two numbers
 */
export function imageInput(input: InputSpec, range = '0..1'): ImageInput | undefined {
  const [a, b, c] = input.dims.map(Number);
  if (input.dims.length !== 3 || input.data_type !== 'TYPE_FP32') return undefined;
  if (a === undefined || b === undefined || c === undefined) return undefined;
  let size: [height: number, width: number, channels: number];
  if (input.format === 'FORMAT_NCHW') size = [b, c, a];
  else if (input.format === 'FORMAT_NHWC') size = [a, b, c];
  else return undefined;
  const [height, width, channels] = size;
  if (channels !== 1 || height < 1 || width < 1) return undefined;
  const [black, white, ...rest] = range
    .split('..')
    .map((part) => (/\S/.test(part) ? Number(part) : NaN));
  if (!Number.isFinite(black) || !Number.isFinite(white) || rest.length > 0) {
    throw invalidArgument(
      `parameter 'image_range' should be the values of a black and a white pixel as '0..1', got '${range}'`,
    );
  }
  return { height, width, black: black ?? 0, white: white ?? 1 };
}

/**
 * Reads a PNG file as the tensor of an image input: grey, fitted to the input's size (the proportions are not
 * kept), each value the mean of the area it covers.
 * @returns height × width values, row by row; black is `input.black`, white is `input.white`
 * @throws ServeError InvalidArgument when the file is no PNG, damaged, interlaced or too large
 */
export async function readImage(png: Uint8Array, input: ImageInput): Promise<Float32Array> {
  const { height, width, black, white } = input;
  const sums = new Float64Array(height * width);
  await readGreyPng(png, (fromWidth, fromHeight) => {
    const line = new Float64Array(width);
    let y = 0;
    return (row) => {
      line.fill(0);
      for (let x = 0; x < fromWidth; x += 1) {
        spread(x, fromWidth, width, (to, weight) => {
          line[to] = (line[to] ?? 0) + weight * (row[x] ?? 0);
        });
      }
      spread(y, fromHeight, height, (to, weight) => {
        for (let x = 0; x < width; x += 1) {
          const at = to * width + x;
          sums[at] = (sums[at] ?? 0) + weight * (line[x] ?? 0);
        }
      });
      y += 1;
    };
  });
  return Float32Array.from(sums, (grey) => black + grey * (white - black));
}

/**
 * Names the cells of a grid of `to` cells that cell `from` of a grid of `count` cells overlaps, both laid over the
 * same length, and the part of each that it covers. The parts of one target cell add up to 1.
 */
function spread(
  from: number,
  count: number,
  to: number,
  visit: (cell: number, weight: number) => void,
): void {
  const start = from * to;
  const end = start + to;
  for (let cell = Math.floor(start / count); cell * count < end; cell += 1) {
    const overlap = Math.min(end, (cell + 1) * count) - Math.max(start, cell * count);
    visit(cell, overlap / count);
  }
}
