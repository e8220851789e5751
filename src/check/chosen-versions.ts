// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { ModelFolder, VersionFolder } from '../repository/source.ts';
import { chooseVersions } from '../repository/version-policy.ts';
import type { ConfigText, TextProblem } from './config-text.ts';
import { Draft } from './draft.ts';

/**
 * The versions the policy chooses, ascending; where it chooses none, the newest stands in so that the rest can be
 * checked.
 */
export function chosenVersions(
  folder: ModelFolder,
  config: ModelConfig,
  text: ConfigText,
): { readonly versions: readonly VersionFolder[]; readonly problem?: TextProblem } {
  const numbers = folder.versions.map(({ version }) => version);
  const newest = folder.versions.slice(-1);
  if (newest.length === 0) return { versions: [{ version: 1, files: [] }] };
  const there = `there ${numbers.length === 1 ? 'is' : 'are'} ${numbers.join(', ')}`;
  const draft = new Draft(text.text, () => text.scan);
  const wrong = { code: 'version-policy', field: 'version_policy' } as const;
  let chosen: number[];
  try {
    chosen = chooseVersions(config.version_policy, numbers);
  } catch (thrown) {
    const field = 'version_policy.specific.versions';
    const message = ServeError.from(thrown).message.replace(`${field}: `, '');
    return { versions: newest, problem: { ...wrong, field, message } };
  }
  if (chosen.length === 0) {
    const edits = draft.set('version_policy', '{ latest { num_versions: 1 } }');
    return {
      versions: newest,
      problem: {
        ...wrong,
        message: `at least one version must be available under the version policy; ${there}`,
        edits: edits && text.inFile(edits),
      },
    };
  }
  const versions = folder.versions.filter(({ version }) => chosen.includes(version));
  const absent = config.version_policy?.specific?.versions.filter(
    (version) => !numbers.includes(Number(version)),
  );
  if (absent === undefined || absent.length === 0) return { versions };
  return {
    versions,
    problem: {
      ...wrong,
      severity: 'warning',
      message: `version ${absent.join(', ')} is asked for and has no folder; ${there}`,
    },
  };
}
