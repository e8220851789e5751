// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import type { VersionPolicy } from '../config/model-config.ts';

/**
 * Chooses the versions of one model to serve.
 * @param policy absent means the newest one
 * @param available version numbers found on disk, any order; may be empty
 * @returns versions to serve, ascending; empty when the policy names none that exist
 * @throws ServeError InvalidArgument when `specific` lists a version that no folder can have
 */
export function chooseVersions(
  policy: VersionPolicy | undefined,
  available: readonly number[],
): number[] {
  const sorted = [...new Set(available)].sort((a, b) => a - b);
  if (policy?.all !== undefined) return sorted;
  if (policy?.specific !== undefined) {
    const wanted = policy.specific.versions.map(toVersion);
    return sorted.filter((version) => wanted.includes(version));
  }
  // protobuf's 0 stands for "not given"; Triton serves one version then.
  const count = Math.max(1, policy?.latest?.num_versions ?? 1);
  return sorted.slice(-count);
}

function toVersion(version: bigint): number {
  if (version < 1n || version > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidArgument(
      `version_policy.specific.versions: expected version numbers above 0, got ${version}`,
    );
  }
  return Number(version);
}

/**
 * The version number a folder's name stands for.
 * @returns undefined for names that are no version: anything but digits, and names that start with 0
 */
export function versionOfFolder(name: string): number | undefined {
  if (!/^[1-9]\d*$/.test(name)) return undefined;
  const version = Number(name);
  return Number.isSafeInteger(version) ? version : undefined;
}
