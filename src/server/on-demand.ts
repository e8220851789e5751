// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelDemand } from '../addon/control-call.ts';
import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { grpcNumber, ServeError } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import type { Namespaces } from '../lifecycle/namespaces.ts';
import { OnDemand } from '../lifecycle/on-demand.ts';
import { memoryLimitOf } from './memory-limit.ts';

interface Parts {
  readonly options: ServerOptions;
  readonly engine: Engine;
  readonly lifecycle: ModelLifecycle;
  readonly namespaces: Namespaces;
  readonly log: Pick<Log, 'info' | 'verbose'>;
}

/** Resident memory without the heap of JavaScript, which comes and goes for reasons of its own. */
function nativeBytes(): number {
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Answers native's demands for models from now on.
 * @returns undefined when the mode is another
 */
export function startOnDemand({
  options,
  engine,
  lifecycle,
  namespaces,
  log,
}: Parts): OnDemand | undefined {
  if (options.modelControlMode !== 'on-demand') return undefined;
  const onDemand = new OnDemand({
    lifecycle,
    namespaces,
    pinned: options.loadModels,
    budgetBytes: options.onDemandMemoryMb * 1024 * 1024,
    maxWaiting: options.onDemandQueueSize,
    // The rest is for requests whose model serves.
    maxWaitingBytes: memoryLimitOf(options) / 4,
    fullStatus: options.queueFullStatus,
    statistics: () => engine.snapshot().models,
    memoryBytes: nativeBytes,
    now: Date.now,
    log,
  });
  const waiting = new Map<number, AbortController>();
  const answer = async ({ token, model, bytes }: ModelDemand): Promise<void> => {
    let code = 0;
    let message = '';
    const left = new AbortController();
    waiting.set(token, left);
    try {
      await onDemand.demand(model, bytes, left.signal);
    } catch (thrown) {
      const error = ServeError.from(thrown);
      code = grpcNumber(error.code);
      message = error.message;
    } finally {
      waiting.delete(token);
    }
    if (left.signal.aborted) return;
    try {
      engine.replyGrpc(token, { code, message, body: NO_BYTES });
    } catch (thrown) {
      // The engine may have ended meanwhile.
      log.verbose(1, `a demand could not be answered: ${ServeError.from(thrown).message}`);
    }
  };
  engine.onDemand(
    (demands) => {
      for (const demand of demands) void answer(demand);
    },
    (tokens) => {
      for (const token of tokens) waiting.get(token)?.abort();
    },
  );
  return onDemand;
}
