// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';
import { packageVersion } from '../server/package-version.ts';
import { stderr, stdout } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const HELP = `Usage: nereid COMMAND …

Serves machine-learning models over KServe v2 (HTTP and gRPC), as Triton does.

  serve     serve the models of a folder
  infer     ask a running server once: a PNG, a JSON request or values
  models    list, load and unload models of a running server
  check     find every error of a model repository without serving it
  setup     fetch what is not in the package: \`nereid setup onnxruntime\`
  help      help on a command: \`nereid help serve\`

Start here:
  nereid serve --model-repository=model_repository
  nereid infer digits docs/examples/digits/7.png
`;

const SETUP_HELP = `Usage: nereid setup onnxruntime

Fetches the pinned ONNX Runtime (about 108 MiB) with your npm, checks its hash and puts the library into
$XDG_CACHE_HOME/nereid (default ~/.cache/nereid). No script of the package runs. \`nereid serve\` offers the same when a
model first needs it.
`;

interface Command {
  /** @returns exit code */
  run(argv: readonly string[]): Promise<number>;
  help(argv: readonly string[]): Promise<string>;
}

// Each command is imported when it runs: a start must not read the code of the others.
const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    'serve',
    {
      run: async (argv) => (await import('./serve.ts')).serve('nereid', argv),
      help: async () => (await import('./serve.ts')).serveHelp('nereid'),
    },
  ],
  [
    'infer',
    {
      run: async (argv) => (await import('./infer.ts')).runInfer(argv),
      help: async () => (await import('./infer.ts')).INFER_HELP,
    },
  ],
  [
    'models',
    {
      run: async (argv) => (await import('./models.ts')).runModels(argv),
      help: async () => (await import('./models.ts')).MODELS_HELP,
    },
  ],
  [
    'check',
    {
      run: async (argv) => (await import('./check.ts')).runCheck(argv),
      help: async () => (await import('./check.ts')).CHECK_HELP,
    },
  ],
  [
    'setup',
    {
      run: async (argv) => (await import('../setup/command.ts')).runSetup(argv),
      help: async () => SETUP_HELP,
    },
  ],
  [
    'help',
    {
      run: async (argv) => {
        stdout.write(await helpOn(argv));
        return 0;
      },
      help: async (argv) => helpOn(argv),
    },
  ],
]);

/** Runs `nereid …`. @returns exit code: 2 when the words are wrong */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === '--help' || name === '-h') {
    stdout.write(HELP);
    return 0;
  }
  if (name === '--version' || name === 'version') {
    stdout.write(`nereid ${packageVersion()}\n`);
    return 0;
  }
  const command = commands.get(name);
  if (command === undefined) {
    stderr.write(`nereid: there is no command '${name}'. \`nereid help\` lists them.\n`);
    return 2;
  }
  if (name !== 'help' && (rest.includes('--help') || rest.includes('-h'))) {
    stdout.write(await command.help([]));
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (thrown) {
    return explain(name, thrown);
  }
}

async function helpOn(words: readonly string[]): Promise<string> {
  const [topic, detail] = words;
  if (topic === undefined || topic === 'help') return HELP;
  if (topic === 'flags') {
    const { flagsHelp, flagsPage } = await import('../config/flags-page.ts');
    return detail === '--markdown' ? flagsPage() : flagsHelp('nereid');
  }
  return (await commands.get(topic)?.help([])) ?? HELP;
}

function explain(name: string, thrown: unknown): number {
  const isUsage =
    thrown instanceof UsageError ||
    (thrown instanceof TypeError &&
      'code' in thrown &&
      /^ERR_PARSE_ARGS/.test(String(thrown.code)));
  if (isUsage) {
    stderr.write(`${thrown.message}\n\`nereid help ${name}\` says more.\n`);
    return 2;
  }
  stderr.write(`nereid ${name}: ${ServeError.from(thrown).message.trim()}\n`);
  return 1;
}
