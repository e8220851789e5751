// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Writes the status tables of both languages and docs/errors.md from protos/status.json.
 * `--check` writes nothing and fails when a file is not what would be written.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface StatusRow {
  readonly name: string;
  readonly grpc: number;
  readonly wire: string;
  readonly http: number;
  readonly when: string;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const spdx = ['SPDX-FileCopyrightText: The Nereid authors', 'SPDX-License-Identifier: Apache-2.0'];
const generated = 'Written by scripts/gen-status.ts from protos/status.json. Do not edit.';

function readRows(): readonly StatusRow[] {
  const { codes } = JSON.parse(readFileSync(join(root, 'protos/status.json'), 'utf8')) as {
    codes: StatusRow[];
  };
  return codes;
}

export function cppTable(rows: readonly StatusRow[]): string {
  const cases = (line: (row: StatusRow) => string) =>
    rows.map((row) => `    case StatusCode::k${row.name}:\n      return ${line(row)};`).join('\n');
  return `${spdx.map((line) => `// ${line}`).join('\n')}

// ${generated}

#pragma once

#include <cstdint>
#include <string_view>

namespace serving::base {

// Canonical gRPC numbers.
enum class StatusCode : uint8_t {
${rows.map((row) => `  k${row.name} = ${row.grpc},`).join('\n')}
};

// The HTTP status that carries this code.
constexpr int HttpStatus(StatusCode code) {
  switch (code) {
${cases((row) => String(row.http))}
  }
  return 500;
}

// The code as gRPC spells it: INVALID_ARGUMENT.
constexpr std::string_view Name(StatusCode code) {
  switch (code) {
${cases((row) => `"${row.wire}"`)}
  }
  return "UNKNOWN";
}

// The code of a number from the wire or from JavaScript; kUnknown for numbers outside the table.
constexpr StatusCode StatusCodeFromNumber(int number) {
  switch (number) {
${rows.map((row) => `    case ${row.grpc}:\n      return StatusCode::k${row.name};`).join('\n')}
    default:
      return StatusCode::kUnknown;
  }
}

}  // namespace serving::base
`;
}

export function tsTable(rows: readonly StatusRow[]): string {
  const row = (r: StatusRow) =>
    `  ${r.name}: { grpc: ${r.grpc}, wire: '${r.wire}', http: ${r.http} },`;
  return `${spdx.map((line) => `// ${line}`).join('\n')}

// ${generated}

/** Every status by name: its gRPC number, its name on the wire and the HTTP status that carries it. */
export const STATUS_TABLE = {
${rows.map(row).join('\n')}
} as const;

export type StatusCode = keyof typeof STATUS_TABLE;
`;
}

export function errorsPage(rows: readonly StatusRow[]): string {
  const cells = rows.map(
    (row) => `| ${row.name} | ${row.grpc} ${row.wire} | ${row.http} | ${row.when} |`,
  );
  return `<!-- ${spdx.join('\n     ')} -->
<!-- ${generated} -->

# Errors

Every answer that is not a success carries one code and one sentence. Over HTTP the body is \`{"error":"…"}\`; over gRPC
the sentence is the status message. The sentence names the thing, what was expected and what came; where Triton has a
sentence for the case, it is Triton's.

| code | gRPC | HTTP | when |
| --- | --- | --- | --- |
${cells.join('\n')}

A client may retry \`Unavailable\` and \`ResourceExhausted\`; with \`ResourceExhausted\` the \`Retry-After\` header says when.
The same request will fail again with \`InvalidArgument\`, \`NotFound\`, \`Unimplemented\` and \`PermissionDenied\`.

In the library (\`import { createServer } from 'nereid-server'\`) the same statuses arrive as \`ServeError\` with the code's name in
\`code\` and the reason, where there is one, in \`cause\`.
`;
}

export function statusFiles(): ReadonlyMap<string, string> {
  const rows = readRows();
  return new Map([
    ['native/base/status_table.gen.h', cppTable(rows)],
    ['src/base/status-table.gen.ts', tsTable(rows)],
    ['docs/errors.md', errorsPage(rows)],
  ]);
}

/** The generated files that differ from what protos/status.json asks for. */
export function staleStatusFiles(): readonly string[] {
  return [...statusFiles()]
    .filter(([path, text]) => {
      const file = join(root, path);
      return !existsSync(file) || readFileSync(file, 'utf8') !== text;
    })
    .map(([path]) => path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const stale = staleStatusFiles();
    for (const path of stale)
      console.error(
        `${path} is not what protos/status.json gives: run node scripts/gen-status.ts.`,
      );
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    for (const [path, text] of statusFiles()) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
}
