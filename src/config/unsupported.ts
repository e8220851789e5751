// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
import type { ModelConfig } from './model-config.ts';

/**
 * Features a configuration asks for that this server reads but cannot honour. The loader refuses such a model, so
 * that nothing is silently ignored.
 * @returns one clear sentence each; empty when the model can be served
 */
export function unsupportedFeatures(config: ModelConfig): string[] {
  throw new Error(`not built yet: ${config.name}`);
}
