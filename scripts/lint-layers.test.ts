// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lintLayers, readTables } from './lint-layers.ts';

const tables = readTables(join(dirname(fileURLToPath(import.meta.url)), '..'));
const folder = mkdtempSync(join(tmpdir(), 'nereid-layers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = {
  'native/base/status.h': '#pragma once\n',
  'native/engine/engine.h': '#include "base/status.h"\n#include <vector>\n',
  'native/protocol/json.h': '#include "base/status.h"\n',
  'native/frontend/call.h': '#include "engine/engine.h"\n#include "protocol/json.h"\n',
  'native/backend/identity/identity.h': '#include "base/status.h"\n',
  'native/testing/wire.h': '#include "backend/identity/identity.h"\n',
  'native/engine/engine_test.cc': '#include "testing/wire.h"\n#include "engine/engine.h"\n',
  'src/base/status.ts': "import { join } from 'node:path';\n",
  'src/control/models.ts': "import { x } from '../base/status.ts';\n",
  'src/main.ts': "const cli = await import('./cli/cli.ts');\n",
  'src/cli/cli.ts': "import '../base/status.ts';\n",
};

let trees = 0;

/** Lints a small tree: GOOD with some files replaced or added. */
function lint(files: Readonly<Record<string, string>>): readonly string[] {
  trees += 1;
  const root = join(folder, String(trees));
  for (const [path, text] of Object.entries({ ...GOOD, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return lintLayers(root, tables).complaints;
}

describe('lintLayers', () => {
  it('accepts arrows to the left', () => {
    assert.deepEqual(lint({}), []);
  });

  const forbidden: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    [
      'native arrow to the right',
      { 'native/base/log.h': '#pragma once\n#include "engine/engine.h"\n' },
      /native\/base\/log\.h:2: base may not use engine/,
    ],
    [
      'native siblings',
      { 'native/engine/x.h': '#include "protocol/json.h"\n' },
      /engine may not use protocol/,
    ],
    [
      'net beyond base',
      { 'native/tensor/t.h': '', 'native/net/n.h': '#include "tensor/t.h"\n' },
      /net may not use tensor/,
    ],
    [
      'an engine that knows a backend',
      { 'native/engine/x.cc': '#include "backend/identity/identity.h"\n' },
      /backend\/identity is known to testing, addon only/,
    ],
    [
      'Node headers outside the addon',
      { 'native/frontend/x.cc': '#include <napi.h>\n' },
      /<napi\.h> belongs to addon/,
    ],
    [
      'production code that uses the tests',
      { 'native/engine/x.h': '#include "testing/wire.h"\n' },
      /engine may not use testing/,
    ],
    [
      'a TypeScript arrow to the right',
      { 'src/base/x.ts': "export { y } from '../control/models.ts';\n" },
      /src\/base\/x\.ts:1: base may not use control/,
    ],
    [
      'TypeScript siblings',
      { 'src/http/a.ts': '', 'src/grpc/b.ts': "import type { A } from '../http/a.ts';\n" },
      /grpc may not use http/,
    ],
    [
      'a dynamic import to the right',
      { 'src/config/x.ts': "await import('../main.ts');\n" },
      /config may not use main/,
    ],
    ['a room without a group', { 'src/utils/x.ts': '' }, /room 'utils' is in no group/],
  ];
  for (const [name, files, complaint] of forbidden) {
    it(`forbids ${name}`, () => {
      const complaints = lint(files);
      assert.equal(complaints.length, 1, complaints.join('\n'));
      assert.match(complaints[0] ?? '', complaint);
    });
  }

  it('complains when there is nothing to read', () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    assert.equal(lintLayers(empty, tables).complaints.length, 2);
  });

  it('has no cycle in its table', () => {
    for (const { groups, narrow } of [tables.native, tables.typescript]) {
      const order = groups.flat();
      for (const [room, uses] of Object.entries(narrow ?? {})) {
        assert.ok(uses.every((used) => order.indexOf(used) < order.indexOf(room)));
      }
      assert.equal(new Set(order).size, order.length);
    }
  });
});
