// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Why a version cannot serve, as the client is told. */
export interface UnavailableReason {
  readonly code: number;
  readonly message: string;
}

/** One version in the dispatch table. */
export interface DispatchVersion {
  readonly version: number;
  /** handle returned by `load`, or undefined when the version is not served */
  readonly handle?: number;
  /** of an ensemble: the handle that each of its steps uses */
  readonly steps?: readonly number[];
  readonly ready: boolean;
}

/** One model in the dispatch table. */
export interface DispatchModel {
  readonly name: string;
  /** ready versions; a request without a version goes to the highest */
  readonly versions: readonly DispatchVersion[];
  /** answer to an infer call when no version serves, e.g. `Request for unknown model: 'm' has no available versions` */
  readonly unavailable: UnavailableReason;
}

/**
 * The one immutable table the infer path reads. `publish` swaps it on every I/O thread and resolves when each has
 * acknowledged, so a load or unload that has answered is seen by the next request everywhere.
 */
export interface DispatchTable {
  readonly live: boolean;
  readonly ready: boolean;
  /** true while the server drains: readiness answers 503 `Server exiting`; open connections are served to their end */
  readonly exiting: boolean;
  /** the server is ready only while one build of each list has an instance that works, too: handles; absent = none */
  readonly needs?: readonly (readonly number[])[];
  /** a call for a model that does not serve is a demand for it; absent = no */
  readonly onDemand?: boolean;
  /** gRPC's number for a request for a model that is not in the table; absent = NOT_FOUND */
  readonly unknownModel?: number;
  readonly models: readonly DispatchModel[];
}
