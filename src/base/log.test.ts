// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultLogSettings, Log } from './log.ts';

function logged(settings = {}) {
  const lines: string[] = [];
  const now = () => new Date(Date.UTC(2024, 10, 2, 8, 5, 3, 47));
  return {
    log: new Log({ ...defaultLogSettings, ...settings }, (line) => lines.push(line), now),
    lines,
  };
}

describe('Log', () => {
  it("writes Triton's layout with the caller's file and line", () => {
    const { log, lines } = logged();
    log.info('Started HTTPService at 127.0.0.1:8000');
    assert.match(
      lines.join(''),
      new RegExp(
        String.raw`^I1102 08:05:03\.047000 ${process.pid} log\.test\.ts:\d+\] "Started HTTPService at 127\.0\.0\.1:8000"\n$`,
      ),
    );
  });

  it('writes the ISO layout', () => {
    const { log, lines } = logged({ format: 'ISO8601' });
    log.error('x');
    assert.match(lines.join(''), /^2024-11-02T08:05:03Z E \d+ log\.test\.ts:\d+\] "x"\n$/);
  });

  it('keeps a line break of a client inside its line', () => {
    const { log, lines } = logged();
    log.warning('name "a\nE1102 forged"');
    assert.equal(lines.join('').split('\n').length, 2);
    assert.match(lines.join(''), /name \\"a\\nE1102 forged\\"/);
  });

  it('writes only what the settings allow, changed while running', () => {
    const { log, lines } = logged({ info: false, verboseLevel: 1 });
    log.info('a');
    log.verbose(1, 'b');
    log.verbose(2, 'c');
    log.update({ verboseLevel: 2, info: true });
    log.verbose(2, 'd');
    log.info('e');
    assert.deepEqual(
      lines.map((line) => line.slice(-4, -2)),
      ['"b', '"d', '"e'],
    );
  });
});
