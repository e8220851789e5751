// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Generated pages and tables are what their sources give, and every relative link of every page leads somewhere.
 * `--write` writes the generated files.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flagsPage } from '../src/config/flags-page.ts';
import { statusFiles } from './gen-status.ts';
import { trackedFiles } from './tracked-files.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([...statusFiles(), ['docs/flags.md', flagsPage()]]);
}

function staleFiles(): readonly string[] {
  return [...generatedFiles()]
    .filter(([path, text]) => {
      const file = join(root, path);
      return !existsSync(file) || readFileSync(file, 'utf8') !== text;
    })
    .map(([path]) => `${path} is not what its source gives: run npm run docs:check -- --write`);
}

/** Relative links of one page that lead nowhere. */
export function brokenLinks(
  page: string,
  text: string,
  exists: (path: string) => boolean,
): readonly string[] {
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^([a-z]+:|#)/.test(target))
    .filter((target) => !exists(join(dirname(page), decodeURI(target.replace(/#.*$/, '')))))
    .map((target) => `${page}: the link to ${target} leads nowhere`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) {
    for (const [path, text] of generatedFiles()) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
  const pages = trackedFiles(root).filter((file) => file.endsWith('.md'));
  const complaints = [
    ...staleFiles(),
    ...pages.flatMap((page) =>
      brokenLinks(page, readFileSync(join(root, page), 'utf8'), (path) =>
        existsSync(join(root, path)),
      ),
    ),
  ];
  for (const complaint of complaints) console.error(complaint);
  console.log(`docs:check: ${pages.length} pages, ${complaints.length} complaints`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
