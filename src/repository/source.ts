// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** One numbered folder of a model. */
export interface VersionFolder {
  readonly version: number;
  /** names directly inside, sorted */
  readonly files: readonly string[];
}

/** One model as a repository holds it. Nothing of it was interpreted. */
export interface ModelFolder {
  readonly name: string;
  /** the name is the repository's choice: it wins over that of the configuration */
  readonly isMapped?: boolean;
  /** location of its repository where models of that name from others are served too */
  readonly namespace?: string;
  /** text of its configuration; undefined when there is none */
  readonly configText: string | undefined;
  /** place of that text in the model; absent = config.pbtxt */
  readonly configFile?: string;
  /** ascending */
  readonly versions: readonly VersionFolder[];
  /** changes when a file of the model is added, removed, renamed or rewritten */
  readonly fingerprint: string;
  /** the same without its configurations; absent = nobody knows */
  readonly contents?: string;
  /** of all its files */
  readonly bytes?: number;
  /**
   * Where this machine has a file of the model.
   * @param path inside the model's folder, e.g. `1/model.onnx`
   * @returns absolute path; undefined when the model has no such file
   */
  locate(path: string): Promise<string | undefined>;
  /**
   * Of a model that is not on this machine: brings what a build of these versions may read. Until then `locate` finds
   * nothing.
   * @throws ServeError when it cannot; nothing is left behind then
   */
  fetch?(versions: readonly number[], signal?: AbortSignal): Promise<FetchedModel>;
}

/** Whether a file of a model is a configuration, by its place in it. */
export const isConfigFile = (path: string): boolean =>
  path === 'config.pbtxt' || /^configs\/[^/]+\.pbtxt$/.test(path);

/** Files of a model that were brought to this machine. */
export interface FetchedModel extends Pick<ModelFolder, 'locate'> {
  /** Removes them. To be called when nothing serves from them any more; calls after the first do nothing. */
  remove(): Promise<void>;
}

/** A place that holds models. */
export interface RepositorySource {
  /** how messages to the operator name it */
  readonly location: string;
  /**
   * Names of the models it holds, sorted.
   * @throws ServeError Internal when it cannot be read
   */
  list(signal?: AbortSignal): Promise<string[]>;
  /**
   * Reads one model.
   * @returns undefined when the repository does not hold it
   * @throws ServeError Internal when a file of it cannot be read
   */
  read(name: string, signal?: AbortSignal): Promise<ModelFolder | undefined>;
  /**
   * The fingerprint alone, for less than a reading costs.
   * @returns undefined when the repository does not hold the model
   */
  fingerprint(name: string, signal?: AbortSignal): Promise<string | undefined>;
}
