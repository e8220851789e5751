// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadBinding } from '../addon/binding.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { Log } from '../base/log.ts';
import { ServeError, unavailable } from '../base/status.ts';
import type { JsonOverride } from '../check/config-text.ts';
import { countFindings, jsonReport, type Paint, textReport } from '../check/report.ts';
import { checkRepositories } from '../check/repository-check.ts';
import type { CheckTools } from '../check/version-check.ts';
import { configSchema } from '../config/json-schema.ts';
import { parseOptions } from '../config/options.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { Semaphore } from '../lifecycle/exclusive.ts';
import { isCloudPath } from '../repository/cloud/cloud-path.ts';
import { Server } from '../server/server.ts';
import { Sources } from '../server/sources.ts';
import { type Output, stdout, styled } from './terminal.ts';
import { UsageError } from './usage-error.ts';

export const CHECK_HELP = `Usage: nereid check REPOSITORY … [--format=text|json] [--strict]
       nereid check --schema

Reads every model of one or more repositories as the server would, serves nothing, and tells everything that is wrong at
once: with file, line and column, what the configuration and the model file say, and the lines to write instead.
REPOSITORY is a folder, or s3://…, gs://… or as://… with the package of its store, as the server takes it.

  error     the server would not serve the model
  warning   it would, but something is not as it is written: a field without effect, a folder that is passed over

  --format=json                    one JSON object for scripts; docs/check.md describes it
  --strict                         exit code 1 for warnings too
  --model-config-name=NAME         check for a server that has this flag: configs/NAME.pbtxt counts where a model has it
  --model-namespacing              the same: two repositories may hold models of one name
  --disable-auto-complete-config   the same: model files are not read
  --rate-limit=MODE, --rate-limit-resource=NAME:COUNT[:DEVICE], --backend-config=NAME,KEY=VALUE
                                   the same
  --override=MODEL=FILE            check MODEL with the configuration of FILE instead of its own: JSON, as the 'config'
                                   parameter of a load has it
  --no-build                       do not build the models, which takes the time and memory of a load each
  --onnxruntime-library=PATH       the ONNX Runtime that reads .onnx files; without one they are not read
  --schema                         print the JSON schema of configurations in JSON, for editors

Exit code 0: nothing wrong. 1: something is. 2: these words are wrong.

Example: a field that is not spelt as it should be
  $ nereid check models
  models/digits/config.pbtxt:2:1: error: max_batchsize: Message type "inference.ModelConfig" has no field named "max_batchsize"; did you mean "max_batch_size"? [unknown-field]
      2 | max_batchsize: 16
        | ^^^^^^^^^^^^^
      = | write instead of line 2
      + | max_batch_size: 16
  checked 4 models in 1 repository: 1 error, 0 warnings
`;

const FORMATS = ['text', 'json'];

/** @returns exit code: 1 when something is wrong */
export async function runCheck(argv: readonly string[], out: Output = stdout): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      format: { type: 'string', default: 'text' },
      strict: { type: 'boolean', default: false },
      schema: { type: 'boolean', default: false },
      'model-config-name': { type: 'string', default: '' },
      'model-namespacing': { type: 'boolean', default: false },
      'disable-auto-complete-config': { type: 'boolean', default: false },
      'rate-limit': { type: 'string', default: 'off' },
      'rate-limit-resource': { type: 'string', multiple: true, default: [] },
      'backend-config': { type: 'string', multiple: true, default: [] },
      override: { type: 'string', multiple: true, default: [] },
      'no-build': { type: 'boolean', default: false },
      'onnxruntime-library': { type: 'string' },
    },
  });
  if (values.schema) {
    if (positionals.length > 0)
      throw new UsageError('nereid check: expected --schema alone', 'check');
    out.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return 0;
  }
  if (positionals.length === 0)
    throw new UsageError('nereid check: expected a repository', 'check');
  if (!FORMATS.includes(values.format))
    throw new UsageError(
      `nereid check: expected --format=text or --format=json, got '${values.format}'`,
      'check',
    );
  const options = serverOptions([
    `--rate-limit=${values['rate-limit']}`,
    ...values['rate-limit-resource'].map((text) => `--rate-limit-resource=${text}`),
    ...values['backend-config'].map((text) => `--backend-config=${text}`),
    ...(values['onnxruntime-library'] === undefined
      ? []
      : [`--onnxruntime-library=${values['onnxruntime-library']}`]),
    ...(values['disable-auto-complete-config'] ? ['--disable-auto-complete-config'] : []),
  ]);
  await using opened = openTools(options, !values['no-build']);
  const configName = values['model-config-name'];
  const clouds = positionals.filter(isCloudPath);
  await using sources = openSources(clouds, configName);
  const report = await checkRepositories(positionals, opened, {
    configName,
    sources: new Map(sources.all.map((source, index) => [clouds[index] ?? '', source])),
    namespaces: values['model-namespacing'],
    rateLimits: options,
    overrides: readOverrides(values.override),
  });
  const paint: Paint = (style, text) => styled(out, style, text);
  out.write(values.format === 'json' ? jsonReport(report) : textReport(report, paint));
  const { errors, warnings } = countFindings(report);
  return errors > 0 || (values.strict && warnings > 0) ? 1 : 0;
}

function openSources(modelRepositories: readonly string[], modelConfigName: string): Sources {
  try {
    return new Sources({ modelRepositories, modelConfigName });
  } catch (thrown) {
    throw new UsageError(`nereid check: ${ServeError.from(thrown).message}`, 'check');
  }
}

/** @param words `MODEL=FILE` each */
function readOverrides(words: readonly string[]): Map<string, JsonOverride> {
  const result = new Map<string, JsonOverride>();
  for (const word of words) {
    const at = word.indexOf('=');
    const [name, file] = [word.slice(0, at), word.slice(at + 1)];
    if (at < 1 || file === '')
      throw new UsageError(`nereid check: expected --override=MODEL=FILE, got '${word}'`, 'check');
    try {
      result.set(name, { text: readFileSync(file, 'utf8'), file });
    } catch (thrown) {
      throw new UsageError(`nereid check: ${ServeError.from(thrown).message}`, 'check');
    }
  }
  return result;
}

/** What a server with these flags would be told. */
function serverOptions(argv: readonly string[]): ServerOptions {
  const parsed = parseOptions('nereid', argv);
  if (parsed.kind === 'options') return parsed.options;
  const message = parsed.kind === 'error' ? parsed.message : '';
  throw new UsageError(`nereid check: ${message.split('\n').join(' ')}`, 'check');
}

type OpenedTools = Pick<CheckTools, 'loader' | 'build'> & AsyncDisposable;

/**
 * Model files are read and models built by the backends themselves: an engine that never listens. Without one the rest
 * is checked.
 */
function openTools(given: ServerOptions, builds: boolean): OpenedTools {
  const options = {
    ...given,
    ioThreads: 1,
    allowMetrics: false,
    setup: 'never' as const,
  };
  try {
    const server = new Server({ binding: loadBinding(), options, log: new Log() });
    return {
      loader: server.loaderOptions,
      ...(builds ? { build: builder(server) } : {}),
      [Symbol.asyncDispose]: async () => {
        await server.close(0);
      },
    };
  } catch (thrown) {
    const reason = unavailable(ServeError.from(thrown).message.trim());
    return {
      loader: {
        engine: { inspect: () => Promise.reject(reason) },
        autoComplete: options.autoCompleteConfig,
        serverDefaults: {},
        maxQueueSize: options.maxQueueSize,
        queueFullStatus: options.queueFullStatus,
        backendConfig: options.backendConfig,
        ensureBackend: () => Promise.resolve(),
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

/** One at a time: a check shall not take more memory than the largest model. */
function builder({ engine, loaderOptions }: Server): (plan: ModelPlan) => Promise<void> {
  const one = new Semaphore(1);
  return (plan) =>
    one.run(async () => {
      await loaderOptions.ensureBackend(plan.backend);
      await engine.unload(await engine.load(plan));
    });
}
