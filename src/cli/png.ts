// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { crc32, createInflate } from 'node:zlib';
import { invalidArgument, type ServeError } from '../base/status.ts';

/** Most pixels of an image that is read (64 Mi): decoding one of them takes a second or two. */
export const maxPngPixels = 64 * 1024 * 1024;
/** Most pixels of one side: together with 8 bytes per pixel it bounds the two rows kept in memory. */
export const maxPngSide = 1_000_000;

/** Takes one row of grey values, 0 (black) to 1 (white); the array is used again for the next row. */
export type RowSink = (row: Float32Array) => void;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
}

interface Png extends Header {
  /** 256 grey values for colour type 3; the entries beyond `colours` were not in the file. */
  readonly palette: Float32Array;
  readonly colours: number;
  readonly data: readonly Uint8Array[];
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Colour type → samples per pixel and the bit depths allowed (PNG specification, table 11.1). */
const COLOUR_TYPES: ReadonlyMap<number, { samples: number; depths: readonly number[] }> = new Map([
  [0, { samples: 1, depths: [1, 2, 4, 8, 16] }],
  [2, { samples: 3, depths: [8, 16] }],
  [3, { samples: 1, depths: [1, 2, 4, 8] }],
  [4, { samples: 2, depths: [8, 16] }],
  [6, { samples: 4, depths: [8, 16] }],
]);

/**
 * Reads a PNG file as grey rows, top to bottom, in memory of a few rows beside the file itself.
 * Colours become luma (ITU-R BT.601); what is transparent shows a white ground. All colour types and
 * depths are read, interlaced images are not; colour keys and gamma are ignored.
 * @param begin told the size before any row; what it returns takes the rows
 * @throws ServeError InvalidArgument when the file is no PNG, damaged, interlaced or too large
 */
export async function readGreyPng(
  file: Uint8Array,
  begin: (width: number, height: number) => RowSink,
): Promise<void> {
  const png = parseChunks(file);
  const samples = COLOUR_TYPES.get(png.colour)?.samples ?? 1;
  const rowBytes = Math.ceil((png.width * samples * png.depth) / 8);
  const reach = Math.max(1, (samples * png.depth) / 8);
  const toGrey = greyReader(png);
  const sink = begin(png.width, png.height);
  const grey = new Float32Array(png.width);

  // One row as packed: the filter's number, then the bytes.
  let current = new Uint8Array(1 + rowBytes);
  let above = new Uint8Array(1 + rowBytes);
  let filled = 0;
  let rows = 0;
  for await (const chunk of inflated(png.data)) {
    for (let at = 0; at < chunk.length; ) {
      if (rows === png.height) {
        throw damaged(`it holds more data than its ${png.width}x${png.height} pixels need`);
      }
      const take = Math.min(chunk.length - at, current.length - filled);
      current.set(chunk.subarray(at, at + take), filled);
      at += take;
      filled += take;
      if (filled < current.length) break;
      removeFilter(current, above, reach);
      for (let x = 0; x < png.width; x += 1) grey[x] = toGrey(current, x);
      sink(grey);
      rows += 1;
      filled = 0;
      [current, above] = [above, current];
    }
  }
  if (rows < png.height) throw damaged(`its pixels end in row ${rows + 1} of ${png.height}`);
}

function damaged(what: string): ServeError {
  return invalidArgument(`the PNG image is damaged: ${what}`);
}

function parseChunks(file: Uint8Array): Png {
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) {
    const start = Buffer.from(file.subarray(0, 8))
      .toString('hex')
      .replace(/..(?=.)/g, '$& ');
    throw invalidArgument(
      `expected a PNG image, got ${start === '' ? 'an empty file' : `a file that begins with ${start}`}`,
    );
  }
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  let alphas = new Uint8Array();
  const data: Uint8Array[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = SIGNATURE.length; ; ) {
    // Length, type and checksum are 4 bytes each.
    const length = at + 12 <= file.length ? view.getUint32(at) : 0;
    if (at + 12 + length > file.length)
      throw damaged(`it ends at byte ${file.length}, inside a chunk`);
    const type = Buffer.from(file.subarray(at + 4, at + 8)).toString('latin1');
    const body = file.subarray(at + 8, at + 8 + length);
    const sum = crc32(file.subarray(at + 4, at + 8 + length));
    if (!/^[A-Za-z]{4}$/.test(type)) throw damaged(`byte ${at + 4} begins no chunk type`);
    if (sum !== view.getUint32(at + 8 + length)) {
      throw damaged(`the checksum of chunk ${type} at byte ${at} does not fit its content`);
    }
    if ((header === undefined) !== (type === 'IHDR')) {
      throw damaged('chunk IHDR is expected first and only there');
    }
    if (type === 'IEND') break;
    if (type === 'IHDR') header = parseHeader(body);
    else if (type === 'PLTE') palette = body;
    else if (type === 'tRNS') alphas = Uint8Array.from(body);
    else if (type === 'IDAT') data.push(body);
    // A capital first letter says that the image cannot be understood without the chunk.
    else if (/^[A-Z]/.test(type)) throw damaged(`chunk ${type} is unknown`);
    at += 12 + length;
  }
  if (header === undefined || data.length === 0) throw damaged('it holds no pixels');
  if (header.colour !== 3) return { ...header, palette: new Float32Array(), colours: 0, data };
  return { ...header, ...greyPalette(palette, alphas), data };
}

function parseHeader(body: Uint8Array): Header {
  if (body.length !== 13) throw damaged(`chunk IHDR has ${body.length} bytes, expected 13`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const depth = view.getUint8(8);
  const colour = view.getUint8(9);
  if (width === 0 || height === 0) throw damaged(`it is ${width}x${height} pixels`);
  if (Math.max(width, height) > maxPngSide || width * height > maxPngPixels) {
    throw invalidArgument(
      `the PNG image is ${width}x${height} pixels, at most ${maxPngPixels} in all and ${maxPngSide} a side are read`,
    );
  }
  if (COLOUR_TYPES.get(colour)?.depths.includes(depth) !== true) {
    throw damaged(`colour type ${colour} with ${depth} bits does not exist`);
  }
  if (view.getUint8(10) !== 0 || view.getUint8(11) !== 0) {
    throw damaged('its compression or filter method does not exist');
  }
  if (view.getUint8(12) !== 0) {
    throw invalidArgument(
      'the PNG image is interlaced, which is not read: save it without interlacing',
    );
  }
  return { width, height, depth, colour };
}

function greyPalette(
  palette: Uint8Array | undefined,
  alphas: Uint8Array,
): Pick<Png, 'palette' | 'colours'> {
  const bytes = palette?.length ?? 0;
  if (palette === undefined || bytes === 0 || bytes % 3 !== 0 || bytes > 768) {
    throw damaged(`its palette has ${bytes} bytes, expected 3 for each of 1 to 256 colours`);
  }
  const part = (i: number): number => (palette[i] ?? 0) / 255;
  const grey = new Float32Array(256);
  for (let i = 0; i < bytes / 3; i += 1) {
    grey[i] = onWhite(
      luma(part(3 * i), part(3 * i + 1), part(3 * i + 2)),
      (alphas[i] ?? 255) / 255,
    );
  }
  return { palette: grey, colours: bytes / 3 };
}

async function* inflated(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const inflate = createInflate();
  for (const part of parts) inflate.write(part);
  inflate.end();
  const chunks: AsyncIterable<Uint8Array> = inflate;
  try {
    // Leaving the loop early destroys the stream: a file that inflates to gigabytes ends with its last row.
    for await (const chunk of chunks) yield chunk;
  } catch (error) {
    throw damaged(
      `its pixels cannot be unpacked (${error instanceof Error ? error.message : error})`,
    );
  }
}

/** Undoes a row's filter in place (PNG specification, section 9). `reach` is the bytes of one pixel. */
function removeFilter(row: Uint8Array, above: Uint8Array, reach: number): void {
  const filter = row[0] ?? 0;
  if (filter > 4) throw damaged(`filter ${filter} does not exist`);
  if (filter === 0) return;
  for (let i = 1; i < row.length; i += 1) {
    const left = i > reach ? (row[i - reach] ?? 0) : 0;
    const up = above[i] ?? 0;
    let guess = left;
    if (filter === 2) guess = up;
    else if (filter === 3) guess = (left + up) >> 1;
    else if (filter === 4) guess = paeth(left, up, i > reach ? (above[i - reach] ?? 0) : 0);
    row[i] = (row[i] ?? 0) + guess;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Returns the reader of pixel `x` of an unfiltered row (whose byte 0 is the filter), as grey 0..1. */
function greyReader(png: Png): (row: Uint8Array, x: number) => number {
  const sample = sampleReader(png.depth);
  const scale = 1 / (2 ** png.depth - 1);
  const part = (row: Uint8Array, i: number): number => sample(row, i) * scale;
  switch (png.colour) {
    case 2:
      return (row, x) => luma(part(row, 3 * x), part(row, 3 * x + 1), part(row, 3 * x + 2));
    case 3:
      return (row, x) => {
        const index = sample(row, x);
        if (index < png.colours) return png.palette[index] ?? 0;
        throw damaged(`a pixel has colour ${index} of a palette of ${png.colours}`);
      };
    case 4:
      return (row, x) => onWhite(part(row, 2 * x), part(row, 2 * x + 1));
    case 6:
      return (row, x) =>
        onWhite(
          luma(part(row, 4 * x), part(row, 4 * x + 1), part(row, 4 * x + 2)),
          part(row, 4 * x + 3),
        );
    default:
      return part;
  }
}

function sampleReader(depth: number): (row: Uint8Array, i: number) => number {
  if (depth === 8) return (row, i) => row[1 + i] ?? 0;
  if (depth === 16) return (row, i) => ((row[1 + 2 * i] ?? 0) << 8) | (row[2 + 2 * i] ?? 0);
  const mask = 2 ** depth - 1;
  return (row, i) => {
    const bit = i * depth;
    return ((row[1 + (bit >> 3)] ?? 0) >> (8 - depth - (bit & 7))) & mask;
  };
}

function luma(red: number, green: number, blue: number): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

function onWhite(grey: number, alpha: number): number {
  return grey * alpha + 1 - alpha;
}
