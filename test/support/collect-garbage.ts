// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Preloaded by servers whose native heap is measured (native-heap.ts): a signal collects the garbage of JavaScript, which
// holds native memory until then.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
let collections = 0;
process.on('SIGUSR2', () => {
  // What was found dead by the first is freed, finalizers included, before the second.
  collect();
  setImmediate(() => {
    collect();
    collections += 1;
    process.stderr.write(`collected ${collections} times\n`);
  });
});
