// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DispatchTable } from '../addon/dispatch-table.ts';
import type { Engine } from '../addon/types.ts';
import { abortable, throwIfAborted } from '../base/abort.ts';
import { grpcNumber, ServeError, unavailable } from '../base/status.ts';
import type { ReadinessPolicy } from '../config/flags/repository.ts';
import type { OverrideFiles } from '../repository/override-files.ts';
import { checkModelName, DUPLICATE_REASON } from '../repository/scan.ts';
import type { RepositorySource } from '../repository/source.ts';
import type { StagedModel, Staging } from '../repository/staging.ts';
import { Dependencies } from './dependencies.ts';
import { Exclusive, Semaphore } from './exclusive.ts';
import { type GenerationOptions, Generations, type Override } from './generations.ts';
import { impairments } from './instance-health.ts';
import { LoadFailures } from './load-failure.ts';
import type { IndexRow, ServedVersion } from './model-state.ts';
import { ambiguous, keyOf, type ModelId, Namespaces } from './namespaces.ts';
import { Publisher } from './publisher.ts';
import { judgeReadiness, type Readiness } from './readiness.ts';
import { type Model, ModelRegistry, takeStaged } from './registry.ts';
import { Retirement } from './retirement.ts';

export interface LifecycleOptions extends GenerationOptions {
  readonly engine: Engine;
  readonly sources: readonly RepositorySource[];
  /** models that may load at the same time */
  readonly loadThreads: number;
  readonly strictReadiness: boolean;
  /** absent = all */
  readonly readinessPolicy?: ReadinessPolicy;
  /** models of one name from several repositories are served, to those who need no name */
  readonly namespacing: boolean;
  /** calls for models that do not serve ask for them; absent = no */
  readonly onDemand?: boolean;
  /** where files of loads are kept */
  readonly staging: Pick<Staging, 'stage'>;
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
  readonly #failures: LoadFailures;
  readonly #generations: Generations;
  readonly #dependencies: Dependencies;
  #isStarted = false;
  readonly #exiting = new AbortController();
  #isLeaving = false;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#namespaces = new Namespaces(options.sources, options.namespacing);
    this.#models = new ModelRegistry(this.#namespaces);
    this.#slots = new Semaphore(options.loadThreads);
    this.#publisher = new Publisher(options.engine, () => this.#table());
    this.#retirement = new Retirement(options);
    this.#failures = new LoadFailures(this.#publisher, options.log);
    this.#generations = new Generations(options, {
      models: this.#models,
      namespaces: this.#namespaces,
      publisher: this.#publisher,
      retirement: this.#retirement,
      failures: this.#failures,
      exiting: this.#exiting.signal,
    });
    this.#dependencies = new Dependencies({
      models: this.#models,
      namespaces: this.#namespaces,
      exclusive: this.#exclusive,
      load: async (id) => {
        await this.#loadAlone(id, {});
      },
      rebuild: async (model) => {
        model.fingerprint = '';
        await this.#slots.run(() => this.#generations.replace(model.id, { config: model.config }));
      },
      suspend: (model) => this.#takeOut(model, model.state.suspend()),
    });
  }

  get isReady(): boolean {
    return this.readiness().isReady;
  }

  readiness(): Readiness {
    if (!this.#isStarted || this.#isLeaving) return NOT_READY;
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
    this.#publisher.hold();
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
    this.#publisher.release();
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

  /** Not ready from now on, all else as before; resolves when every I/O thread knows. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#publisher.publish();
  }

  /** Not ready from now on, no new load; resolves when every I/O thread knows. */
  async beginExit(): Promise<void> {
    this.#exiting.abort();
    await this.leave();
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
    const staged = await this.#stage(name, files);
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

  async #stage(name: string, files: OverrideFiles): Promise<StagedModel> {
    const { staging, log } = this.#options;
    try {
      return await staging.stage(name, files);
    } catch (thrown) {
      const { message, cause } = ServeError.from(thrown);
      log.error(`failed to load '${name}': ${message}${cause === undefined ? '' : `: ${cause}`}`);
      throw thrown;
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

  /** @returns as `Generations.replace` */
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
        return await this.#slots.run(() => this.#generations.replace(id, override));
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
      throw this.#failures.ofMember(model.state, ServeError.from(thrown));
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

  #table(): DispatchTable {
    this.#options.changed?.();
    const { isReady, needs } = this.readiness();
    return {
      live: true,
      ready: isReady,
      needs,
      exiting: this.#isLeaving,
      ...(this.#options.onDemand === true ? { onDemand: true } : {}),
      unknownModel: grpcNumber(this.#namespaces.unknownCode),
      models: this.#models.dispatch(),
    };
  }
}

const MOST_FAILED_STRAYS = 256;

const NOT_READY: Readiness = { isReady: false, waitsFor: [], needs: [] };

/** Waits for all, also when one fails. @throws what the first that failed threw */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
