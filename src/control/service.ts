// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { LogSettingsVerbs } from './log-settings.ts';
import type { MemoryQueries } from './memory.ts';
import type { ModelQueries } from './models.ts';
import type { RepositoryVerbs } from './repository.ts';
import type { ServerMetadata } from './server.ts';
import type { SharedMemory } from './shared-memory.ts';
import type { StatisticsQueries } from './statistics.ts';
import type { TraceVerbs } from './trace.ts';
import type { TuningQueries } from './tuning.ts';

/** The control verbs, written once; HTTP and gRPC are two thin columns over it. */
export interface ControlService {
  readonly metadata: ServerMetadata;
  readonly models: ModelQueries;
  readonly memory: MemoryQueries;
  readonly repository: RepositoryVerbs;
  readonly sharedMemory: SharedMemory;
  readonly statistics: StatisticsQueries;
  readonly logSettings: LogSettingsVerbs;
  readonly trace: TraceVerbs;
  readonly tuning: TuningQueries;
}
