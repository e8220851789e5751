// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { ModelQueries } from '../control/models.ts';
import type { Predictor } from '../control/predictor.ts';
import type { TypeScriptInferPath } from '../infer/infer-path.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';

/** What an infer path stands on. */
interface Parts {
  readonly engine: Engine;
  readonly lifecycle: ModelLifecycle;
  readonly options: ServerOptions;
  readonly control: { readonly models: Pick<ModelQueries, 'ensure'> };
}

/** Loaded only when asked for: no other start needs its code. */
export async function loadInferPath({
  engine,
  lifecycle,
  options,
  control,
}: Parts): Promise<TypeScriptInferPath> {
  const { TypeScriptInferPath } = await import('../infer/infer-path.ts');
  return new TypeScriptInferPath({
    engine,
    models: lifecycle,
    ensure: (model) => control.models.ensure(model),
    maxInputBytes: options.httpMaxInputBytes,
    real16Json: options.real16Json,
    allowClientShm: options.allowClientShm,
  });
}

/** A function that loads the predictor when it is first called. */
export function lazyPredictor(parts: Parts): () => Promise<Predictor> {
  let predictor: Promise<Predictor> | undefined;
  return () => {
    predictor ??= loadPredictor(parts);
    return predictor;
  };
}

async function loadPredictor(parts: Parts): Promise<Predictor> {
  const { V1Predictor } = await import('../infer/predict-v1.ts');
  const { httpMaxInputBytes: maxInputBytes } = parts.options;
  return new V1Predictor(await loadInferPath(parts), { maxInputBytes });
}
