// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag, INT32_MAX, integer, oneOf } from './flag.ts';

/** Log lines. */
export interface LoggingOptions {
  readonly logVerbose: number;
  readonly logInfo: boolean;
  readonly logWarning: boolean;
  readonly logError: boolean;
  readonly logFormat: 'default' | 'ISO8601';
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyLoggingOptions: LoggingOptions = {
  logVerbose: 0,
  logInfo: true,
  logWarning: true,
  logError: true,
  logFormat: 'default',
};

export const loggingFlags: readonly Flag<LoggingOptions>[] = [
  {
    name: 'log-verbose',
    group: 'Logging',
    value: '<integer>',
    help: 'Level of verbose lines; 0 writes none.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.logVerbose = integer(value, 0, INT32_MAX);
    },
  },
  {
    name: 'log-info',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level info.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logInfo = bool(value);
    },
  },
  {
    name: 'log-warning',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level warning.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logWarning = bool(value);
    },
  },
  {
    name: 'log-error',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level error.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logError = bool(value);
    },
  },
  {
    name: 'log-format',
    group: 'Logging',
    value: '<string>',
    help: 'Layout of a line: "default" (LMMDD hh:mm:ss.ssssss pid file:line] "text") or "ISO8601".',
    defaults: both('default'),
    set: (draft, value) => {
      draft.logFormat = oneOf('log-format', value, ['default', 'ISO8601']);
    },
  },
];
