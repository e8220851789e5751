// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError, unavailable } from '../base/status.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8000';

/** Speaks HTTP to a running server for the commands of the CLI. */
export class Client {
  readonly #base: string;
  readonly #signal: AbortSignal;

  /** @param timeoutMs for each call */
  constructor(url: string, timeoutMs: number) {
    this.#base = (/^https?:\/\//.test(url) ? url : `http://${url}`).replace(/\/+$/, '');
    this.#signal = AbortSignal.timeout(timeoutMs);
  }

  /** @throws ServeError Unavailable when nothing answers; otherwise with the server's own sentence */
  async get(path: string): Promise<string> {
    return this.#call(path, { method: 'GET' });
  }

  /** As `get`. */
  async post(path: string, body = ''): Promise<string> {
    return this.#call(path, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
  }

  async #call(path: string, init: RequestInit): Promise<string> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#base}${path}`, { ...init, signal: this.#signal });
      text = await response.text();
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return text;
    throw new ServeError('Unknown', errorText(text) ?? `HTTP ${response.status} ${text}`.trim());
  }

  #unreachable(error: unknown): ServeError {
    const cause = error instanceof Error ? error.cause : undefined;
    const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ECONNREFUSED') {
      return unavailable(
        `no server answers at ${this.#base}: start one with \`nereid serve\`, or name another with --url`,
      );
    }
    const from = ServeError.from(cause instanceof Error ? cause : error);
    return unavailable(`${this.#base} cannot be reached: ${from.message}`);
  }
}

function errorText(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null || !('error' in value)) return undefined;
    return typeof value.error === 'string' ? value.error : undefined;
  } catch {
    return undefined;
  }
}
