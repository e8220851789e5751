// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ObjectPage, StoredObject } from 'nereid-server';
import { storeError } from './errors.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/**
 * Reads the answer of List Blobs. Values in it are escaped, so that no `<` in them can be taken for an element.
 * @throws StoreError failed for something else
 */
export function readBlobList(xml: string): ObjectPage {
  if (!/<EnumerationResults[\s>]/.test(xml)) throw storeError('failed', 'the answer is no listing');
  const next = textOf(xml, 'NextMarker');
  return {
    objects: [...xml.matchAll(/<Blob>(.*?)<\/Blob>/gs)].map(([, blob = '']) => readBlob(blob)),
    folders: [...xml.matchAll(/<BlobPrefix>(.*?)<\/BlobPrefix>/gs)].map(([, one = '']) =>
      nameOf(one),
    ),
    next: next === undefined || next === '' ? undefined : next,
  };
}

function readBlob(blob: string): StoredObject {
  // Metadata may have elements of any name: what counts stands before.
  const [before = '', metadata = ''] = blob.split('<Metadata>', 2);
  const name = nameOf(before);
  const bytes = Number(textOf(before, 'Content-Length'));
  const token = textOf(before, 'Etag')?.replaceAll('"', '') ?? '';
  if (token === '' || !Number.isSafeInteger(bytes)) {
    throw storeError('failed', 'the answer is no listing');
  }
  // An account with a hierarchical namespace lists its folders as empty blobs.
  const isFolder =
    textOf(before, 'ResourceType') === 'directory' || /<hdi_isfolder>true</i.test(metadata);
  const md5 = textOf(before, 'Content-MD5');
  return {
    key: isFolder && !name.endsWith('/') ? `${name}/` : name,
    bytes,
    token,
    md5: md5 === '' ? undefined : md5,
  };
}

function nameOf(xml: string): string {
  const [, encoded, text] = /<Name( Encoded="true")?>([^<]*)<\/Name>/.exec(xml) ?? [];
  if (text === undefined) throw storeError('failed', 'the answer is no listing');
  return encoded === undefined ? plain(text) : decodeURIComponent(plain(text));
}

function textOf(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
  return text === undefined ? undefined : plain(text);
}

function plain(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
