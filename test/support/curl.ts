// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { projectRoot } from './nereid.ts';

export interface CurlAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Runs curl in the root of the project.
 * @param line what stands behind `curl` in a shell
 */
export function curl(line: string): Promise<CurlAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<CurlAnswer>();
  const command = `curl --silent --show-error --max-time 60 --write-out '\\n%{http_code}' ${line}`;
  execFile('sh', ['-c', command], { cwd: projectRoot }, (error, stdout, stderr) => {
    if (error !== null) return reject(new Error(`${command}\n${stderr}`, { cause: error }));
    const end = stdout.lastIndexOf('\n');
    resolve({ status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) });
  });
  return promise;
}

/** The curl lines in the code blocks of a page, joined where a backslash parts them; without the word `curl`. */
export function curlLinesOf(page: string): string[] {
  const text = readFileSync(`${projectRoot}${page}`, 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|bash|console)?\n(.*?)^```$/gms)];
  return blocks.flatMap(([, block]) =>
    (block ?? '')
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => /^(?:\$ )?curl (.*)$/.exec(line)?.[1])
      .filter((line) => line !== undefined),
  );
}

/** Whether a path is one that a pattern of the route table stands for. */
export function isPathOf(pattern: string, path: string): boolean {
  const expression = pattern
    .replaceAll(/[.*]/g, (c) => (c === '*' ? '.*' : '\\.'))
    .replaceAll(/\[([^\]]*)\]/g, '(?:$1)?')
    .replaceAll(/\{\w\}/g, '[^/]+');
  return new RegExp(`^${expression}$`).test(path);
}
