// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { internal, ServeError } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { OverrideFiles } from '../repository/override-files.ts';
import type { FetchedModel, ModelFolder } from '../repository/source.ts';
import type { StagedModel } from '../repository/staging.ts';
import { type LiveChange, planLiveChange } from './adjust.ts';
import { attemptLoad } from './attempts.ts';
import { membersOf, wireMembers } from './ensembles.ts';
import { impairments } from './instance-health.ts';
import { failedToPoll, type LoadFailures } from './load-failure.ts';
import { buildVersion, type DraftModel, draftModel, type LoaderOptions } from './loader.ts';
import type { ModelState, ServedVersion } from './model-state.ts';
import type { ModelId, Namespaces } from './namespaces.ts';
import { checkOverrideCode } from './override.ts';
import type { Publisher } from './publisher.ts';
import { type Model, type ModelRegistry, takeStaged } from './registry.ts';
import type { Retirement } from './retirement.ts';

export interface GenerationOptions extends Omit<LoaderOptions, 'engine'> {
  readonly engine: Pick<Engine, 'adjust' | 'inspect' | 'load' | 'snapshot' | 'unload'>;
  /** how often a version whose build failed is built again */
  readonly loadRetries: number;
  /** `--allow-override-code` */
  readonly allowOverrideCode: boolean;
  /** models or readiness changed; called often */
  readonly changed?: () => void;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** What the generations of models are made with. */
export interface GenerationPorts {
  readonly models: ModelRegistry;
  readonly namespaces: Pick<Namespaces, 'read'>;
  readonly publisher: Pick<Publisher, 'publish'>;
  readonly retirement: Pick<Retirement, 'retire'>;
  readonly failures: LoadFailures;
  /** aborted when the server stops: nothing is tried again */
  readonly exiting: AbortSignal;
}

/** What a load says instead of the repository. */
export interface Override {
  readonly config?: string | undefined;
  readonly files?: OverrideFiles | undefined;
  readonly staged?: StagedModel | undefined;
}

/**
 * Replaces the builds of a model by those of its folder as it is now: build → warm up → publish → retire the old. Where
 * only limits differ, the builds that serve are changed in place. What fails on the way leaves them alone.
 */
export class Generations {
  readonly #options: GenerationOptions;
  readonly #ports: GenerationPorts;

  constructor(options: GenerationOptions, ports: GenerationPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * Nothing happens when nothing changed. The caller has the model to itself.
   * @returns the builds of before serve on with other limits: nobody who uses them has to know
   * @throws ServeError, in Triton's words; it is logged, and the index tells it
   */
  async replace(id: ModelId, override: Override): Promise<boolean> {
    const { staged } = override;
    const stored = await this.#readFolder(id, staged !== undefined);
    const folder = staged?.folder ?? stored;
    if (folder === undefined) throw internal(failedToPoll(id.name));
    const model = this.#ports.models.model(id);
    model.isStray = stored === undefined;
    const { state } = model;
    const isSame = override.config === undefined && model.fingerprint === folder.fingerprint;
    const isLost = this.#isLost(state);
    if (isSame && state.served().length > 0 && !isLost) return false;
    const draft = this.#draft(model, folder, override, stored);
    model.members = membersOf(draft.config);
    model.config = override.config;
    if (draft.versions.length === 0) throw this.#ports.failures.ofNoVersion(state);
    const isKept = folder.contents !== undefined && folder.contents === model.contents && !isLost;
    const live = isKept ? planLiveChange(draft, state.served(), this.#options) : undefined;
    state.beginLoad(draft.versions.map((one) => one.version));
    this.#options.changed?.();
    if (live === undefined) await this.#rebuild(model, draft, override);
    else await this.#adjust(model, draft, override, live);
    return live !== undefined;
  }

  async #rebuild(model: Model, draft: DraftModel, override: Override): Promise<void> {
    const { log } = this.#options;
    const { publisher, retirement, failures } = this.#ports;
    const { id, state } = model;
    if (!state.isSatisfied) await publisher.publish();
    for (const { version } of draft.versions) log.info(`loading: ${id.name}:${version}`);
    const { built, failed, fetched } = await this.#build(id, draft);
    if (failed.size > 0) {
      retirement.retire(state, built, fetched);
      throw await failures.ofBuild(state, failed);
    }
    const old = state.finishLoad(built);
    const oldStaged = takeStaged(model);
    model.staged = override.staged ?? fetched;
    model.fingerprint = fingerprintOf(draft, override);
    model.contents = draft.folder.contents;
    await publisher.publish();
    log.info(`successfully loaded '${id.name}'`);
    retirement.retire(state, old, oldStaged);
  }

  /** Only what the builds are asked for changes: no table names another one. */
  async #adjust(
    model: Model,
    draft: DraftModel,
    override: Override,
    live: LiveChange,
  ): Promise<void> {
    const { engine, log } = this.#options;
    const { state } = model;
    try {
      state.adjusted(await this.#attempt(`'${state.name}' in place`, () => live.apply(engine)));
    } catch (thrown) {
      const error = ServeError.from(thrown);
      const failed = new Map(draft.versions.map(({ version }) => [version, error]));
      throw await this.#ports.failures.ofBuild(state, failed);
    }
    this.#options.changed?.();
    log.info(`successfully updated '${state.name}' in place`);
    model.fingerprint = fingerprintOf(draft, override);
  }

  #draft(
    { state }: Model,
    folder: ModelFolder,
    { config, files }: Override,
    stored: ModelFolder | undefined,
  ): DraftModel {
    try {
      const draft = draftModel(folder, config);
      if (config !== undefined && !this.#options.allowOverrideCode) {
        checkOverrideCode(draft, files ?? NO_FILES, stored);
      }
      return draft;
    } catch (thrown) {
      const error = ServeError.from(thrown);
      // A load that may not be is no failure of the model.
      throw error.code === 'Unimplemented' ? error : this.#ports.failures.ofConfig(state, error);
    }
  }

  /** @returns undefined when nothing of it can be read and nothing of it is needed */
  async #readFolder(id: ModelId, isOptional: boolean): Promise<ModelFolder | undefined> {
    try {
      return await this.#ports.namespaces.read(id);
    } catch (thrown) {
      if (isOptional) return undefined;
      const error = ServeError.from(thrown);
      if (error.code === 'InvalidArgument' || error.code === 'Cancelled') throw error;
      throw this.#ports.failures.ofRead(id.name, error);
    }
  }

  async #build(id: ModelId, draft: DraftModel): Promise<BuildResult> {
    const built: ServedVersion[] = [];
    const failed = new Map<number, ServeError>();
    let fetched: FetchedModel | undefined;
    try {
      fetched = await this.#fetch(draft);
    } catch (thrown) {
      const error = ServeError.from(thrown);
      return { built, failed: new Map(draft.versions.map(({ version }) => [version, error])) };
    }
    const local = fetched === undefined ? draft : withFiles(draft, fetched);
    for (const version of draft.versions) {
      try {
        const what = `'${draft.folder.name}' version ${version.version}`;
        const wire = (one: ModelConfig) => wireMembers(one, this.#ports.models.othersOf(id));
        const build = () => buildVersion(local, version, { ...this.#options, wire });
        built.push(await this.#attempt(what, build));
      } catch (thrown) {
        failed.set(version.version, ServeError.from(thrown));
      }
    }
    return fetched === undefined ? { built, failed } : { built, failed, fetched };
  }

  /** @returns undefined when the files are on this machine as it is */
  async #fetch({ folder, versions }: DraftModel): Promise<FetchedModel | undefined> {
    if (folder.fetch === undefined) return undefined;
    const wanted = versions.map(({ version }) => version);
    const { exiting } = this.#ports;
    return this.#attempt(`files of '${folder.name}'`, async () => folder.fetch?.(wanted, exiting));
  }

  #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { loadRetries: retries, log } = this.#options;
    return attemptLoad(work, { what, retries, signal: this.#ports.exiting, log });
  }

  /** A build whose instances are all lost serves nothing until it is built anew. */
  #isLost(state: ModelState): boolean {
    if (state.served().length === 0) return false;
    const impaired = impairments(this.#options.engine);
    return state.served().some(({ handle }) => impaired.get(handle)?.isLost === true);
  }
}

interface BuildResult {
  readonly built: ServedVersion[];
  /** by version */
  readonly failed: Map<number, ServeError>;
  /** files that the builds came from, when they were brought for them */
  readonly fetched?: FetchedModel;
}

const NO_FILES: OverrideFiles = new Map();

/** Empty for a configuration that the repository does not have: the next load builds anew. */
const fingerprintOf = ({ folder }: DraftModel, { config }: Override): string =>
  config === undefined ? folder.fingerprint : '';

const withFiles = (draft: DraftModel, { locate }: FetchedModel): DraftModel => ({
  ...draft,
  folder: { ...draft.folder, locate },
});
