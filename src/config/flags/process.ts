// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { both, type Flag, INT32_MAX, ignore, int32 } from './flag.ts';

/** The server as a whole. */
export interface ProcessOptions {
  readonly id: string;
  readonly exitTimeoutSecs: number;
  readonly drainDelaySecs: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyProcessOptions: ProcessOptions = {
  id: '',
  exitTimeoutSecs: 0,
  drainDelaySecs: 0,
};

/** What a timer of Node can wait for. */
const MOST_SECONDS = Math.floor(INT32_MAX / 1000) - 1;

export const processFlags: readonly Flag<ProcessOptions>[] = [
  {
    name: 'help',
    group: 'Server',
    value: '',
    help: 'Print usage',
    set: ignore,
  },
  {
    name: 'id',
    group: 'Server',
    value: '<string>',
    help: 'Name of the server in its metadata.',
    defaults: { tritonserver: 'triton', nereid: 'nereid' },
    set: (draft, value) => {
      draft.id = value;
    },
  },
  {
    name: 'exit-timeout-secs',
    group: 'Server',
    value: '<integer>',
    help: 'Seconds that requests in flight may take to finish once the server was told to stop.',
    defaults: both('30'),
    set: (draft, value) => {
      draft.exitTimeoutSecs = Math.min(Math.max(0, int32(value)), MOST_SECONDS);
    },
  },
  {
    name: 'drain-delay-secs',
    group: 'Server',
    value: '<integer>',
    help: 'Seconds that a server which was told to stop goes on as before, not ready, so that balancers send no more.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.drainDelaySecs = Math.min(Math.max(0, int32(value)), MOST_SECONDS);
    },
  },
];
