// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadBinding } from '../addon/binding.ts';
import { endsWithin } from '../base/abort.ts';
import { Log } from '../base/log.ts';
import { internal, invalidArgument, ServeError } from '../base/status.ts';
import { flagsHelp } from '../config/flags-page.ts';
import { type Program, parseOptions } from '../config/options.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { httpTlsFiles, usesTls } from '../config/tls-files.ts';
import { tritonName } from '../lifecycle/load-failure.ts';
import { type Addresses, Server, type Service } from '../server/server.ts';
import { firstSignal, onHangUp } from '../server/signals.ts';
import { askYesNo, canAsk, stderr, stdout } from './terminal.ts';
import { modelTable, startLine, welcome } from './welcome.ts';

/** The server's name for a port, as the lines that tools wait for spell it. */
const SERVICE_NAMES: Record<Service, string> = {
  grpc: 'GRPCInferenceService',
  http: 'HTTPService',
  metrics: 'Metrics Service',
  sagemaker: 'Sagemaker HTTPService',
  'vertex-ai': 'Vertex AI HTTPService',
  management: 'Management Service',
};

/**
 * Runs the server until a signal ends it.
 * @returns exit code: 0 after a clean stop, 1 when the start or the stop failed
 */
export async function serve(program: Program, argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(program, argv, process.env);
  if (parsed.kind === 'help') {
    stdout.write(serveHelp(program));
    return 0;
  }
  for (const warning of parsed.warnings) stderr.write(`${warning}\n`);
  if (parsed.kind === 'error') {
    if (program === 'tritonserver' && parsed.usage) stderr.write(`${serveHelp(program)}\n`);
    stderr.write(`${parsed.usage ? '' : 'error: '}${parsed.message}\n`);
    if (program === 'nereid') stderr.write('`nereid serve --help` lists the flags.\n');
    return 1;
  }
  const { notes } = parsed;
  const options = withRepository(program, parsed.options);
  if (options.modelRepositories.length === 0) {
    return failure(program, invalidArgument('--model-repository must be specified'));
  }
  const log = new Log({
    error: options.logError,
    warning: options.logWarning,
    info: options.logInfo,
    verboseLevel: options.logVerbose,
    format: options.logFormat,
    file: options.logFile,
    escape: options.logEscape,
  });
  for (const note of notes) log.info(note);
  try {
    return await run(options, log);
  } catch (thrown) {
    return failure(program, ServeError.from(thrown));
  }
}

/** `nereid serve` alone serves `model_repository` of the current folder, else the examples of the package. */
export function withRepository(program: Program, options: ServerOptions): ServerOptions {
  if (program === 'tritonserver' || options.modelRepositories.length > 0) return options;
  const examples = fileURLToPath(new URL('../../model_repository', import.meta.url));
  const found = ['model_repository', examples].find((folder) => existsSync(folder));
  return found === undefined ? options : { ...options, modelRepositories: [found] };
}

export function serveHelp(program: Program): string {
  const head =
    program === 'tritonserver'
      ? 'Usage: tritonserver [options]\n'
      : [
          'Usage: nereid serve [--model-repository=FOLDER] [options]',
          '',
          'Serves the models of a folder over HTTP and gRPC (KServe v2), on this machine only unless --http-address',
          'and --grpc-address say otherwise. Ctrl-C stops it once requests in flight are answered.',
          'Without a folder: model_repository here, else the example models of the package.',
          '',
          'Examples:',
          '  nereid serve --model-repository=model_repository',
          '  nereid serve --model-repository=models --model-control-mode=explicit --load-model=digits',
          '  nereid serve --model-repository=models --http-address=0.0.0.0 --http-port=8080',
          '',
        ].join('\n');
  return `${head}\n${flagsHelp(program)}`;
}

/** What is cancelled when the time to exit is over has as long to be answered. */
const CANCELLING_MS = 1000;

async function run(options: ServerOptions, log: Log): Promise<number> {
  // From here on a signal means an orderly stop, also while models load.
  const signalled = firstSignal();
  const binding = loadBinding();
  const server = new Server({
    binding,
    options,
    log,
    ...(canAsk() ? { ask: askYesNo } : {}),
  });
  const timeoutMs = options.exitTimeoutSecs * 1000;
  let isStarted = false;
  try {
    const started = start(server, log).finally(() => {
      isStarted = true;
    });
    const problem = await Promise.race([started, signalled.then(() => undefined)]);
    if (problem !== undefined) {
      await server.close(0);
      return failure(options.program, problem);
    }
    // A start that a signal overtook ends by itself, or with the process.
    started.catch(() => undefined);
  } catch (thrown) {
    await server.close(0);
    throw thrown;
  }
  const number = await signalled;
  log.info(`Signal (${number}) received.`);
  if (isStarted && options.drainDelaySecs > 0) {
    await server.lifecycle.leave();
    log.info(`Not ready; serving on for ${options.drainDelaySecs} s.`);
    await sleep(options.drainDelaySecs * 1000);
  }
  log.info('Waiting for in-flight requests to complete.');
  const closing = server.close(timeoutMs);
  if ((await endsWithin(closing, timeoutMs + CANCELLING_MS)) && (await closing)) return 0;
  stderr.write('failed to stop server: Internal - Exit timeout expired. Exiting immediately.\n');
  // Node would join its threads first: one that warms a model up, or waits for a file system that hangs.
  return binding.exitAtOnce(1);
}

/** @returns why the server must not run, or undefined when it does */
async function start(server: Server, log: Log): Promise<ServeError | undefined> {
  const { options } = server;
  const { modelControlMode: mode, loadModels } = options;
  const isAll = mode === 'none' || mode === 'poll' || loadModels[0] === '*';
  const failures = await server.start(isAll ? '*' : loadModels);
  if (options.program === 'tritonserver') log.block(modelTable(server.lifecycle.knownRows()));
  if (failures.length > 0 && options.exitOnError) {
    return internal('failed to load all models');
  }
  // A signal came while models loaded: no port opens any more.
  if (server.isClosing) return undefined;
  const addresses = server.listen();
  if (usesTls(options)) onHangUp(() => void server.renewCertificates());
  announce(addresses, log);
  if (options.program === 'nereid') {
    const scheme = httpTlsFiles(options) === undefined ? 'http' : 'https';
    const served = server.lifecycle.allServed();
    stdout.write(welcome(addresses, served, failures, stdout, scheme));
  }
  return undefined;
}

// The metrics line comes last, as Triton's does: with it everything is open.
function announce(addresses: Addresses, log: Log): void {
  for (const service of [
    'grpc',
    'http',
    'sagemaker',
    'vertex-ai',
    'management',
    'metrics',
  ] as const) {
    const at = addresses[service];
    if (at !== undefined) log.info(startLine(SERVICE_NAMES[service], at));
  }
}

function failure(program: Program, error: ServeError): number {
  stderr.write(
    program === 'tritonserver'
      ? `error: creating server: ${tritonName(error.code)} - ${error.message}\n`
      : `nereid serve: ${error.message}\n`,
  );
  return 1;
}
