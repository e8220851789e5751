// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DispatchTable } from '../addon/dispatch-table.ts';
import type { Engine } from '../addon/types.ts';
import { abortable, throwIfAborted } from '../base/abort.ts';
import type { Log } from '../base/log.ts';
import { grpcNumber, internal, ServeError, type StatusCode, unavailable } from '../base/status.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ReadinessPolicy } from '../config/flags/repository.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { OverrideFiles } from '../repository/override-files.ts';
import { checkModelName, DUPLICATE_REASON } from '../repository/scan.ts';
import type { FetchedModel, ModelFolder, RepositorySource } from '../repository/source.ts';
import type { StagedModel, Staging } from '../repository/staging.ts';
import { type LiveChange, planLiveChange } from './adjust.ts';
import { attemptLoad } from './attempts.ts';
import { Dependencies } from './dependencies.ts';
import { MemberError, membersOf, wireMembers } from './ensembles.ts';
import { Exclusive, Semaphore } from './exclusive.ts';
import { impairments } from './instance-health.ts';
import { buildReasons, failedToPoll } from './load-failure.ts';
import { buildVersion, type DraftModel, draftModel, type LoaderOptions } from './loader.ts';
import type { IndexRow, ModelState, ServedVersion } from './model-state.ts';
import { ambiguous, keyOf, type ModelId, Namespaces } from './namespaces.ts';
import { checkOverrideCode } from './override.ts';
import { Publisher } from './publisher.ts';
import { judgeReadiness, type Readiness } from './readiness.ts';
import { type Model, ModelRegistry } from './registry.ts';
import { Retirement } from './retirement.ts';

export interface LifecycleOptions extends Omit<LoaderOptions, 'engine'> {
  readonly engine: Engine;
  readonly sources: readonly RepositorySource[];
  /** models that may load at the same time */
  readonly loadThreads: number;
  /** how often a version whose build failed is built again */
  readonly loadRetries: number;
  readonly strictReadiness: boolean;
  /** absent = all */
  readonly readinessPolicy?: ReadinessPolicy;
  /** models or readiness changed; called often */
  readonly changed?: () => void;
  /** models of one name from several repositories are served, to those who need no name */
  readonly namespacing: boolean;
  /** calls for models that do not serve ask for them; absent = no */
  readonly onDemand?: boolean;
  /** where files of loads are kept */
  readonly staging: Pick<Staging, 'stage'>;
  /** `--allow-override-code` */
  readonly allowOverrideCode: boolean;
  readonly log: Pick<Log, 'info' | 'error'>;
}

export interface LoadOptions {
  /** JSON of a ModelConfig that replaces config.pbtxt for this load */
  readonly config?: string | undefined;
  /** files by their place in the model, checked: they stand instead of its folder; need `config` */
  readonly files?: OverrideFiles | undefined;
  /** of the repository; absent = every one that has the model */
  readonly namespace?: string | undefined;
  /** stops the waiting, not the load */
  readonly signal?: AbortSignal | undefined;
}

/** What a load says instead of the repository. */
interface Override {
  readonly config?: string | undefined;
  readonly files?: OverrideFiles | undefined;
  readonly staged?: StagedModel | undefined;
}

/** One model that could not be loaded at the start. */
export interface StartFailure {
  readonly name: string;
  readonly error: ServeError;
}

/**
 * Loads, replaces and unloads models. A new build takes over only once it stands: build → warm up → publish →
 * drain the old → destroy the old. What fails on the way leaves the serving versions alone.
 *
 * Operations on one model run one after the other; `load` and `unload` resolve when every I/O thread has the new
 * table.
 */
export class ModelLifecycle {
  readonly #options: LifecycleOptions;
  readonly #namespaces: Namespaces;
  readonly #models: ModelRegistry;
  readonly #exclusive = new Exclusive();
  readonly #slots: Semaphore;
  readonly #publisher: Publisher;
  readonly #retirement: Retirement;
  readonly #dependencies: Dependencies;
  #isStarted = false;
  readonly #exiting = new AbortController();

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#namespaces = new Namespaces(options.sources, options.namespacing);
    this.#models = new ModelRegistry(this.#namespaces);
    this.#slots = new Semaphore(options.loadThreads);
    this.#publisher = new Publisher(options.engine, () => this.#table());
    this.#retirement = new Retirement(options);
    this.#dependencies = new Dependencies({
      models: this.#models,
      namespaces: this.#namespaces,
      exclusive: this.#exclusive,
      load: async (id) => {
        await this.#loadAlone(id, {});
      },
      rebuild: async (model) => {
        model.fingerprint = '';
        await this.#slots.run(() => this.#replace(model.id, { config: model.config }));
      },
      suspend: (model) => this.#takeOut(model, model.state.suspend()),
    });
  }

  get isReady(): boolean {
    return this.readiness().isReady;
  }

  readiness(): Readiness {
    if (!this.#isStarted || this.#exiting.signal.aborted) return NOT_READY;
    if (!this.#options.strictReadiness) return { ...NOT_READY, isReady: true };
    return judgeReadiness(this.#options.readinessPolicy ?? { kind: 'all' }, this.#models.states());
  }

  /**
   * Loads what the server serves from its start.
   * @param names models to load; `'*'` loads every model of the repositories
   * @returns those that failed; the others serve
   * @throws ServeError Internal when a repository cannot be read
   */
  async start(names: readonly string[] | '*'): Promise<StartFailure[]> {
    // Also with no model to load: an unreadable repository must be told at the start, not at the first load.
    const listed = await this.#namespaces.list();
    const wanted: readonly ModelId[] = names === '*' ? listed : await this.#identifyAll(names);
    const failures: StartFailure[] = [];
    await Promise.all(
      wanted.map((id) =>
        this.#loadAsked(id, {}).catch((thrown: unknown) => {
          const error = ServeError.from(thrown);
          // A model asked for by name holds readiness back even when no repository has it.
          if (!this.#models.has(id)) {
            this.#models.model(id).state.failBeforeVersions(error.message);
          }
          failures.push({ name: id.name, error });
        }),
      ),
    );
    this.#isStarted = true;
    await this.#publisher.publish();
    return failures;
  }

  /**
   * Loads a model, or brings a loaded one to what the repository holds now. Nothing happens when nothing changed.
   * @throws ServeError Internal when the model or its configuration cannot be read, InvalidArgument when it cannot
   *   be built, Unavailable while the server stops; Triton's sentences
   */
  async load(name: string, options: LoadOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    if (this.#exiting.signal.aborted) throw unavailable('Server exiting');
    await abortable(this.#loadNamed(name, options), options.signal);
  }

  /**
   * Takes a model out of service. Resolves when no new request reaches it; those in flight still run.
   * An unknown name is no error. Ensembles that use it stop serving with it, until it is loaded again.
   * @param namespace absent = every model of that name
   * @param withMembers unloads also the models that were loaded only for it
   */
  async unload(
    name: string,
    signal?: AbortSignal,
    namespace?: string,
    withMembers = false,
  ): Promise<void> {
    throwIfAborted(signal);
    const ids = this.#models.named(name).map(({ id }) => id);
    const asked = namespace === undefined ? ids : ids.filter((id) => id.namespace === namespace);
    const work = Promise.all(asked.map((id) => this.#unload(id, withMembers)));
    await abortable(work, signal);
  }

  /** A model that does not serve holds readiness back no longer; what is wrong with it stays told. */
  async waive(name: string): Promise<void> {
    for (const { state } of this.#models.named(name)) {
      if (state.served().length === 0) state.isWanted = false;
    }
    await this.#publisher.publish();
  }

  /** Resolves when nothing is left of the builds of a model that were taken out of service. */
  async gone(name: string): Promise<void> {
    await this.#retirement.gone(name);
  }

  /** The repository index: every model in a repository or in service, sorted by name. */
  async index(signal?: AbortSignal): Promise<IndexRow[]> {
    const rows = new Map<string, IndexRow[]>();
    const duplicates = new Set<string>();
    for (const id of await this.#namespaces.list(signal)) {
      const { name } = id;
      const key = keyOf(id);
      rows.set(key, [{ name }]);
      if (!id.isDuplicate) continue;
      duplicates.add(key);
      rows.set(key, [{ name, state: 'UNAVAILABLE', reason: DUPLICATE_REASON }]);
    }
    const impaired = impairments(this.#options.engine);
    for (const { id, state } of this.#models.all()) {
      const key = keyOf(id);
      const isServed = state.served().length > 0;
      const isListed = rows.has(key) ? !duplicates.has(key) : state.isWanted;
      if (isServed || isListed) rows.set(key, state.rows(impaired));
    }
    return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => list);
  }

  /**
   * The build that a request for this model and version reaches.
   * @param version absent = highest that serves
   * @throws ServeError NotFound or Unavailable, in Triton's words
   */
  find(name: string, version?: number): ServedVersion {
    return this.#models.find(name, version);
  }

  /** Builds of one model that serve, ascending by version; empty for a name that is unknown or stands for several. */
  served(name: string): ServedVersion[] {
    return this.#models.served(name);
  }

  /** A build serves that has an instance which works. */
  canServe(name: string): boolean {
    const served = this.served(name);
    if (served.length === 0) return false;
    const impaired = impairments(this.#options.engine);
    return served.some(({ handle }) => impaired.get(handle)?.canServe !== false);
  }

  /** Every build that serves, by name and version. */
  allServed(): ServedVersion[] {
    return this.#models.allServed();
  }

  /** The models that were asked for and not unloaded since. */
  wanted(): ModelId[] {
    return this.#models.wanted();
  }

  /** Rows of the models that were asked for, without looking at the repositories. */
  knownRows(): IndexRow[] {
    return this.#models.rows();
  }

  /** Not ready from now on, no new load; resolves when every I/O thread knows. */
  async beginExit(): Promise<void> {
    this.#exiting.abort();
    await this.#publisher.publish();
  }

  /** Unloads everything and waits until it is gone. To be called after `beginExit` and a drain. */
  async close(): Promise<void> {
    await this.#exclusive.idle();
    const all = this.#models.all().map((model) => ({
      model,
      old: model.state.beginUnload(),
    }));
    await this.#publisher.publish();
    for (const { model, old } of all) this.#retirement.retire(model.state, old, takeStaged(model));
    await this.#retirement.finished();
  }

  async #loadNamed(name: string, { config, files, namespace }: LoadOptions): Promise<void> {
    checkModelName(name);
    const ids =
      namespace === undefined ? await this.#namespaces.identify(name) : [{ name, namespace }];
    const [id] = ids;
    if (config !== undefined && ids.length > 1) throw ambiguous(name, ids.length);
    if (files === undefined) {
      await allDone(ids.map((one) => this.#load(one, { config })));
      return;
    }
    const staged = await this.#options.staging.stage(name, files);
    try {
      await this.#load(id, { config, files, staged });
    } catch (thrown) {
      await staged.remove();
      await this.#forgetStrays();
      throw thrown;
    } finally {
      staged.settled();
    }
  }

  /** Callers choose the names of what they bring, so what is known of failures must not grow with them. */
  async #forgetStrays(): Promise<void> {
    const strays = this.#models.failedStrays();
    for (const stray of strays) stray.config = undefined;
    for (const { id } of strays.slice(0, -MOST_FAILED_STRAYS)) {
      await this.#exclusive.run(keyOf(id), async () => {
        if (this.#models.failedStrays().some((one) => one.id === id)) this.#models.delete(id);
      });
      await this.#publisher.publish();
    }
  }

  async #identifyAll(names: readonly string[]): Promise<ModelId[]> {
    const unique = [...new Set(names)];
    return (await Promise.all(unique.map((name) => this.#namespaces.identify(name)))).flat();
  }

  async #load(id: ModelId, override: Override): Promise<void> {
    const isAsBefore = await this.#loadAsked(id, override);
    if (!isAsBefore) await this.#dependencies.follow(id);
  }

  /** @returns as `#replace` */
  async #loadAsked(id: ModelId, override: Override): Promise<boolean> {
    const isAsBefore = await this.#loadAlone(id, override);
    const model = this.#models.get(id);
    if (model !== undefined) model.isPulled = false;
    return isAsBefore;
  }

  #loadAlone(id: ModelId, override: Override): Promise<boolean> {
    checkModelName(id.name);
    return this.#exclusive.run(keyOf(id), async () => {
      try {
        // Before a slot is taken: the models of an ensemble need slots too.
        await this.#loadMembers(id, override);
        return await this.#slots.run(() => this.#replace(id, override));
      } catch (thrown) {
        // Readiness may have changed.
        await this.#publisher.publish();
        throw thrown;
      }
    });
  }

  async #loadMembers(id: ModelId, { config, staged }: Override): Promise<void> {
    try {
      await this.#dependencies.loadMembers(id, { config, folder: staged?.folder });
    } catch (thrown) {
      const isNew = !this.#models.has(id);
      const model = this.#models.model(id);
      if (isNew) model.isStray = staged !== undefined;
      throw this.#memberFailure(model.state, ServeError.from(thrown));
    }
  }

  async #unload(id: ModelId, withMembers: boolean): Promise<void> {
    const members = this.#models.get(id)?.members ?? [];
    await this.#exclusive.run(keyOf(id), async () => {
      const model = this.#models.get(id);
      if (model === undefined) return;
      await this.#takeOut(model, model.state.beginUnload());
      if (!model.state.hasVersions) this.#models.delete(id);
    });
    await this.#dependencies.follow(id);
    if (!withMembers) return;
    for (const member of this.#dependencies.unneeded(id, members)) await this.#unload(member, true);
  }

  async #takeOut(model: Model, old: readonly ServedVersion[]): Promise<void> {
    model.fingerprint = '';
    await this.#publisher.publish();
    this.#retirement.retire(model.state, old, takeStaged(model));
  }

  /** @returns the builds of before serve on with other limits: nobody who uses them has to know */
  async #replace(id: ModelId, override: Override): Promise<boolean> {
    const { log } = this.#options;
    const { name } = id;
    const { staged } = override;
    const stored = await this.#readFolder(id, staged !== undefined);
    const folder = staged?.folder ?? stored;
    if (folder === undefined) throw internal(failedToPoll(name));
    const model = this.#models.model(id);
    model.isStray = stored === undefined;
    const { state } = model;
    const isOverride = override.config !== undefined;
    const isSame = !isOverride && model.fingerprint === folder.fingerprint;
    const isLost = this.#isLost(state);
    if (isSame && state.served().length > 0 && !isLost) return false;
    const draft = this.#draft(model, folder, override, stored);
    model.members = membersOf(draft.config);
    model.config = override.config;
    if (draft.versions.length === 0) {
      const reason = `at least one version must be available under the version policy of model '${name}'`;
      state.failBeforeVersions(reason, true);
      throw this.#failure('InvalidArgument', `load failed for model '${name}': ${reason}\n`);
    }
    const isKept = folder.contents !== undefined && folder.contents === model.contents && !isLost;
    const live = isKept ? planLiveChange(draft, state.served(), this.#options) : undefined;
    state.beginLoad(draft.versions.map((one) => one.version));
    this.#options.changed?.();
    if (live !== undefined) {
      await this.#adjust(model, draft, live);
      model.fingerprint = isOverride ? '' : folder.fingerprint;
      return true;
    }
    if (!state.isSatisfied) await this.#publisher.publish();
    for (const { version } of draft.versions) log.info(`loading: ${name}:${version}`);
    const { built, failed, fetched } = await this.#build(id, draft);
    if (failed.size > 0) {
      this.#retirement.retire(state, built, fetched);
      throw await this.#buildFailure(state, failed);
    }
    const old = state.finishLoad(built);
    const oldStaged = takeStaged(model);
    model.staged = staged ?? fetched;
    model.fingerprint = isOverride ? '' : folder.fingerprint;
    model.contents = folder.contents;
    await this.#publisher.publish();
    log.info(`successfully loaded '${name}'`);
    this.#retirement.retire(state, old, oldStaged);
    return false;
  }

  /** Only what the builds are asked for changes: no table names another one. */
  async #adjust({ state }: Model, draft: DraftModel, live: LiveChange): Promise<void> {
    const { engine, log } = this.#options;
    try {
      state.adjusted(await this.#attempt(`'${state.name}' in place`, () => live.apply(engine)));
    } catch (thrown) {
      const error = ServeError.from(thrown);
      const failed = new Map(draft.versions.map(({ version }) => [version, error]));
      throw await this.#buildFailure(state, failed);
    }
    this.#options.changed?.();
    log.info(`successfully updated '${state.name}' in place`);
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
      throw error.code === 'Unimplemented' ? error : this.#configFailure(state, error);
    }
  }

  /** @returns undefined when nothing of it can be read and nothing of it is needed */
  async #readFolder(id: ModelId, isOptional: boolean): Promise<ModelFolder | undefined> {
    try {
      return await this.#namespaces.read(id);
    } catch (thrown) {
      if (isOptional) return undefined;
      const error = ServeError.from(thrown);
      if (error.code === 'InvalidArgument' || error.code === 'Cancelled') throw error;
      throw this.#failure(error.code, `${failedToPoll(id.name)}: ${error.message}`, error);
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
        const wire = (one: ModelConfig) => wireMembers(one, this.#models.othersOf(id));
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
    const { signal } = this.#exiting;
    return this.#attempt(`files of '${folder.name}'`, async () => folder.fetch?.(wanted, signal));
  }

  #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { loadRetries: retries, log } = this.#options;
    return attemptLoad(work, { what, retries, signal: this.#exiting.signal, log });
  }

  async #buildFailure(
    state: ModelState,
    failed: ReadonlyMap<number, ServeError>,
  ): Promise<ServeError> {
    const { reasons, text } = buildReasons(failed);
    const memberError = [...failed.values()].find((error) => error instanceof MemberError);
    if (memberError !== undefined) {
      state.failLoad(new Map());
      if (state.served().length === 0) state.forget();
      await this.#publisher.publish();
      return this.#memberFailure(state, memberError);
    }
    const configError = [...failed.values()].find(
      (error): error is ConfigError => error instanceof ConfigError && error.phase === 'read',
    );
    state.failLoad(reasons);
    await this.#publisher.publish();
    if (configError !== undefined) {
      return this.#configFailure(state, configError);
    }
    return this.#failure('InvalidArgument', `load failed for model '${state.name}': ${text}`);
  }

  #memberFailure(state: ModelState, error: ServeError): ServeError {
    state.failBeforeVersions(error.message);
    return this.#failure(error.code, `load failed for model '${state.name}': ${error.message}\n`);
  }

  #configFailure(state: ModelState, error: ServeError): ServeError {
    state.failBeforeVersions(error.message);
    return this.#failure('Internal', `${failedToPoll(state.name)}: ${error.message}`, error);
  }

  #failure(code: StatusCode, message: string, cause?: unknown): ServeError {
    this.#options.log.error(message.trimEnd());
    return new ServeError(code, message, cause === undefined ? undefined : { cause });
  }

  /** A build whose instances are all lost serves nothing until it is built anew. */
  #isLost(state: ModelState): boolean {
    const impaired = impairments(this.#options.engine);
    return state.served().some(({ handle }) => impaired.get(handle)?.isLost === true);
  }

  #table(): DispatchTable {
    this.#options.changed?.();
    const { isReady, needs } = this.readiness();
    return {
      live: true,
      ready: isReady,
      needs,
      exiting: this.#exiting.signal.aborted,
      ...(this.#options.onDemand === true ? { onDemand: true } : {}),
      unknownModel: grpcNumber(this.#namespaces.unknownCode),
      models: this.#models.dispatch(),
    };
  }
}

const MOST_FAILED_STRAYS = 256;

const NO_FILES: OverrideFiles = new Map();

const NOT_READY: Readiness = { isReady: false, waitsFor: [], needs: [] };
interface BuildResult {
  readonly built: ServedVersion[];
  /** by version */
  readonly failed: Map<number, ServeError>;
  /** files that the builds came from, when they were brought for them */
  readonly fetched?: FetchedModel;
}

const withFiles = (draft: DraftModel, { locate }: FetchedModel): DraftModel => ({
  ...draft,
  folder: { ...draft.folder, locate },
});

/** Waits for all, also when one fails. @throws what the first that failed threw */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function takeStaged(model: Model): Model['staged'] {
  const { staged } = model;
  model.staged = undefined;
  return staged;
}
