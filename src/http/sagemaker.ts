// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, HttpReply } from '../addon/control-call.ts';
import { invalidArgument, ServeError } from '../base/status.ts';
import type { SagemakerModels } from '../control/sagemaker.ts';
import { readJsonObject, writeJson } from './json.ts';

const TARGET_MODEL = 'x-amzn-sagemaker-target-model';

/** Triton names no other type here, JSON or not. */
const TEXT = ['content-type', 'text/plain'] as const;

/** Answers `/models…` of the SageMaker port. Never rejects: what goes wrong becomes the answer. */
export async function handleSagemaker(
  call: ControlCall,
  models: SagemakerModels,
): Promise<HttpReply> {
  try {
    return await answer(call, models);
  } catch (thrown) {
    const error = ServeError.from(thrown);
    return text(
      errorStatus(error),
      error.message === '' ? '' : writeJson({ error: error.message }),
    );
  }
}

async function answer(call: ControlCall, models: SagemakerModels): Promise<HttpReply> {
  const [, name = ''] = /^\/models\/?([^/]*)$/.exec(call.path) ?? [];
  if (call.method === 'GET') {
    const found = name === '' ? { models: models.list() } : models.get(name);
    return text(200, writeJson(found));
  }
  if (call.method === 'DELETE') {
    await models.unload(name);
    return text(200, '');
  }
  const body = readJsonObject(call.body);
  const hash = textField(body, 'model_name');
  await models.load(hash, textField(body, 'url'), header(call, TARGET_MODEL) ?? hash);
  return text(200, '');
}

function textField(body: Record<string, unknown>, key: string): string {
  const value = body[key] ?? '';
  if (typeof value === 'string') return value;
  throw invalidArgument('attempt to access JSON non-string as string');
}

function header({ headers }: ControlCall, name: string): string | undefined {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text === name);
  return at < 0 ? undefined : headers[at + 1];
}

const text = (status: number, body: string): HttpReply => ({ status, headers: TEXT, body });

/** What the platform acts upon: it makes room and asks again after 507. */
function errorStatus({ code, message }: ServeError): number {
  if (code === 'NotFound' && message === '') return 404;
  if (code === 'AlreadyExists') return 409;
  return isOutOfMemory(message) ? 507 : 400;
}

/** Words of PyTorch, TensorFlow, Python, CUDA's libraries and the system; native looks for the same. */
const OUT_OF_MEMORY = [
  'CUDA out of memory',
  'CUDA_OUT_OF_MEMORY',
  'Out of memory',
  'Out Of Memory',
  'out of memory',
  'MemoryError',
  'OutOfMemory',
  'OOM',
  'Dst tensor is not initialized',
  'Src tensor is not initialized',
  'CNMEM_STATUS_OUT_OF_MEMORY',
  'CUDNN_STATUS_NOT_INITIALIZED',
  'CUBLAS_STATUS_ALLOC_FAILED',
  'CUBLAS_STATUS_NOT_INITIALIZED',
  'Failed to allocate memory',
  'failed to allocate memory',
  'No space left on device',
];

function isOutOfMemory(message: string): boolean {
  return OUT_OF_MEMORY.some((sign) => message.includes(sign));
}
