// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Program } from './config/options.ts';

/**
 * Runs one of the two executables to its end.
 * @param program the name it was started by; chooses defaults and commands
 * @param argv arguments after the name
 * @returns exit code
 */
export async function main(program: Program, argv: readonly string[]): Promise<number> {
  if (program === 'tritonserver') {
    const { serve } = await import('./cli/serve.ts');
    return serve('tritonserver', argv);
  }
  const { runCommand } = await import('./cli/cli.ts');
  return runCommand(argv);
}
