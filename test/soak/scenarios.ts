// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { churn } from './churn.ts';
import { kills, reloads, unloads } from './live-changes.ts';
import { memoryPressure } from './memory-pressure.ts';
import { mixed } from './mixed.ts';
import { overload } from './overload.ts';
import { rollingRestart } from './rolling-restart.ts';
import { rowIntegrity } from './rows.ts';
import type { Scenario } from './scenario.ts';
import { clientDeadlines, deadlines, disconnects } from './storms.ts';

export const scenarios: readonly Scenario[] = [
  rowIntegrity,
  overload,
  memoryPressure,
  deadlines,
  disconnects,
  clientDeadlines,
  reloads,
  unloads,
  kills,
  churn,
  mixed,
  rollingRestart,
];
