// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

const GROUP = 4;

/**
 * Reads base64 text (RFC 4648, section 4). Line ends are passed over and the padding may be left out.
 * @returns undefined for any other text
 */
export function readBase64(given: string): Buffer | undefined {
  const text = /[\r\n]/.test(given) ? given.replace(/[\r\n]+/g, '') : given;
  const digits = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  const isPadded = digits === text.length || text.length % GROUP === 0;
  // Node's decoder passes over what is no digit, and takes the alphabet of URLs too.
  if (!isPadded || digits % GROUP === 1 || /[-_]/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === Math.floor((digits * 3) / GROUP) ? bytes : undefined;
}
