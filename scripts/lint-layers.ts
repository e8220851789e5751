// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Who may know whom: reads the imports of both languages and forbids every arrow that scripts/layers.json does not
 * have. A room may use the rooms of earlier groups, or only those that `narrow` names; rooms of one group are siblings
 * and do not use each other. `private` folders and `headers` belong to the rooms listed. A room that is in no group is an
 * error, and so is finding no file: a lint that reads nothing must not pass.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Layers {
  readonly folder: string;
  readonly groups: readonly (readonly string[])[];
  readonly narrow?: Readonly<Record<string, readonly string[]>>;
  readonly private?: Readonly<Record<string, readonly string[]>>;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
}

export interface LayerTables {
  readonly native: Layers;
  readonly typescript: Layers;
}

export interface LayerReport {
  readonly files: number;
  readonly complaints: readonly string[];
}

interface Import {
  readonly file: string;
  readonly line: number;
  /** path in the language's folder for our own files, the name as written for others */
  readonly target: string;
  readonly isOurs: boolean;
}

export function lintLayers(root: string, tables: LayerTables): LayerReport {
  const native = lintLanguage(root, tables.native, /\.(h|cc|cu)$/, readIncludes);
  const typescript = lintLanguage(root, tables.typescript, /\.ts$/, readImports);
  return {
    files: native.files + typescript.files,
    complaints: [...native.complaints, ...typescript.complaints],
  };
}

function lintLanguage(
  root: string,
  layers: Layers,
  extension: RegExp,
  read: (folder: string, file: string) => readonly Import[],
): LayerReport {
  const folder = join(root, layers.folder);
  const files = listFiles(folder).filter(
    (file) => extension.test(file) && !file.startsWith('third_party/'),
  );
  if (files.length === 0) {
    return { files: 0, complaints: [`${layers.folder}: no file was found to check`] };
  }
  const complaints = files.flatMap((file) => [
    ...unknownRoom(file, layers),
    ...read(folder, file).flatMap((one) => judge(one, layers)),
  ]);
  return { files: files.length, complaints };
}

function unknownRoom(file: string, layers: Layers): readonly string[] {
  if (layers.groups.flat().includes(roomOf(file))) return [];
  return [`${layers.folder}/${file}: room '${roomOf(file)}' is in no group of scripts/layers.json`];
}

function judge(one: Import, layers: Layers): readonly string[] {
  const from = roomOf(one.file);
  const where = `${layers.folder}/${one.file}:${one.line}`;
  if (!one.isOurs) {
    return Object.entries(layers.headers ?? {})
      .filter(
        ([pattern, rooms]) =>
          new RegExp(`^(${pattern})$`).test(one.target) && !rooms.includes(from),
      )
      .map(([, rooms]) => `${where}: <${one.target}> belongs to ${rooms.join(', ')}`);
  }
  const owner = Object.entries(layers.private ?? {}).find(([path]) =>
    one.target.startsWith(`${path}/`),
  );
  if (owner !== undefined) {
    const [path, rooms] = owner;
    if (one.file.startsWith(`${path}/`) || rooms.includes(from) || isTest(one.file)) return [];
    return [`${where}: ${path} is known to ${rooms.join(', ')} only`];
  }
  const to = roomOf(one.target);
  if (to === from || allowedFor(from, layers).includes(to)) return [];
  // Tests are wired by the composition root of the tests.
  if (isTest(one.file) && to === 'testing') return [];
  return [`${where}: ${from} may not use ${to} (${one.target})`];
}

function allowedFor(room: string, layers: Layers): readonly string[] {
  const narrow = layers.narrow?.[room];
  if (narrow !== undefined) return narrow;
  const group = layers.groups.findIndex((rooms) => rooms.includes(room));
  return layers.groups.slice(0, Math.max(group, 0)).flat();
}

/** The folder right below native/ or src/; a file that lies there itself is a room of its own (`main`, `index`). */
function roomOf(path: string): string {
  const [first = ''] = path.split('/');
  return first.replace(/(\.test)?\.(ts|js)$/, '');
}

function isTest(file: string): boolean {
  return /(_test\.cc|\.test\.ts)$/.test(file);
}

function readIncludes(folder: string, file: string): readonly Import[] {
  return matches(folder, file, /^\s*#\s*include\s*(["<])([^">]+)[">]/gm).map(
    ({ groups, line }) => ({
      file,
      line,
      target: groups[1] ?? '',
      isOurs: groups[0] === '"' && existsSync(join(folder, groups[1] ?? '')),
    }),
  );
}

function readImports(folder: string, file: string): readonly Import[] {
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)(['"])([^'"]+)\1/g;
  return matches(folder, file, pattern).map(({ groups, line }) => {
    const name = groups[1] ?? '';
    const isOurs = name.startsWith('.');
    const target = isOurs ? relative(folder, join(folder, dirname(file), name)) : name;
    return { file, line, target, isOurs: isOurs && !target.startsWith('..') };
  });
}

function matches(folder: string, file: string, pattern: RegExp) {
  const text = readFileSync(join(folder, file), 'utf8');
  return [...text.matchAll(pattern)].map((match) => ({
    groups: match.slice(1),
    line: text.slice(0, match.index).split('\n').length,
  }));
}

function listFiles(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

export function readTables(root: string): LayerTables {
  return JSON.parse(readFileSync(join(root, 'scripts/layers.json'), 'utf8')) as LayerTables;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const { files, complaints } = lintLayers(root, readTables(root));
  for (const complaint of complaints) console.error(complaint);
  console.log(`lint:layers: ${files} files, ${complaints.length} complaints`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
