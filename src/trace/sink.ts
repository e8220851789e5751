// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TraceRecord } from '../addon/tracing.ts';

/** Where the records of traced requests go. */
export interface TraceSink {
  /**
   * Takes records over, oldest first. Never throws: what cannot be written is said in the log.
   * @param logFrequency of the settings that chose them
   */
  add(records: readonly TraceRecord[], logFrequency: number): void;
  /** ends what is open, such as a numbered file that is not full; resolves when it is written */
  flush(): Promise<void>;
}
