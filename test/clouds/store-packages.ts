// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/nereid.ts';

/** A folder for NODE_PATH in which the packages of this clone are installed, as their sources are. */
export class StorePackages implements Disposable {
  readonly path: string;

  constructor(...names: readonly string[]) {
    this.path = mkdtempSync(join(tmpdir(), 'nereid-packages-'));
    for (const name of names) {
      const folder = join(this.path, name);
      mkdirSync(folder);
      const about = { name, type: 'module', exports: './index.js' };
      writeFileSync(join(folder, 'package.json'), JSON.stringify(about));
      const source = pathToFileURL(join(projectRoot, 'packages', name, 'src/index.ts'));
      writeFileSync(join(folder, 'index.js'), `export * from '${source.href}';\n`);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
