// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
import type { ModelConfig } from './model-config.ts';

/**
 * A configuration as `GET /v2/models/{model}/config` prints it: snake_case, defaults printed, 64-bit integers as
 * exact numbers, enum values by name. A string, because a JavaScript number cannot hold every 64-bit value.
 */
export function modelConfigJson(config: ModelConfig): string {
  throw new Error(`not built yet: ${config.name}`);
}

/** A configuration as bytes of `inference.ModelConfig`: the `config` of gRPC's ModelConfigResponse. */
export function encodeModelConfig(config: ModelConfig): Uint8Array {
  throw new Error(`not built yet: ${config.name}`);
}
