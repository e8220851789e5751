// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a package for an object store implements. The server does the rest: it finds models in listings, downloads,
 * verifies, retries and cleans up. These are types only: such a package needs nothing of the server at run time.
 */

/** One object as a listing tells it. */
export interface StoredObject {
  /** its whole name; `/` separates folders; a name that ends with `/` stands for an empty folder */
  readonly key: string;
  readonly bytes: number;
  /** changes with every write of the object: an ETag, a generation. Never a time. */
  readonly token: string;
  /** of its content, base64, where the listing has it */
  readonly md5?: string | undefined;
  /** CRC-32C of its content, big-endian base64, where the listing has it */
  readonly crc32c?: string | undefined;
}

/** Part of a listing. */
export interface ObjectPage {
  readonly objects: readonly StoredObject[];
  /** of a listing that is not deep: names that go on behind the next `/`, with that `/` */
  readonly folders: readonly string[];
  /** asks for the page behind this one; absent on the last */
  readonly next?: string | undefined;
}

export interface ListRequest {
  /** names begin with it; empty or ends with `/` */
  readonly prefix: string;
  /** every object below the prefix; else those directly below it, with folders */
  readonly deep: boolean;
  /** of the page before */
  readonly next?: string | undefined;
  readonly signal: AbortSignal;
}

/** Content of an object as it is stored: what the listing says of its size and digests is said of these bytes. */
export interface ObjectContent {
  readonly body: AsyncIterable<Uint8Array>;
  /** base64, where the answer has it and it is surely of the content */
  readonly md5?: string | undefined;
  /** Content-Encoding that the object was stored with; the server decodes gzip */
  readonly encoding?: string | undefined;
}

/**
 * One bucket or container. Every call is one attempt: the server repeats what may succeed later.
 * What is thrown is a `StoreError`; anything else counts as `failed`. Messages never hold credentials, nor addresses
 * that were signed.
 */
export interface ObjectStore {
  list(request: ListRequest): Promise<ObjectPage>;
  /** @throws StoreError `changed` when the object is no longer what its token stands for */
  open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent>;
  /** Lets go of connections. */
  close(): void;
}

/**
 * - `busy`: may succeed when it is tried again: 5xx, 408, 429, a connection that broke or could not be made
 * - `denied`: the credentials are missing, wrong or may not do this
 * - `missing`: no such bucket or object
 * - `changed`: the object was written or removed after it was listed
 * - `failed`: anything else
 */
export type StoreProblem = 'busy' | 'denied' | 'missing' | 'changed' | 'failed';

export interface StoreError extends Error {
  readonly problem: StoreProblem;
}

/** Where and how to find one bucket. */
export interface StoreOptions {
  /** bucket or container */
  readonly bucket: string;
  /** `http://host:port` or `https://host:port` that the repository's path names; absent = that of the store */
  readonly endpoint?: string | undefined;
  /** Azure: storage account that the repository's path names */
  readonly account?: string | undefined;
  /** entry of the credential file: an object of texts, or a path; absent = the environment decides */
  readonly credentials?: unknown;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a package exports. */
export interface StorePackage {
  /** @throws Error with a sentence about options that cannot be */
  openStore(options: StoreOptions): Promise<ObjectStore>;
}
