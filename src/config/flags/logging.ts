// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag, FlagError, INT32_MAX, int32, integer, notEmpty } from './flag.ts';

/** Log lines. */
export interface LoggingOptions {
  readonly logVerbose: number;
  readonly logInfo: boolean;
  readonly logWarning: boolean;
  readonly logError: boolean;
  readonly logFormat: 'default' | 'ISO8601';
  /** empty = stderr */
  readonly logFile: string;
  /** texts are quoted and escaped; `TRITON_SERVER_ESCAPE_LOG_MESSAGES=0` writes them as they are */
  readonly logEscape: boolean;
  /** file of the access log, `-` = standard output, empty = none */
  readonly accessLog: string;
  readonly accessLogEvery: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyLoggingOptions: LoggingOptions = {
  logVerbose: 0,
  logInfo: true,
  logWarning: true,
  logError: true,
  logFormat: 'default',
  logFile: '',
  logEscape: true,
  accessLog: '',
  accessLogEvery: 1,
};

export const loggingFlags: readonly Flag<LoggingOptions>[] = [
  {
    name: 'log-verbose',
    group: 'Logging',
    value: '<integer>',
    help: 'Level of verbose lines; 0 writes none.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.logVerbose = verboseLevel(value);
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
      if (value !== 'default' && value !== 'ISO8601') {
        throw new FlagError('invalid argument for --log-format');
      }
      draft.logFormat = value;
    },
  },
  {
    name: 'log-file',
    group: 'Logging',
    value: '<path>',
    help: 'File the lines are appended to instead of stderr.',
    set: (draft, value) => {
      draft.logFile = value;
    },
  },
  {
    name: 'access-log',
    group: 'Logging',
    value: '<path>',
    help: 'File that gets one line of JSON for each request; - means standard output. None is written without it.',
    set: (draft, value) => {
      draft.accessLog = notEmpty(value);
    },
  },
  {
    name: 'access-log-every',
    group: 'Logging',
    value: '<integer>',
    help: 'Requests of which one gets a line in the access log.',
    defaults: both('1'),
    set: (draft, value) => {
      draft.accessLogEvery = integer(value, 1, INT32_MAX);
    },
  },
];

function verboseLevel(value: string): number {
  const word = value.toLowerCase();
  if (word === 'true') return 1;
  return word === 'false' ? 0 : Math.max(0, int32(value));
}
