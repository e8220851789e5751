// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Commit, MachineCard } from './machine.ts';
import type { Sample, ScenarioResult } from './measure.ts';
import { type Limit, METRIC_TITLES, type Metric } from './scenario.ts';
import { type Spread, spread } from './statistics.ts';

/** What `npm run bench` writes: everything the tables are made of. */
export interface BenchResult {
  readonly schema: 1;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly commit: Commit;
  readonly machine: MachineCard;
  readonly options: Readonly<Record<string, unknown>>;
  readonly peers: readonly string[];
  readonly skippedPeers: readonly string[];
  readonly scenarios: readonly (ScenarioResult & {
    readonly summary: Readonly<Record<string, Summary>>;
    readonly verdicts: readonly Verdict[];
  })[];
}

export type Summary = Readonly<Partial<Record<Metric | 'requestsPerSecond', Spread>>>;

export interface Verdict {
  readonly metric: Metric;
  readonly nereid: Spread;
  readonly triton: Spread | undefined;
  /** The limit in force: the greater of the two that the rule allows. */
  readonly limit: number;
  readonly isHeld: boolean;
  /** How the limit in force came about. */
  readonly by: string;
}

const METRICS = [...Object.keys(METRIC_TITLES), 'requestsPerSecond'] as (keyof Summary)[];

export function summarize(samples: readonly Sample[]): Record<string, Summary> {
  const byPeer = Map.groupBy(samples, (sample) => sample.peer);
  return Object.fromEntries(
    [...byPeer].map(([peer, own]) => [
      peer,
      Object.fromEntries(
        METRICS.map((metric) => [metric, own.flatMap((sample) => sample[metric] ?? [])] as const)
          .filter(([, values]) => values.length > 0)
          .map(([metric, values]) => [metric, spread(values)]),
      ),
    ]),
  );
}

/** Judges Nereid's medians by the scenario's limits; a limit that cannot be judged is left out. */
export function judge(
  limits: readonly Limit[],
  summary: Readonly<Record<string, Summary>>,
): Verdict[] {
  return limits.flatMap((limit) => {
    const nereid = summary['nereid']?.[limit.metric];
    const triton = summary['triton']?.[limit.metric];
    if (nereid === undefined) return [];
    const candidates: { limit: number; by: string }[] = [];
    if (limit.atMost !== undefined) candidates.push({ limit: limit.atMost, by: 'the number' });
    if (triton !== undefined && limit.atMost === undefined) {
      candidates.push({ limit: triton.median, by: "Triton's in this run" });
    } else if (triton !== undefined && limit.atMost !== undefined && limit.triton !== undefined) {
      const share = limit.atMost / limit.triton;
      candidates.push({ limit: triton.median * share, by: `Triton's × ${share.toFixed(3)}` });
    }
    const best = candidates.sort((a, b) => b.limit - a.limit)[0];
    if (best === undefined) return [];
    return [{ metric: limit.metric, nereid, triton, ...best, isHeld: nereid.median <= best.limit }];
  });
}

/** The printed report, Markdown. */
export function writeReport(result: BenchResult): string {
  return [
    `# Bench of ${result.startedAt.slice(0, 10)}, commit ${result.commit.id}${result.commit.isDirty ? ' with uncommitted changes' : ''}`,
    '',
    ...machineLines(result),
    '',
    '## Limits',
    'Cells are min/**median**/max. A limit holds if the median is at most the number, or at most Triton’s median of this run × (number / Triton’s figure when the number was set).',
    '',
    ...limitTable(result),
    '',
    '## All figures',
    ...result.scenarios.flatMap(scenarioLines),
    '',
  ].join('\n');
}

function machineLines({ machine, options, skippedPeers, scenarios }: BenchResult): string[] {
  const servers = new Set(
    scenarios.flatMap(({ samples }) =>
      samples.flatMap(({ peer, server }) =>
        server === undefined ? [] : `${peer} (says ${server})`,
      ),
    ),
  );
  const share = spread(
    scenarios.flatMap(({ samples }) => samples.map(({ neighbours }) => neighbours)),
  );
  return [
    `- Machine: ${machine.cpu}, ${machine.cores} cores${machine.hypervisor ? ' (virtual)' : ''}, ${machine.memoryGiB} GiB; Linux ${machine.kernel}; ${machine.glibc}`,
    `- Software: Node ${machine.node}; ${machine.compiler}; client ${machine.client}; servers ${[...servers].join(', ') || 'none'}`,
    `- Method: ${options['rounds']} rounds of ${options['seconds']} s, peers interleaved, a fresh process each; server on core ${options['serverCore']}, client on core ${options['clientCore']}, nice ${machine.nice}`,
    `- Load average at the start ${machine.loadAverage.join(' / ')}; share of the server's core that went to others: median ${percent(share.median)}, worst ${percent(share.max)}`,
    ...skippedPeers.map((why) => `- Left out: ${why}`),
  ];
}

function limitTable({ scenarios }: BenchResult): string[] {
  const rows = scenarios.flatMap(({ scenario, verdicts }) =>
    verdicts.map(({ metric, nereid, triton, limit, by, isHeld }) => [
      scenario.title,
      METRIC_TITLES[metric],
      cell(nereid),
      cell(triton),
      triton === undefined ? '–' : `${(triton.median / nereid.median).toFixed(1)}×`,
      `${figure(limit)} (${by})`,
      isHeld ? 'held' : `**missed by ${percent(nereid.median / limit - 1)}**`,
    ]),
  );
  if (rows.length === 0) return ['Without figures of Nereid no limit is judged.'];
  return table(['case', 'figure', 'Nereid', 'Triton', 'Triton/Nereid', 'limit', 'verdict'], rows);
}

function scenarioLines({
  scenario,
  summary,
  failures,
  ortLoop,
  copyLoop,
}: BenchResult['scenarios'][number]): string[] {
  const columns = METRICS.filter((metric) =>
    Object.values(summary).some((figures) => figures[metric] !== undefined),
  );
  const title = (metric: keyof Summary) =>
    metric === 'requestsPerSecond' ? 'requests/s' : METRIC_TITLES[metric];
  const rows = Object.entries(summary).map(([peer, figures]) => [
    peer,
    ...columns.map((metric) => cell(figures[metric])),
  ]);
  return [
    '',
    `### ${scenario.title} (\`${scenario.name}\`)`,
    ...table(['peer', ...columns.map(title)], rows),
    ...ortLines(ortLoop),
    ...copyLines(copyLoop),
    ...failures.map(({ peer, round, error }) => `- **failed**: ${peer}, round ${round}: ${error}`),
  ];
}

function ortLines(loops: ScenarioResult['ortLoop']): string[] {
  const first = loops[0];
  if (first === undefined) return [];
  const cells = first.batches.map(({ rows }, i) => {
    const ofBatch = loops.flatMap(({ batches }) => batches[i] ?? []);
    const calls = spread(ofBatch.map(({ cpuNs, calls }) => cpuNs / calls / 1000));
    return `${rows} rows ${cell(calls)} µs a call = ${(calls.median / rows).toFixed(2)} a row`;
  });
  return ['', `ONNX Runtime ${first.version} alone, in a loop: ${cells.join('; ')}`];
}

function copyLines(perMiB: readonly number[]): string[] {
  if (perMiB.length === 0) return [];
  return ['', `memcpy from region to region alone, in a loop: ${cell(spread(perMiB))} µs per MiB`];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

function cell(value: Spread | undefined): string {
  if (value === undefined) return '–';
  return `${figure(value.min)}/**${figure(value.median)}**/${figure(value.max)}`;
}

function figure(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value >= 200 ? value.toFixed(0) : value.toFixed(value >= 20 ? 1 : 2);
}

export function percent(share: number): string {
  if (Number.isNaN(share)) return '–';
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
