// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The words of a command are wrong: told with a pointer to its help, exit code 2. */
export class UsageError extends Error {
  readonly command: string;

  constructor(message: string, command: string) {
    super(message);
    this.command = command;
  }
}
