// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
} from '../../src/repository/cloud/object-store.ts';
import { storeError } from '../../src/repository/cloud/store-error.ts';

/** Objects in memory. Every call is written down, and fails as it is told to. */
export class FakeObjectStore implements ObjectStore {
  readonly calls: string[] = [];
  /** called before each call; throws to fail it */
  intercept: (call: string) => void = () => undefined;
  /** what is sent for an object instead of its content */
  readonly sent = new Map<string, readonly Uint8Array[]>();
  /** Content-Encoding of objects, by key */
  readonly encodings = new Map<string, string>();
  pageSize = 1000;
  isClosed = false;
  readonly #objects = new Map<string, Buffer>();

  put(key: string, content: string | Uint8Array): void {
    this.#objects.set(key, Buffer.from(content));
  }

  delete(key: string): void {
    this.#objects.delete(key);
  }

  async list({ prefix, next, signal }: ListRequest): Promise<ObjectPage> {
    this.#call(`list ${prefix}`, signal);
    const from = Number(next ?? 0);
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const to = from + this.pageSize;
    const objects = keys.slice(from, to).flatMap((key) => this.object(key) ?? []);
    return { objects, folders: [], next: to < keys.length ? String(to) : undefined };
  }

  async open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent> {
    this.#call(`open ${object.key}`, signal);
    const content = this.#objects.get(object.key);
    if (content === undefined || this.object(object.key)?.token !== object.token) {
      throw storeError('changed', 'PreconditionFailed');
    }
    const pieces = this.sent.get(object.key) ?? [content];
    const encoding = this.encodings.get(object.key);
    return { body: deliver(pieces, signal), md5: digest(content, 'base64'), encoding };
  }

  close(): void {
    this.isClosed = true;
  }

  object(key: string): StoredObject | undefined {
    const content = this.#objects.get(key);
    if (content === undefined) return undefined;
    return { key, bytes: content.length, token: digest(content, 'hex') };
  }

  #call(call: string, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.calls.push(call);
    this.intercept(call);
  }
}

const digest = (content: Uint8Array, form: 'base64' | 'hex'): string =>
  createHash('md5').update(content).digest(form);

async function* deliver(
  pieces: readonly Uint8Array[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    signal.throwIfAborted();
    yield piece;
  }
}
