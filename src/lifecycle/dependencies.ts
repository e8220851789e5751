// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelConfig } from '../config/model-config.ts';
import type { ModelFolder } from '../repository/source.ts';
import { checkCycles, membersOf } from './ensembles.ts';
import type { Exclusive } from './exclusive.ts';
import { draftModel } from './loader.ts';
import { keyOf, type ModelId, type Namespaces } from './namespaces.ts';
import type { Model, ModelRegistry } from './registry.ts';

/** What the lifecycle does for its ensembles. */
export interface DependencyPorts {
  readonly models: ModelRegistry;
  readonly namespaces: Pick<Namespaces, 'identify' | 'read'>;
  readonly exclusive: Exclusive;
  /** loads a model and leaves the ensembles that use it as they are */
  readonly load: (id: ModelId) => Promise<void>;
  /** builds a model anew; the caller has it to itself */
  readonly rebuild: (model: Model) => Promise<void>;
  /** takes a model out of service that is still wanted; the caller has it to itself */
  readonly suspend: (model: Model) => Promise<void>;
}

/** Brings the models that ensembles need, and the ensembles after their models. */
export class Dependencies {
  readonly #ports: DependencyPorts;

  constructor(ports: DependencyPorts) {
    this.#ports = ports;
  }

  /**
   * Loads the models of an ensemble that do not serve. Why one of them cannot be loaded is told by the ensemble's own
   * check.
   * @param source what the ensemble is loaded from: its configuration if the load brings one, its folder if that does
   * @throws MemberError when the ensemble is a step of itself
   */
  async loadMembers(
    id: ModelId,
    source: { readonly config?: string | undefined; readonly folder?: ModelFolder | undefined },
  ): Promise<void> {
    const { models, load } = this.#ports;
    const config = await this.#configOf(id, source.config, source.folder);
    const members = config === undefined ? [] : membersOf(config);
    if (config === undefined || members.length === 0) return;
    await checkCycles(config, async (name) => this.#configOf(await this.#memberId(id, name)));
    const missing = members.filter((name) => !this.#serves(id, name));
    await Promise.all(
      missing.map(async (name) => {
        const member = await this.#memberId(id, name);
        const isNew = !models.has(member);
        await load(member).catch(() => undefined);
        const model = models.get(member);
        if (model !== undefined && isNew) model.isPulled = true;
      }),
    );
  }

  /** Brings the ensembles above a model to what it is now. */
  async follow(id: ModelId): Promise<void> {
    for (const user of this.#usersOf(id)) {
      await this.#ports.exclusive.run(keyOf(user), () => this.#renew(user)).catch(() => undefined);
      await this.follow(user);
    }
  }

  /** Members of an ensemble that nobody else needs. */
  unneeded(id: ModelId, members: readonly string[]): ModelId[] {
    return members.flatMap((name) => {
      const model = this.#ports.models.member(id, name);
      return model?.isPulled === true && this.#usersOf(model.id).length === 0 ? [model.id] : [];
    });
  }

  async #renew(id: ModelId): Promise<void> {
    const { models, suspend, rebuild } = this.#ports;
    const model = models.get(id);
    if (model === undefined || !model.state.isWanted) return;
    if (!model.members.every((name) => this.#serves(id, name))) return suspend(model);
    try {
      await rebuild(model);
    } catch (thrown) {
      await suspend(model);
      throw thrown;
    }
  }

  /** A version of the ensemble's member is in service. */
  #serves(ensemble: ModelId, member: string): boolean {
    return (this.#ports.models.member(ensemble, member)?.state.served() ?? []).length > 0;
  }

  /** Ensembles that are asked for and use the model. */
  #usersOf(id: ModelId): ModelId[] {
    const { models } = this.#ports;
    const uses = (user: Model): boolean =>
      user.members.includes(id.name) &&
      keyOf(models.member(user.id, id.name)?.id ?? id) === keyOf(id);
    return models
      .all()
      .filter((user) => user.state.isWanted && uses(user))
      .map((user) => user.id);
  }

  async #memberId(user: ModelId, name: string): Promise<ModelId> {
    const known = this.#ports.models.member(user, name);
    if (known !== undefined) return known.id;
    const ids = await this.#ports.namespaces.identify(name);
    return ids.find(({ namespace }) => namespace === user.namespace) ?? ids[0];
  }

  /** @returns undefined for a configuration that cannot be read */
  async #configOf(
    id: ModelId,
    config?: string,
    folder?: ModelFolder,
  ): Promise<ModelConfig | undefined> {
    try {
      const read = folder ?? (await this.#ports.namespaces.read(id));
      return { ...draftModel(read, config).config, name: id.name };
    } catch {
      return undefined;
    }
  }
}
