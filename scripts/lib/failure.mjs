// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Ends a set-up: `message` is for the user, one sentence a line; no stack is shown. */
export class Failure extends Error {
  name = 'Failure';
}

const CAUSES = [
  [
    /ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i,
    () => 'the disk is full: make room and run the same command again',
  ],
  [
    /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT/,
    (found) =>
      `the package registry could not be reached (${found}): check the network and the registry setting, then run the same command again`,
  ],
  [
    /NewConnectionError|Temporary failure in name resolution|Name or service not known|Connection refused|ReadTimeoutError/,
    (found) =>
      `the Python package index could not be reached (${found}): check the network and pip's index setting, then run the same command again`,
  ],
  [/EINTEGRITY/, () => 'a download was damaged (EINTEGRITY): run the same command again'],
  [
    /E401|E403|ENEEDAUTH/,
    (found) => `the package registry refused the request (${found}): check npm's credentials`,
  ],
];

/** The sentence for a well-known cause in a tool's output; undefined when it shows none. */
export function knownCause(output) {
  for (const [pattern, sentence] of CAUSES) {
    const found = pattern.exec(output);
    if (found !== null) return sentence(found[0]);
  }
  return undefined;
}

const MIB = 1024 * 1024;

/** Free bytes of the disk that holds a folder, or its nearest ancestor that is there. */
function freeBytes(folder) {
  let place = folder;
  while (!existsSync(place)) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize;
}

/**
 * Before a step: npm truncates files on a full disk and ends well, so that nobody would notice.
 * @throws Failure when the disk of `folder` has less than `needed` MiB free
 */
export function requireSpace(what, folder, needed) {
  const free = Math.floor(freeBytes(folder) / MIB);
  if (free >= needed) return;
  throw new Failure(
    `${what} needs about ${needed} MiB, and the disk of ${folder} has ${free} MiB free: make room and run the same command again.`,
  );
}

/** After a step: false when the disk ran full on the way. */
export function hasSpaceLeft(folder) {
  return freeBytes(folder) > MIB;
}

/** Turns what a file system call threw into a Failure where the user can mend it. */
export function explainSystemError(error) {
  if (error instanceof Failure) return error;
  if (error?.code === 'ENOSPC' || error?.code === 'EDQUOT') {
    return new Failure(
      `The disk is full (${error.path ?? 'while writing'}): make room and run the same command again.`,
    );
  }
  if (['EACCES', 'EPERM', 'EROFS'].includes(error?.code)) {
    return new Failure(
      `${error.path ?? 'A file'} cannot be written to (${error.code}): check its owner and permissions.`,
    );
  }
  return error;
}
