// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

/** A case of h2spec as its JUnit report names it: `http2/3.5 Sends invalid connection preface`. */
type CaseName = string;

interface Report {
  readonly passed: number;
  readonly failed: readonly CaseName[];
  readonly skipped: number;
}

/** Cases that h2spec has in the version that test/tools/h2spec pins. */
const CASES = 145;

/**
 * Cases that may fail, and must, each with the reason that docs/http2.md gives. Only where h2spec expects a DATA frame
 * and a gRPC refusal is rightly of trailers only.
 */
const KNOWN_FAILURES: readonly CaseName[] = [];

const hasGo = spawnSync('go', ['version']).status === 0;
const skip =
  hasGo || process.env['CI'] !== undefined ? false : 'needs Go 1.19 or newer to build h2spec';

function readReport(xml: string): Report {
  const failed: CaseName[] = [];
  let passed = 0;
  let skipped = 0;
  for (const [, attributes = '', selfClosed, body = ''] of xml.matchAll(
    /<testcase ([^>]*?)(\/)?>(?:([\s\S]*?)<\/testcase>)?/g,
  )) {
    const section = /package="([^"]*)"/.exec(attributes)?.[1] ?? '';
    const name = /classname="([^"]*)"/.exec(attributes)?.[1] ?? '';
    if (selfClosed === undefined && /<(failure|error)/.test(body))
      failed.push(`${section} ${name}`);
    else if (selfClosed === undefined && /<skipped/.test(body)) skipped += 1;
    else passed += 1;
  }
  return { passed, failed, skipped };
}

describe('h2spec', { skip }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'nereid-h2spec-'));
  const program = join(scratch, 'h2spec');
  const repository = new TempRepository();

  before(async () => {
    await repository.addIdentity('m');
    execFileSync('go', ['build', '-o', program, 'github.com/summerwind/h2spec/cmd/h2spec'], {
      cwd: join(projectRoot, 'test/tools/h2spec'),
      env: { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  });

  after(() => {
    rmSync(scratch, { recursive: true, force: true });
    repository[Symbol.dispose]();
  });

  const run = async (address: string, path: string): Promise<Report> => {
    const [host = '', port = ''] = address.split(':');
    const file = join(scratch, 'report.xml');
    const child = spawn(program, ['-h', host, '-p', port, '-P', path, '-o', '5', '-j', file], {
      stdio: 'ignore',
    });
    await once(child, 'exit');
    return readReport(readFileSync(file, 'utf8'));
  };

  const ports = [
    { executable: 'nereid', port: 'http' },
    { executable: 'nereid', port: 'grpc' },
    { executable: 'tritonserver', port: 'grpc' },
  ] as const;
  for (const { executable, port } of ports) {
    it(`passes on the ${port} port of ${executable}`, async () => {
      await using server = await startNereid({
        executable,
        args: [`--model-repository=${repository.path}`],
      });
      // A path that is answered at once, and one that is not there.
      for (const path of ['/v2/health/live', '/']) {
        const { passed, failed, skipped } = await run(server.endpoints[port], path);
        assert.deepEqual(failed, KNOWN_FAILURES, `path ${path}`);
        assert.equal(passed + failed.length + skipped, CASES);
        assert.equal(skipped, 0);
      }
    });
  }
});
