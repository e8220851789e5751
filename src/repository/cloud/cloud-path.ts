// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../../base/status.ts';

export type CloudScheme = 's3' | 'gs' | 'as';

/** A repository's path in a cloud, taken apart. */
export interface CloudPath {
  readonly scheme: CloudScheme;
  /** bucket or container */
  readonly bucket: string;
  /** empty or ends with `/` */
  readonly prefix: string;
  /** `http://host:port` or `https://host:port` */
  readonly endpoint?: string;
  /** Azure: storage account */
  readonly account?: string;
  /** the path without extra slashes, as messages name it */
  readonly location: string;
}

const EXPECTED: Readonly<Record<CloudScheme, string>> = {
  s3: 's3://bucket/path, s3://host:port/bucket/path or s3://https://host:port/bucket/path',
  gs: 'gs://bucket/path',
  as: 'as://account/container/path',
};

/** Whether a repository is not a folder of this machine. */
export function isCloudPath(path: string): boolean {
  return /^(?:s3|gs|as):\/\//.test(path);
}

/**
 * Takes a path apart as Triton does: slashes at the end and between folders count once.
 * @throws ServeError InvalidArgument for a path that names no bucket
 */
export function parseCloudPath(path: string): CloudPath {
  const [, scheme = '', protocol = '', rest = ''] =
    /^(s3|gs|as):\/\/(https?:\/\/)?(.*)$/s.exec(path) ?? [];
  if (scheme !== 's3' && scheme !== 'gs' && scheme !== 'as') {
    throw invalidArgument(`model repository '${path}': expected s3://, gs:// or as://`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (/[\u0000-\u001f\u007f\\?#@]/.test(rest) || (protocol !== '' && scheme !== 's3')) {
    throw wrong(scheme, path);
  }
  const segments = rest.split('/').filter((segment) => segment !== '');
  if (segments.some((segment) => segment === '.' || segment === '..')) throw wrong(scheme, path);
  const location = `${scheme}://${protocol}${segments.join('/')}`;
  const parts = (from: number) => ({
    bucket: segments[from] ?? '',
    prefix: segments
      .slice(from + 1)
      .map((segment) => `${segment}/`)
      .join(''),
  });
  const [first = ''] = segments;
  let result: CloudPath;
  if (
    scheme === 's3' &&
    (protocol !== '' || /^(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:]+\]):\d+$/.test(first))
  ) {
    const endpoint = `${protocol === 'https://' ? protocol : 'http://'}${first}`;
    if (!URL.canParse(endpoint)) throw wrong(scheme, path);
    result = { scheme, ...parts(1), endpoint, location };
  } else if (scheme === 'as') {
    result = {
      scheme,
      ...parts(1),
      account: first.replace(/\.blob\.core\.windows\.net$/, ''),
      location,
    };
  } else {
    result = { scheme, ...parts(0), location };
  }
  if (result.bucket === '' || result.bucket.includes(':')) throw wrong(scheme, path);
  return result;
}

const wrong = (scheme: CloudScheme, path: string) =>
  invalidArgument(`model repository '${path}': expected ${EXPECTED[scheme]}`);
