// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, knownCause } from './failure.mjs';
import { root, stateFolder } from './paths.mjs';

const running = new Set();

/** Ends the tools that are running, for a set-up that is told to stop. */
export function stopTools() {
  // Each tool leads a process group of its own, so that its compilers and downloads end with it.
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // it ended by itself
    }
  }
}

/**
 * Runs one tool; its output goes to `.nereid/log/<step>.log` and comes back as text.
 * @param step names the log
 * @param what completes "… failed", for the user
 * @param options onLine sees every line as it comes; sentenceIn finds the tool's own sentence for the user; logFolder replaces the log's folder
 * @throws Failure with a known cause, or with the last lines
 */
export async function runTool(step, what, command, args, options = {}) {
  const folder = options.logFolder ?? join(stateFolder, 'log');
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, `${step}.log`);
  const log = createWriteStream(logFile, { flags: 'w' });
  // A full disk must not end the set-up through its log; the tool meets the same disk and says so.
  log.on('error', () => undefined);
  log.write(`$ ${command} ${args.join(' ')}\n`);
  const { code, output } = await collect(command, args, options, log);
  await new Promise((resolve) => log.end(resolve));
  if (code === 0) return output;
  const sentence = options.sentenceIn?.exec(output)?.[1];
  if (sentence !== undefined) throw new Failure(sentence);
  const cause = knownCause(output);
  if (cause !== undefined) throw new Failure(`${what} failed: ${cause}.`);
  const tail = output.trimEnd().split('\n').slice(-25).join('\n');
  throw new Failure(`${tail}\n${what} failed; the lines above are the end of ${logFile}.`);
}

function collect(command, args, options, log) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(child);
    let output = '';
    let rest = '';
    const take = (bytes) => {
      const text = bytes.toString();
      log.write(text);
      output = (output + text).slice(-200_000);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => {
      running.delete(child);
      const text =
        error.code === 'ENOENT' ? `${command} was not found.` : `${command}: ${error.message}`;
      reject(new Failure(text));
    });
    child.on('close', (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
}

/** Standard output of a tool that answers in no time; undefined when it is missing or fails. */
export function ask(command, args, input) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout : undefined;
}
