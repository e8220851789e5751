// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Log } from '../base/log.ts';
import { ServeError, type StatusCode } from '../base/status.ts';
import { ConfigError } from '../config/config-error.ts';
import { MemberError } from './ensembles.ts';
import type { ModelState } from './model-state.ts';
import type { Publisher } from './publisher.ts';

/** Triton's words for a load that ended before the model was looked at. */
export const failedToPoll = (name: string): string =>
  `failed to load '${name}', failed to poll from model repository`;

const TRITON_NAMES: Partial<Record<StatusCode, string>> = {
  InvalidArgument: 'Invalid argument',
  NotFound: 'Not found',
  AlreadyExists: 'Already exists',
  Unimplemented: 'Unsupported',
};

/** A code as Triton prints it before a message. */
export function tritonName(code: StatusCode): string {
  return TRITON_NAMES[code] ?? code;
}

/** Why versions could not be built, in Triton's words. */
interface BuildReasons {
  /** by version, as the index tells it */
  readonly reasons: ReadonlyMap<number, string>;
  /** as the answer of the load tells it */
  readonly text: string;
}

function buildReasons(failed: ReadonlyMap<number, ServeError>): BuildReasons {
  const reasons = new Map<number, string>();
  let text = '';
  for (const [version, error] of failed) {
    const reason = `${tritonName(error.code)}: ${error.message}`;
    reasons.set(version, reason);
    text += `version ${version} is at UNAVAILABLE state: ${reason};\n`;
  }
  return { reasons, text };
}

/** Notes in the state of a model why it could not be loaded, logs it once and makes what the caller is told. */
export class LoadFailures {
  readonly #publisher: Pick<Publisher, 'publish'>;
  readonly #log: Pick<Log, 'error'>;

  constructor(publisher: Pick<Publisher, 'publish'>, log: Pick<Log, 'error'>) {
    this.#publisher = publisher;
    this.#log = log;
  }

  /** The folder cannot be read. What is known of the model stays. */
  ofRead(name: string, error: ServeError): ServeError {
    return this.#failure(error.code, `${failedToPoll(name)}: ${error.message}`, error);
  }

  ofConfig(state: ModelState, error: ServeError): ServeError {
    state.failBeforeVersions(error.message);
    return this.#failure('Internal', `${failedToPoll(state.name)}: ${error.message}`, error);
  }

  /** The version policy leaves none of the versions. */
  ofNoVersion(state: ModelState): ServeError {
    const reason = `at least one version must be available under the version policy of model '${state.name}'`;
    state.failBeforeVersions(reason, true);
    return this.#failure('InvalidArgument', `${failedToLoad(state)}: ${reason}\n`);
  }

  /** A model of its steps is missing, or does not fit. */
  ofMember(state: ModelState, error: ServeError): ServeError {
    state.failBeforeVersions(error.message);
    return this.#failure(error.code, `${failedToLoad(state)}: ${error.message}\n`);
  }

  /**
   * Versions could not be built; resolves when every I/O thread knows.
   * @param failed by version, at least one
   */
  async ofBuild(state: ModelState, failed: ReadonlyMap<number, ServeError>): Promise<ServeError> {
    const { reasons, text } = buildReasons(failed);
    const errors = [...failed.values()];
    const memberError = errors.find((error) => error instanceof MemberError);
    if (memberError !== undefined) {
      state.failLoad(new Map());
      if (state.served().length === 0) state.forget();
      await this.#publisher.publish();
      return this.ofMember(state, memberError);
    }
    state.failLoad(reasons);
    await this.#publisher.publish();
    const configError = errors.find(
      (error) => error instanceof ConfigError && error.phase === 'read',
    );
    if (configError !== undefined) return this.ofConfig(state, configError);
    return this.#failure('InvalidArgument', `${failedToLoad(state)}: ${text}`);
  }

  #failure(code: StatusCode, message: string, cause?: unknown): ServeError {
    this.#log.error(message.trimEnd());
    return new ServeError(code, message, cause === undefined ? undefined : { cause });
  }
}

const failedToLoad = ({ name }: ModelState): string => `load failed for model '${name}'`;
