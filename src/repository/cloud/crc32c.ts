// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// RFC 3720, appendix B.4: the Castagnoli polynomial, reflected.
const POLYNOMIAL = 0x82f63b78;
/** Four bytes a step: the tables of byte 0 … 3. */
const TABLES = makeTables();

/** CRC-32C of bytes that come in pieces. Node's own `crc32` is the one of zip. */
export class Crc32c {
  #state = 0xffffffff;

  update(bytes: Uint8Array): void {
    const [t0, t1, t2, t3] = TABLES;
    let state = this.#state;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const whole = bytes.length - (bytes.length % 4);
    for (let at = 0; at < whole; at += 4) {
      state ^= view.getUint32(at, true);
      state =
        (t3[state & 0xff] ?? 0) ^
        (t2[(state >>> 8) & 0xff] ?? 0) ^
        (t1[(state >>> 16) & 0xff] ?? 0) ^
        (t0[state >>> 24] ?? 0);
    }
    for (let at = whole; at < bytes.length; at++) {
      state = (state >>> 8) ^ (t0[(state ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
    }
    this.#state = state;
  }

  /** Big-endian base64, as Google writes it. */
  digest(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((this.#state ^ 0xffffffff) >>> 0);
    return bytes.toString('base64');
  }
}

function makeTables(): readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const next = (before: Uint32Array): Uint32Array =>
    before.map((value) => ((value >>> 8) ^ (first[value & 0xff] ?? 0)) >>> 0);
  const first = new Uint32Array(256).map((_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
    return value >>> 0;
  });
  const second = next(first);
  const third = next(second);
  return [first, second, third, next(third)];
}
