// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { port } from './flags/flag.ts';
import type { ServerOptions } from './server-options.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type OptionsDraft = { -readonly [K in keyof ServerOptions]: ServerOptions[K] };

/** What each variable means; docs/flags.md lists them. */
export const environmentHelp: readonly (readonly [name: string, meaning: string])[] = [
  [
    'AIP_MODE',
    'PREDICTION turns the Vertex AI port on and the HTTP and gRPC ports off, unless flags say otherwise',
  ],
  ['AIP_HTTP_PORT', 'the Vertex AI port, unless its flag is given'],
  [
    'AIP_PREDICT_ROUTE, AIP_HEALTH_ROUTE',
    'paths of the Vertex AI port; it does not start without them',
  ],
  ['AIP_STORAGE_URI', 'the model repository when no flag names one'],
  ['SAGEMAKER_TRITON_PING_MODE', 'live or ready (default): what GET /ping asks'],
  ['SAGEMAKER_TRITON_DEFAULT_MODEL_NAME', 'model of POST /invocations'],
  [
    'SAGEMAKER_TRITON_INFERENCE_TYPE',
    'infer (default), generate or generate_stream: what POST /invocations does',
  ],
  [
    'TRITON_CLOUD_CREDENTIAL_PATH',
    'file with the credentials of repositories in clouds ([repository.md](repository.md#repositories-in-a-cloud))',
  ],
  [
    'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_DEFAULT_REGION',
    'S3 without a credential file; what else the AWS SDK reads counts too',
  ],
  ['GOOGLE_APPLICATION_CREDENTIALS', 'key file for GCS without a credential file'],
  [
    'AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY, AZURE_STORAGE_AUTH_TYPE, AZURE_STORAGE_CLIENT_ID',
    'Azure without a credential file; ours: AZURE_STORAGE_CONNECTION_STRING',
  ],
  [
    'TRITON_AWS_MOUNT_DIRECTORY, TRITON_GCS_MOUNT_DIRECTORY, TRITON_AZURE_MOUNT_DIRECTORY',
    'folders for copies of models from S3, GCS and Azure instead of TMPDIR',
  ],
  [
    'TRITON_SERVER_ESCAPE_LOG_MESSAGES',
    '0: log texts are written as they are, without quotes and escapes',
  ],
];

/**
 * What the environment says before any flag does.
 * @throws FlagError when AIP_HTTP_PORT is no port
 */
export function applyEnvironment(draft: OptionsDraft, env: Environment): void {
  if (env['AIP_MODE'] === 'PREDICTION') {
    draft.allowVertexAi = true;
    draft.allowHttp = false;
    draft.allowGrpc = false;
  }
  if (env['AIP_HTTP_PORT'] !== undefined) draft.vertexAiPort = port(env['AIP_HTTP_PORT']);
  draft.vertexAiPredictRoute = env['AIP_PREDICT_ROUTE'] ?? '';
  draft.vertexAiHealthRoute = env['AIP_HEALTH_ROUTE'] ?? '';
  draft.sagemakerPingMode = wordOf(env, PING_MODE) ?? draft.sagemakerPingMode;
  draft.sagemakerInferenceType = wordOf(env, INFERENCE_TYPE) ?? draft.sagemakerInferenceType;
  draft.sagemakerDefaultModel =
    env['SAGEMAKER_TRITON_DEFAULT_MODEL_NAME'] ?? draft.sagemakerDefaultModel;
  draft.logEscape = env['TRITON_SERVER_ESCAPE_LOG_MESSAGES'] !== '0';
}

/** What the environment says where no flag did. */
export function applyStorage(draft: OptionsDraft, env: Environment): void {
  const uri = env['AIP_STORAGE_URI'];
  if (draft.modelRepositories.length === 0 && uri !== undefined && uri !== '') {
    draft.modelRepositories = [uri];
  }
}

interface Words<T extends string> {
  readonly name: string;
  readonly words: readonly T[];
}

const PING_MODE: Words<'ready' | 'live'> = {
  name: 'SAGEMAKER_TRITON_PING_MODE',
  words: ['ready', 'live'],
};
const INFERENCE_TYPE: Words<'infer' | 'generate' | 'generate_stream'> = {
  name: 'SAGEMAKER_TRITON_INFERENCE_TYPE',
  words: ['infer', 'generate', 'generate_stream'],
};

function wordOf<T extends string>(env: Environment, { name, words }: Words<T>): T | undefined {
  return words.find((word) => word === env[name]);
}

/** @returns a sentence about a variable that a service which is on cannot follow, or undefined */
export function findWrongVariable(options: ServerOptions, env: Environment): string | undefined {
  if (!options.allowSagemaker) return undefined;
  for (const variable of [PING_MODE, INFERENCE_TYPE]) {
    const { name, words } = variable;
    const value = env[name];
    if (value !== undefined && wordOf(env, variable) === undefined) {
      return `${name}: expected ${words.join(', ')}, got ${value}`;
    }
  }
  return undefined;
}
