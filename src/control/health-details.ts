// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import type { ReadinessPolicy } from '../config/flags/repository.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';

/** With thousands of models the telling takes long; it may take this part of the loop's time at most. */
const LARGEST_SHARE = 0.2;

/** A shorter pause is left out: what changes is told at once where there are not very many models. */
const SHORT_PAUSE_MS = 10;

/** Native calls the event loop this old at most while it turns. */
const INTERVAL_MS = 1000;

interface Parts {
  readonly engine: Pick<Engine, 'setHealthDetails'>;
  readonly lifecycle: Pick<ModelLifecycle, 'readiness' | 'knownRows'>;
  /** undefined = readiness is not strict */
  readonly policy: ReadinessPolicy | undefined;
}

/**
 * The part of `GET /v2/health/details` that TypeScript knows. Native answers the call with it, so that it is answered
 * while the event loop is blocked, and tells when it last heard of the loop.
 */
export class HealthDetails implements Disposable {
  readonly #parts: Parts;
  readonly #timer: NodeJS.Timeout;
  #isScheduled = false;
  /** when the models may be told again, by `performance.now()` */
  #notBefore = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#parts.engine.setHealthDetails(), INTERVAL_MS);
    this.#timer.unref();
    this.changed();
  }

  /** Models or readiness changed; what changes in one turn is told once. */
  changed(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const pauseMs = this.#notBefore - performance.now();
    if (pauseMs > 0) setTimeout(() => this.#tell(), pauseMs).unref();
    else setImmediate(() => this.#tell()).unref();
  }

  #tell(): void {
    this.#isScheduled = false;
    const began = performance.now();
    this.#parts.engine.setHealthDetails(this.#members());
    const ended = performance.now();
    const pauseMs = (ended - began) * (1 / LARGEST_SHARE - 1);
    this.#notBefore = pauseMs < SHORT_PAUSE_MS ? 0 : ended + pauseMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #members(): string {
    const { lifecycle, policy } = this.#parts;
    const object = {
      policy: policy === undefined ? 'off' : policy.kind,
      ...(policy?.kind === 'listed' ? { listed: policy.names } : {}),
      waits_for: lifecycle.readiness().waitsFor,
      models: lifecycle.knownRows().map(({ version, ...row }) => ({
        ...row,
        ...(version === undefined ? {} : { version: String(version) }),
      })),
    };
    return JSON.stringify(object).slice(1, -1);
  }
}
