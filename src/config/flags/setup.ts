// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Flag, oneOf } from './flag.ts';

/** What is fetched when it is missing. */
export interface SetupOptions {
  readonly setup: 'ask' | 'auto' | 'never';
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptySetupOptions: SetupOptions = {
  setup: 'never',
};

export const setupFlags: readonly Flag<SetupOptions>[] = [
  {
    name: 'setup',
    group: 'Set-up',
    value: '<string>',
    help: 'When a model needs ONNX Runtime and it is not installed: "ask" on a terminal (elsewhere fetch it), "auto" fetch it, "never" refuse the model.',
    defaults: { tritonserver: 'never', nereid: 'ask' },
    set: (draft, value) => {
      draft.setup = oneOf('setup', value, ['ask', 'auto', 'never']);
    },
  },
];
