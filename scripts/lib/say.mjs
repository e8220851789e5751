// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

const isTerminal = process.stderr.isTTY === true;

/** Prints one line for the user, on standard error: standard output belongs to the program that follows. */
export function say(text) {
  process.stderr.write(`nereid: ${text}\n`);
}

/** Runs one step and says what it does and how long it took; on a terminal in one line that shows progress. */
export async function sayStep(label, work) {
  const startedMs = Date.now();
  const seconds = () => `${((Date.now() - startedMs) / 1000).toFixed(0)} s`;
  if (!isTerminal) {
    say(`${label} …`);
    const result = await work(() => undefined);
    say(`${label}: done in ${seconds()}`);
    return result;
  }
  let detail = '';
  const draw = () => process.stderr.write(`\r\x1b[Knereid: ${label} … ${seconds()} ${detail}`);
  const timer = setInterval(draw, 1000);
  draw();
  try {
    return await work((text) => {
      detail = text.slice(0, 60);
      draw();
    });
  } finally {
    clearInterval(timer);
    process.stderr.write(`\r\x1b[Knereid: ${label}: ${seconds()}\n`);
  }
}
