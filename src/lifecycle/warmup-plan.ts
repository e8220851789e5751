// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { open } from 'node:fs/promises';
import { posix } from 'node:path';
import { type DataType, ELEMENT_BYTES } from '../addon/data-type.ts';
import type { WarmupInputPlan, WarmupSamplePlan } from '../addon/model-plan.ts';
import type { ConfigError } from '../config/config-error.ts';
import type { ConfigSource, ModelConfig, WarmupInput } from '../config/model-config.ts';
import { configError } from '../config/read.ts';
import { isInput, UNKNOWN_REQUEST } from '../config/validate-warmup.ts';
import type { ModelFolder } from '../repository/source.ts';
import { dataTypeOf } from './plan-values.ts';

/** Of one input; the sample's requests share it. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/**
 * The warm-up samples of a complete, validated configuration with the content of their files.
 * @throws ConfigError for a file that is missing, too short or too large
 */
export async function readWarmup(
  config: ModelConfig,
  folder: Pick<ModelFolder, 'locate'>,
  source: ConfigSource,
): Promise<WarmupSamplePlan[]> {
  const samples: WarmupSamplePlan[] = [];
  for (const [index, { name, batch_size, count, inputs }] of config.model_warmup.entries()) {
    if (batch_size === 0) continue;
    const plans: WarmupInputPlan[] = [];
    for (const [input, setting] of inputs) {
      if (!isInput(config, input)) continue;
      const path = `model_warmup[${index}].inputs["${input}"].input_data_file`;
      const fail = (text: string) => configError({ path, text, phase: 'load' }, source);
      plans.push(await inputPlan(input, setting, folder, fail));
    }
    samples.push({ name, batchSize: batch_size, count: Math.max(count, 1), inputs: plans });
  }
  return samples;
}

type Fail = (text: string) => ConfigError;

async function inputPlan(
  name: string,
  setting: WarmupInput,
  folder: Pick<ModelFolder, 'locate'>,
  fail: Fail,
): Promise<WarmupInputPlan> {
  const datatype = dataTypeOf(setting.data_type);
  const plan = { name, datatype, dims: setting.dims.map(Number) };
  if (setting.input_data_file !== undefined) {
    const rowBytes = datatype === 'BYTES' ? undefined : bytesOf(setting.dims, datatype);
    return { ...plan, data: await readRow(setting.input_data_file, rowBytes, folder, fail) };
  }
  return { ...plan, data: setting.random_data === undefined ? 'zero' : 'random' };
}

function bytesOf(dims: readonly bigint[], datatype: Exclude<DataType, 'BYTES'>): bigint {
  return dims.reduce((product, dim) => product * dim, BigInt(ELEMENT_BYTES[datatype]));
}

/** @param rowBytes so many are taken from the start of the file; undefined = all of it */
async function readRow(
  name: string,
  rowBytes: bigint | undefined,
  folder: Pick<ModelFolder, 'locate'>,
  fail: Fail,
): Promise<Uint8Array> {
  const place = posix.join('warmup', name);
  const path = await folder.locate(place);
  const file = path === undefined ? undefined : await open(path).catch(() => undefined);
  if (file === undefined) throw fail(`failed to open text file for read ${place}`);
  try {
    const { size } = await file.stat();
    const wanted = rowBytes ?? BigInt(size);
    if (wanted > size) {
      throw fail(
        `${UNKNOWN_REQUEST}warmup setting expects ${wanted} bytes, but the data provided from ${name}only has ` +
          `${size} bytes`, // The missing space is Triton's.
      );
    }
    if (wanted > MAX_FILE_BYTES) {
      throw fail(`warmup file '${name}': expected at most ${MAX_FILE_BYTES} bytes, got ${wanted}`);
    }
    const bytes = new Uint8Array(Number(wanted));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead < bytes.length) throw fail(`warmup file '${name}' was cut while it was read`);
    return bytes;
  } finally {
    await file.close();
  }
}
