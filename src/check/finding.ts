// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path';
import { isCloudPath } from '../repository/cloud/cloud-path.ts';

/** What kind of thing is wrong. Stable: scripts filter by it; docs/check.md says what each means. */
export const FINDING_CODES = [
  'syntax',
  'unknown-field',
  'invalid-value',
  'invalid-config',
  'unknown-backend',
  'unsupported-feature',
  'no-effect',
  'model-file-missing',
  'model-file-unreadable',
  'model-file-unread',
  'model-file-mismatch',
  'label-file',
  'build-failed',
  'resource-shortage',
  'model-name',
  'version-missing',
  'version-policy',
  'version-ignored',
  'config-ignored',
  'unknown-member',
  'ensemble-wiring',
  'duplicate-model',
  'not-a-repository',
  'empty-repository',
  'unreadable',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

/** Lines to put in place of others. */
export interface Fix {
  /** first line that goes, counted from 1 */
  readonly line: number;
  /** last line that goes */
  readonly endLine: number;
  /** what comes instead, every correction of these lines in it; empty: the lines only go */
  readonly lines: readonly string[];
}

/** One thing wrong with a repository. */
export interface Finding {
  /** `error`: the server would not serve the model. `warning`: it would, but not all is as written. */
  readonly severity: 'error' | 'warning';
  readonly code: FindingCode;
  /** as it was named on the command line */
  readonly repository: string;
  /** null where the finding is about the repository or the machine */
  readonly model: string | null;
  /** what to open: a file, or a folder where a file is missing; begins with `repository` */
  readonly file: string;
  /** from 1; null where no place in a file is to blame */
  readonly line: number | null;
  /** from 1, in UTF-16 units */
  readonly column: number | null;
  /** e.g. `input[0].dims`; empty where no field is to blame */
  readonly field: string;
  readonly message: string;
  /** what each side says, e.g. `model.onnx says input 'image' FP32 [batch, 3, 224, 224]` */
  readonly notes: readonly string[];
  /** the line to blame as it is written, and how many characters of it from `column` on; null without a place */
  readonly source: { readonly text: string; readonly length: number } | null;
  readonly fix: Fix | null;
}

/** What a finding always has; the rest says nothing unless given. */
export type FindingParts = Pick<
  Finding,
  'severity' | 'code' | 'repository' | 'model' | 'file' | 'message'
> &
  Partial<Finding>;

/** Where a part of a repository is, below what the repository was called. */
export function placeIn(repository: string, ...parts: readonly string[]): string {
  if (!isCloudPath(repository)) return join(repository, ...parts);
  return [repository.replace(/\/+$/, ''), ...parts].join('/');
}

export function finding(parts: FindingParts): Finding {
  return {
    line: null,
    column: null,
    field: '',
    notes: [],
    source: null,
    fix: null,
    ...parts,
  };
}
