// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { parseArgs } from 'node:util';
import { Client, DEFAULT_URL } from './client.ts';
import { columns, type Output, stdout, styled } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** A load may build a large model. */
const LOAD_TIMEOUT_MS = 1_800_000;

export const MODELS_HELP = `Usage: nereid models [--url=URL] [--json]
       nereid models load NAME [--url=URL]
       nereid models unload NAME [--url=URL]

Lists the models of a running server and their states, or changes them. Changing needs a server that was started with
--model-control-mode=explicit.

  --url=URL   the server's HTTP address; default ${DEFAULT_URL}
  --json      print the server's answer as it is

Examples:
  nereid models
  nereid models load digits
`;

interface IndexEntry {
  readonly name: string;
  readonly version?: string;
  readonly state?: string;
  readonly reason?: string;
}

/** @returns exit code */
export async function runModels(argv: readonly string[], out: Output = stdout): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { url: { type: 'string', default: DEFAULT_URL }, json: { type: 'boolean' } },
  });
  const client = new Client(values.url, LOAD_TIMEOUT_MS);
  const [verb, name, extra] = positionals;
  if (verb === undefined) {
    const text = await client.post('/v2/repository/index');
    out.write(values.json === true ? `${text}\n` : table(JSON.parse(text) as IndexEntry[], out));
    return 0;
  }
  if ((verb !== 'load' && verb !== 'unload') || name === undefined || extra !== undefined) {
    throw new UsageError('nereid models: expected nothing, `load NAME` or `unload NAME`', 'models');
  }
  await client.post(`/v2/repository/models/${encodeURIComponent(name)}/${verb}`);
  out.write(`${name}: ${verb}ed\n`);
  return 0;
}

function table(entries: readonly IndexEntry[], out: Output): string {
  if (entries.length === 0) return 'The repository holds no model.\n';
  const rows = entries.map(({ name, version, state, reason }) => [
    name,
    version ?? '-',
    state ?? 'not loaded',
    (reason ?? '').trim().replace(/\s*\n\s*/g, ' '),
  ]);
  const [head = '', ...lines] = columns([['model', 'version', 'state', ''], ...rows]);
  return `${[styled(out, 'dim', head), ...lines].join('\n')}\n`;
}
