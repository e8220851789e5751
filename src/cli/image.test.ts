// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import { ServeError } from '../base/status.ts';
import { type ImageInput, imageInput, readImage } from './image.ts';
import { maxPngPixels, maxPngSide } from './png.ts';

const root = new URL('../../', import.meta.url);

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly depth?: number;
  readonly colour?: number;
  readonly interlace?: number;
  /** Packed rows without filter bytes. */
  readonly rows: readonly (readonly number[])[];
  /** Chunks between IHDR and the pixels. */
  readonly before?: readonly Buffer[];
  /** Filter of each row; 0 when left out. */
  readonly filter?: (row: number) => number;
  /** What is packed in place of the rows. */
  readonly data?: Buffer;
}

function chunk(type: string, body: Uint8Array): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const bytes = Buffer.alloc(content.length + 8);
  bytes.writeUInt32BE(body.length, 0);
  content.copy(bytes, 4);
  bytes.writeUInt32BE(crc32(content), content.length + 4);
  return bytes;
}

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const COLOUR_SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

function head({
  width,
  height,
  depth = 8,
  colour = 0,
  interlace = 0,
}: Omit<Picture, 'rows'>): Buffer {
  const body = Buffer.alloc(13);
  body.writeUInt32BE(width, 0);
  body.writeUInt32BE(height, 4);
  body.set([depth, colour, 0, 0, interlace], 8);
  return chunk('IHDR', body);
}

/** The forward filters, written from the specification's table. */
function filtered(picture: Picture): Buffer {
  const { depth = 8, colour = 0, filter = () => 0 } = picture;
  const reach = Math.max(1, ((COLOUR_SAMPLES[colour] ?? 1) * depth) / 8);
  const bytes: number[] = [];
  picture.rows.forEach((row, y) => {
    const above = picture.rows[y - 1] ?? [];
    const kind = filter(y);
    bytes.push(kind);
    row.forEach((value, i) => {
      const a = row[i - reach] ?? 0;
      const b = above[i] ?? 0;
      const c = i >= reach ? (above[i - reach] ?? 0) : 0;
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      const nearest = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      const guess = [0, a, b, Math.floor((a + b) / 2), nearest][kind] ?? 0;
      bytes.push((value - guess) & 255);
    });
  });
  return Buffer.from(bytes);
}

function encode(picture: Picture): Buffer {
  return Buffer.concat([
    SIGNATURE,
    head(picture),
    ...(picture.before ?? []),
    chunk('IDAT', picture.data ?? deflateSync(filtered(picture))),
    chunk('IEND', new Uint8Array()),
  ]);
}

const size = (height: number, width: number): ImageInput => ({ height, width, black: 0, white: 1 });

async function grey(png: Uint8Array, height: number, width: number): Promise<number[]> {
  return [...(await readImage(png, size(height, width)))];
}

function assertClose(
  actual: readonly number[],
  expected: readonly number[],
  tolerance = 1e-6,
): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    const wanted = expected[i] ?? Number.NaN;
    assert.ok(Math.abs(value - wanted) <= tolerance, `value ${i} is ${value}, expected ${wanted}`);
  });
}

async function refusal(png: Uint8Array): Promise<string> {
  const error: unknown = await readImage(png, size(2, 2)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ServeError, `expected a ServeError, got ${String(error)}`);
  assert.equal(error.code, 'InvalidArgument');
  assert.doesNotMatch(error.message, /\n/);
  return error.message;
}

describe('readImage', () => {
  it('reads the example digits as the pixels they were made of', async () => {
    const text = await readFile(new URL('test/fixtures/digits/held-out.json', root), 'utf8');
    const heldOut = JSON.parse(text) as { labels: number[]; images: number[][] };
    for (let digit = 0; digit < 10; digit += 1) {
      const png = await readFile(new URL(`docs/examples/digits/${digit}.png`, root));
      const values = (await grey(png, 8, 8)).map((value) => Math.round(value * 16));
      const found = heldOut.images.findIndex((image) => image.every((v, i) => v === values[i]));
      assert.equal(heldOut.labels[found], digit);
    }
  });

  it('reads an enlarged image as the small one', async () => {
    const small = await readFile(new URL('docs/examples/digits/7.png', root));
    const large = await readFile(new URL('docs/examples/digits/7-large.png', root));
    assertClose(await grey(large, 8, 8), await grey(small, 8, 8));
  });

  const kinds: { name: string; picture: Omit<Picture, 'width' | 'height'>; expected: number[] }[] =
    [
      {
        name: '1-bit grey',
        picture: { depth: 1, rows: [[0b01_000000], [0b10_000000]] },
        expected: [0, 1, 1, 0],
      },
      {
        name: '2-bit grey',
        picture: { depth: 2, rows: [[0b00_01_0000], [0b10_11_0000]] },
        expected: [0, 1 / 3, 2 / 3, 1],
      },
      {
        name: '4-bit grey',
        picture: { depth: 4, rows: [[0x05], [0xaf]] },
        expected: [0, 1 / 3, 2 / 3, 1],
      },
      {
        name: '8-bit grey',
        picture: {
          rows: [
            [0, 51],
            [102, 255],
          ],
        },
        expected: [0, 0.2, 0.4, 1],
      },
      {
        name: '16-bit grey',
        picture: {
          depth: 16,
          rows: [
            [1, 0, 0x33, 0x33],
            [0x66, 0x66, 255, 255],
          ],
        },
        expected: [256 / 65535, 0.2, 0.4, 1],
      },
      {
        name: 'grey and alpha on white',
        picture: {
          colour: 4,
          rows: [
            [0, 255, 0, 0],
            [102, 255, 0, 51],
          ],
        },
        expected: [0, 1, 0.4, 0.8],
      },
      {
        name: 'RGB',
        picture: {
          colour: 2,
          rows: [
            [255, 0, 0, 0, 255, 0],
            [0, 0, 255, 255, 255, 255],
          ],
        },
        expected: [0.299, 0.587, 0.114, 1],
      },
      {
        name: '16-bit RGB',
        picture: {
          colour: 2,
          depth: 16,
          rows: [
            [255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0],
            [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
          ],
        },
        expected: [0.299, 0.587, 0.114, 1],
      },
      {
        name: 'RGBA on white',
        picture: {
          colour: 6,
          rows: [
            [255, 0, 0, 255, 0, 0, 0, 0],
            [0, 0, 0, 51, 0, 0, 255, 255],
          ],
        },
        expected: [0.299, 1, 0.8, 0.114],
      },
      {
        name: '2-bit palette with transparency',
        picture: {
          colour: 3,
          depth: 2,
          before: [
            chunk('PLTE', Uint8Array.of(0, 0, 0, 255, 0, 0, 51, 51, 51, 0, 0, 0)),
            chunk('tRNS', Uint8Array.of(255, 255, 255, 0)),
          ],
          rows: [[0b00_01_0000], [0b10_11_0000]],
        },
        expected: [0, 0.299, 0.2, 1],
      },
    ];
  for (const { name, picture, expected } of kinds) {
    it(`reads ${name}`, async () => {
      assertClose(await grey(encode({ ...picture, width: 2, height: 2 }), 2, 2), expected);
    });
  }

  it('undoes every filter', async () => {
    for (const [colour, samples] of [
      [0, 1],
      [2, 3],
      [6, 4],
    ] as const) {
      // Bytes without a pattern that a wrong filter could hit by luck; alpha stays opaque.
      const rows = Array.from({ length: 10 }, (_, y) =>
        Array.from({ length: 7 * samples }, (__, x) =>
          colour === 6 && x % 4 === 3 ? 255 : ((x * 7919 + y * 104_729) % 251) + 3,
        ),
      );
      const plain = await grey(encode({ width: 7, height: 10, colour, rows }), 10, 7);
      const mixed = { width: 7, height: 10, colour, rows, filter: (y: number) => (y + 4) % 5 };
      assertClose(await grey(encode(mixed), 10, 7), plain, 0);
    }
  });

  it('joins pixels that come in many chunks', async () => {
    const picture = {
      width: 2,
      height: 2,
      rows: [
        [0, 51],
        [102, 255],
      ],
    };
    const parts = [...deflateSync(filtered(picture))].map((byte) =>
      chunk('IDAT', Uint8Array.of(byte)),
    );
    const png = Buffer.concat([
      SIGNATURE,
      head(picture),
      chunk('tEXt', Buffer.from('a\0b')),
      ...parts,
      chunk('IDAT', new Uint8Array()),
      chunk('IEND', new Uint8Array()),
    ]);
    assertClose(await grey(png, 2, 2), [0, 0.2, 0.4, 1]);
  });

  it('takes the mean of the area each value covers', async () => {
    const png = encode({
      width: 3,
      height: 2,
      rows: [
        [0, 255, 0],
        [0, 255, 255],
      ],
    });
    assertClose(await grey(png, 1, 1), [0.5]);
    // Each half of 3 pixels holds one and a half.
    assertClose(await grey(png, 2, 2), [1 / 3, 1 / 3, 1 / 3, 1]);
  });

  it('enlarges without inventing values', async () => {
    const png = encode({ width: 2, height: 1, rows: [[0, 255]] });
    assertClose(await grey(png, 2, 3), [0, 0.5, 1, 0, 0.5, 1]);
  });

  it('scales to the range of the model', async () => {
    const png = encode({ width: 2, height: 1, rows: [[0, 255]] });
    const input = { height: 1, width: 2, black: 1, white: -1 };
    assert.deepEqual([...(await readImage(png, input))], [1, -1]);
  });
});

describe('readImage with a hostile file', () => {
  const good = encode({
    width: 2,
    height: 2,
    rows: [
      [0, 51],
      [102, 255],
    ],
  });

  it('refuses a file cut at any length', async () => {
    for (let length = 0; length < good.length; length += 1) {
      assert.match(await refusal(good.subarray(0, length)), /expected a PNG image|damaged/);
    }
  });

  it('refuses a file with any byte changed', async () => {
    for (let i = 0; i < good.length; i += 1) {
      const bad = Buffer.from(good);
      bad[i] = (bad[i] ?? 0) ^ 0x11;
      await refusal(bad);
    }
  });

  const rows = [
    [0, 0],
    [0, 0],
  ];
  const flat = { width: 2, height: 2, rows };
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
  const cases: [name: string, png: Uint8Array, message: RegExp][] = [
    ['an empty file', new Uint8Array(), /got an empty file$/],
    ['a JPEG', Buffer.from('ffd8ffe000104a46', 'hex'), /begins with ff d8 ff e0 00 10 4a 46$/],
    ['an interlaced image', encode({ ...flat, interlace: 1 }), /is interlaced/],
    ['no pixels', encode({ ...flat, width: 0 }), /it is 0x2 pixels$/],
    [
      'too many pixels',
      encode({ ...flat, width: 65_536, height: maxPngPixels / 65_536 + 1 }),
      /is 65536x1025 pixels, at most 67108864 in all and 1000000 a side/,
    ],
    ['a giant side', encode({ ...flat, width: maxPngSide + 1, height: 1 }), /at most/],
    ['the greatest size', encode({ ...flat, width: 0xffff_ffff, height: 0xffff_ffff }), /at most/],
    ['a depth that does not exist', encode({ ...flat, depth: 3 }), /colour type 0 with 3 bits/],
    ['a colour type that does not exist', encode({ ...flat, colour: 5 }), /colour type 5 with 8/],
    ['a filter that does not exist', encode({ ...flat, filter: () => 5 }), /filter 5/],
    ['a palette image without palette', encode({ ...flat, colour: 3 }), /its palette has 0 bytes/],
    [
      'a colour beyond the palette',
      encode({
        ...flat,
        rows: [
          [0, 1],
          [0, 0],
        ],
        colour: 3,
        before: [chunk('PLTE', new Uint8Array(3))],
      }),
      /a pixel has colour 1 of a palette of 1$/,
    ],
    [
      'an unknown critical chunk',
      encode({ ...flat, before: [chunk('ABCD', new Uint8Array(4))] }),
      /ABCD/,
    ],
    ['a second header', encode({ ...flat, before: [head(flat)] }), /IHDR/],
    ['too few rows', encode({ ...flat, height: 3 }), /its pixels end in row 3 of 3$/],
    ['too many rows', encode({ ...flat, height: 1 }), /more data than its 2x1 pixels need$/],
    ['bytes that are not packed', encode({ ...flat, data: Buffer.from('hello') }), /unpacked \(/],
    [
      'a packed stream without its end',
      encode({ ...flat, data: deflateSync(Buffer.alloc(100_000)).subarray(0, 9) }),
      /damaged/,
    ],
    [
      '64 MiB behind 2x2 pixels',
      encode({ ...flat, data: bomb }),
      /more data than its 2x2 pixels need$/,
    ],
  ];
  for (const [name, png, message] of cases) {
    it(`refuses ${name}`, async () => {
      assert.match(await refusal(png), message);
    });
  }
});

describe('imageInput', () => {
  const image = { name: 'image', data_type: 'TYPE_FP32' };

  it('reads the size from the format', () => {
    const nchw = imageInput({ ...image, format: 'FORMAT_NCHW', dims: [1, 8, 9] });
    assert.deepEqual(nchw, { height: 8, width: 9, black: 0, white: 1 });
    const nhwc = imageInput({ ...image, format: 'FORMAT_NHWC', dims: ['8', '9', '1'] }, '-1..1');
    assert.deepEqual(nhwc, { height: 8, width: 9, black: -1, white: 1 });
  });

  it('takes no other tensor for an image', () => {
    assert.equal(imageInput({ ...image, dims: [1, 8, 8] }), undefined);
    assert.equal(imageInput({ ...image, format: 'FORMAT_NONE', dims: [64] }), undefined);
    assert.equal(imageInput({ ...image, format: 'FORMAT_NCHW', dims: [3, 8, 8] }), undefined);
    assert.equal(imageInput({ ...image, format: 'FORMAT_NCHW', dims: [1, -1, 8] }), undefined);
    assert.equal(
      imageInput({
        name: 'image',
        data_type: 'TYPE_UINT8',
        format: 'FORMAT_NCHW',
        dims: [1, 8, 8],
      }),
      undefined,
    );
  });

  it('refuses a range that is not two numbers', () => {
    const input = { ...image, format: 'FORMAT_NCHW', dims: [1, 8, 8] };
    for (const range of ['', '1', '..', '0..x', '0..1..2', '0..Infinity']) {
      assert.throws(() => imageInput(input, range), ServeError, range);
    }
  });
});
