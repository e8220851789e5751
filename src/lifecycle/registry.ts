// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DispatchModel } from '../addon/dispatch-table.ts';
import { grpcNumber, notFound, ServeError, unavailable } from '../base/status.ts';
import type { StagedModel } from '../repository/staging.ts';
import { bindEnsembles, type OtherModels } from './ensembles.ts';
import { type IndexRow, ModelState, noVersions, type ServedVersion } from './model-state.ts';
import { ambiguous, keyOf, type ModelId, type Namespaces } from './namespaces.ts';

/** One model that was asked for. */
export interface Model {
  readonly id: ModelId;
  readonly state: ModelState;
  /** fingerprint of the folder the serving builds came from; empty when the next load must build anew */
  fingerprint: string;
  /** that folder's files without its configurations; undefined when nobody knows */
  contents: string | undefined;
  /** the files that the serving builds came from when they were brought for them */
  staged: Pick<StagedModel, 'remove'> | undefined;
  /** of an ensemble: names of the models its steps use */
  members: readonly string[];
  /** nobody asked for it but an ensemble that uses it */
  isPulled: boolean;
  /** configuration that its last load brought */
  config: string | undefined;
  /** no repository has it: its last load brought its files */
  isStray: boolean;
}

/** The models that were asked for, and what a request finds among them. */
export class ModelRegistry {
  readonly #namespaces: Pick<Namespaces, 'isOn' | 'unknownCode'>;
  readonly #models = new Map<string, Model>();

  constructor(namespaces: Pick<Namespaces, 'isOn' | 'unknownCode'>) {
    this.#namespaces = namespaces;
  }

  has(id: ModelId): boolean {
    return this.#models.has(keyOf(id));
  }

  get(id: ModelId): Model | undefined {
    return this.#models.get(keyOf(id));
  }

  /** Made when it is not there. */
  model(id: ModelId): Model {
    const key = keyOf(id);
    let model = this.#models.get(key);
    if (model === undefined) {
      model = {
        id,
        state: new ModelState(id.name),
        fingerprint: '',
        contents: undefined,
        staged: undefined,
        members: [],
        isPulled: false,
        config: undefined,
        isStray: false,
      };
      this.#models.set(key, model);
    }
    return model;
  }

  delete(id: ModelId): void {
    this.#models.delete(keyOf(id));
  }

  /** By their keys. */
  all(): Model[] {
    return [...this.#models].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, model]) => model);
  }

  /** Models that no repository has and that do not serve, in the order of their first load. */
  failedStrays(): Model[] {
    return [...this.#models.values()].filter(
      ({ isStray, state }) => isStray && state.served().length === 0,
    );
  }

  states(): ModelState[] {
    return [...this.#models.values()].map(({ state }) => state);
  }

  /** Models of that name, of whatever repository. */
  named(name: string): Model[] {
    if (this.#namespaces.isOn) {
      return [...this.#models.values()].filter(({ id }) => id.name === name);
    }
    const model = this.#models.get(name);
    return model === undefined ? [] : [model];
  }

  /** What a step of `user` means by a name: the model of its own repository, else the only one. */
  member(user: ModelId, name: string): Model | undefined {
    const own = this.get({ name, namespace: user.namespace });
    if (own !== undefined) return own;
    const [model, second] = this.#meant(name);
    return second === undefined ? model : undefined;
  }

  /** The other models as an ensemble finds them. */
  othersOf(user: ModelId): OtherModels {
    return {
      served: (name) => this.member(user, name)?.state.served() ?? [],
      rows: (name) => {
        const state = this.member(user, name)?.state;
        return state?.hasVersions === true ? state.rows() : undefined;
      },
    };
  }

  /** As `ModelLifecycle.find`. */
  find(name: string, version?: number): ServedVersion {
    const [model, second] = this.#meant(name);
    if (second !== undefined) throw ambiguous(name, this.#meant(name).length);
    if (model === undefined || !model.state.hasVersions) {
      const { unknownCode } = this.#namespaces;
      throw new ServeError(unknownCode, `Request for unknown model: '${name}' is not found`);
    }
    const served = model.state.served();
    if (version === undefined) {
      const newest = served.at(-1);
      if (newest === undefined) throw notFound(noVersions(name));
      return newest;
    }
    const found = served.find((one) => one.version === version);
    if (found !== undefined) return found;
    if (model.state.stateOf(version) === undefined) {
      throw notFound(`Request for unknown model: '${name}' version ${version} is not found`);
    }
    throw unavailable(
      `Request for unknown model: '${name}' version ${version} is not at ready state`,
    );
  }

  /** As `ModelLifecycle.served`. */
  served(name: string): ServedVersion[] {
    const [model, second] = this.#meant(name);
    return model === undefined || second !== undefined ? [] : model.state.served();
  }

  allServed(): ServedVersion[] {
    return this.all().flatMap(({ state }) => state.served());
  }

  /** Models that were asked for and not unloaded since. */
  wanted(): ModelId[] {
    return this.all().flatMap(({ id, state }) => (state.isWanted ? [id] : []));
  }

  rows(): IndexRow[] {
    return this.all().flatMap(({ state }) => state.rows());
  }

  /** One entry for each name that clients can know. */
  dispatch(): DispatchModel[] {
    const names = new Set([...this.#models.values()].map(({ id }) => id.name));
    const ensembles = this.all().flatMap(({ id, state }) =>
      state
        .served()
        .flatMap((build) =>
          build.plan.ensemble === undefined ? [] : [{ build, others: this.othersOf(id) }],
        ),
    );
    const bound = bindEnsembles(ensembles);
    return [...names].flatMap((name) => this.#dispatch(name, bound) ?? []);
  }

  #dispatch(
    name: string,
    bound: ReadonlyMap<number, readonly number[]>,
  ): DispatchModel | undefined {
    const meant = this.#meant(name);
    if (meant.length < 2) return meant[0]?.state.dispatch(bound);
    const { code, message } = ambiguous(name, meant.length);
    return { name, versions: [], unavailable: { code: grpcNumber(code), message } };
  }

  /** What a request for that name may mean: the models that were asked for; when there is none, one of the others. */
  #meant(name: string): Model[] {
    const named = this.named(name);
    const wanted = named.filter(({ state }) => state.isWanted);
    return wanted.length > 0 ? wanted : named.slice(0, 1);
  }
}

/** The files that a model was built from are the caller's to remove from now on. */
export function takeStaged(model: Model): Model['staged'] {
  const { staged } = model;
  model.staged = undefined;
  return staged;
}
