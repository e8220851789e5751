// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import type { HttpReply } from '../addon/control-call.ts';
import { invalidArgument, unimplemented } from '../base/status.ts';

/** Value of the first header of this name (lower case). */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((field, index) => index % 2 === 0 && field === name);
  return at < 0 ? undefined : headers[at + 1];
}

/**
 * The body as it was before `Content-Encoding`.
 * @throws ServeError Unimplemented for a coding that is neither gzip nor deflate, InvalidArgument for bytes that are
 *   not in it, or over the limit
 */
export function decompress(
  body: Uint8Array,
  contentEncoding: string | undefined,
  maxBytes: number,
): Uint8Array {
  const coding = (contentEncoding ?? '').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return body;
  const inflate = coding === 'gzip' ? gunzipSync : coding === 'deflate' ? inflateSync : undefined;
  if (inflate === undefined) throw unimplemented('Unsupported compression type');
  try {
    return inflate(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const isTooLarge =
      error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw invalidArgument(
      isTooLarge
        ? `the decompressed request exceeds the maximum allowed value of ${maxBytes} bytes. ` +
            'Use --http-max-input-size to increase the limit.'
        : `failed to decompress the request: expected ${coding} data`,
    );
  }
}

/** The answer in the coding that `Accept-Encoding` likes best; of equals the first. */
export function compress(reply: HttpReply, accepted: string | undefined): HttpReply {
  const coding = preferredCoding(accepted ?? '');
  if (coding === undefined) return reply;
  const body = coding === 'gzip' ? gzipSync(reply.body) : deflateSync(reply.body);
  return { ...reply, headers: [...reply.headers, 'content-encoding', coding], body };
}

function preferredCoding(accepted: string): 'gzip' | 'deflate' | undefined {
  let best: 'gzip' | 'deflate' | undefined;
  let bestWeight = 0;
  for (const part of accepted.split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const weightText = parameters.find((one) => one.startsWith('q='))?.slice('q='.length);
    const weight = weightText === undefined ? 1 : Number(weightText);
    if (!(weight > bestWeight)) continue;
    if (name !== 'gzip' && name !== 'deflate' && name !== 'identity') continue;
    best = name === 'identity' ? undefined : name;
    bestWeight = weight;
  }
  return best;
}
