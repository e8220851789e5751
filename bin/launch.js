// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Runs src/main.ts in a clone (never a dist/ that an older build left there) and dist/main.js in the package.
 * @param {'nereid' | 'tritonserver'} name chooses the set of defaults
 */
export async function launch(name) {
  const source = new URL('../src/main.ts', import.meta.url);
  const isClone = existsSync(source);
  if (isClone && !stripsTypes()) {
    const fetched = fetchedNode();
    const remedy = fetched
      ? `${fetched} bin/${name} … runs it`
      : "'npm start' brings its own and serves model_repository/";
    console.error(
      `${name}: this clone runs on Node 22.18 or newer, and this is Node ${process.versions.node}: ${remedy}.`,
    );
    process.exit(1);
  }
  // Stripping the types of some hundred files takes half a second; the cache makes it a tenth. dist/ needs none.
  if (isClone)
    module.enableCompileCache?.(
      fileURLToPath(new URL('../.nereid/compile-cache', import.meta.url)),
    );
  // ONNX Runtime would report its use to its vendor. Set here, before any thread of the server reads the environment.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  const compiled = new URL('../dist/main.js', import.meta.url);
  const { main } = await import((isClone ? source : compiled).href);
  // The server has drained when main returns; whatever is still open must not keep the process.
  process.exit(await main(name, process.argv.slice(2)));
}

function stripsTypes() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** The Node that the set-up of the clone found or fetched; undefined before its first run. */
function fetchedNode() {
  try {
    const env = readFileSync(new URL('../.nereid/env', import.meta.url), 'utf8');
    return /^NODE24='([^']*)'/m.exec(env)?.[1];
  } catch {
    return undefined;
  }
}
