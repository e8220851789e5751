// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import type { Log, LogFormat, LogSettings } from '../base/log.ts';

/** Values of the logging extension by their names on the wire. Key order is Triton's. */
export interface LogSettingsView {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: LogFormat;
}

export type LogChanges = Partial<Omit<LogSettings, 'file' | 'escape'>>;

/** Sentence for a client that wants to move the log. */
export const LOG_FILE_FIXED = 'log file location can not be updated through network protocol';

/** The logging extension: one set of settings for both halves of the server. */
export class LogSettingsVerbs {
  readonly #log: Log;
  readonly #engine: Pick<Engine, 'setLog'>;

  constructor(log: Log, engine: Pick<Engine, 'setLog'>) {
    this.#log = log;
    this.#engine = engine;
  }

  read(): LogSettingsView {
    const { file, info, warning, error, verboseLevel, format } = this.#log.settings;
    return {
      log_file: file,
      log_info: info,
      log_warning: warning,
      log_error: error,
      log_verbose_level: verboseLevel,
      log_format: format,
    };
  }

  update(changes: LogChanges): void {
    this.#log.update(changes);
    const { file, info, warning, error, verboseLevel, format } = this.#log.settings;
    this.#engine.setLog({
      logFile: file,
      logInfo: info,
      logWarning: warning,
      logError: error,
      logVerbose: verboseLevel,
      logFormat: format,
    });
  }
}
