// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from 'node:fs';

const TICK_NS = 10_000_000; // USER_HZ is 100 on every Linux this runs on

/** What a process and its descendants have used so far. */
export interface TreeUsage {
  /** On-CPU time of each live thread, nanoseconds, by thread id. */
  readonly threadNs: ReadonlyMap<number, number>;
  /** utime+stime of the processes and of their reaped children, in steps of 10 ms. */
  readonly ticksNs: number;
  readonly switches: number;
  readonly rssKiB: number;
  readonly processes: number;
}

/** CPU that a tree used between two readings. */
export interface CpuUse {
  readonly cpuNs: number;
  /** `ticks` when a thread that ended took its nanosecond count along. */
  readonly source: 'schedstat' | 'ticks';
  readonly switches: number;
}

export function readTree(rootPid: number): TreeUsage {
  const threadNs = new Map<number, number>();
  let ticksNs = 0;
  let switches = 0;
  let rssKiB = 0;
  const pids = descendants(rootPid);
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`);
    rssKiB += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    // Fields 14-17: utime, stime, cutime, cstime; the command name before them may hold spaces.
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticksNs += fields.slice(11, 15).reduce((sum, field) => sum + Number(field) * TICK_NS, 0);
    for (const tid of list(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${tid}`;
      threadNs.set(Number(tid), Number(read(`${folder}/schedstat`).split(' ')[0] ?? 0));
      for (const [, count] of read(`${folder}/status`).matchAll(/ctxt_switches:\s+(\d+)/g)) {
        switches += Number(count);
      }
    }
  }
  return { threadNs, ticksNs, switches, rssKiB, processes: pids.length };
}

export function cpuBetween(before: TreeUsage, after: TreeUsage): CpuUse {
  let cpuNs = 0;
  for (const [tid, ns] of after.threadNs) cpuNs += ns - (before.threadNs.get(tid) ?? 0);
  const switches = after.switches - before.switches;
  const ticksNs = after.ticksNs - before.ticksNs;
  const lost = [...before.threadNs.keys()].some((tid) => !after.threadNs.has(tid));
  // Threads born and gone between the readings show only in the ticks.
  const hidden = ticksNs - cpuNs > Math.max(3 * TICK_NS, 0.03 * cpuNs);
  if (lost || hidden) return { cpuNs: Math.max(ticksNs, cpuNs), source: 'ticks', switches };
  return { cpuNs, source: 'schedstat', switches };
}

/** Busy time of one core since boot, all processes and interrupts, nanoseconds. */
export function readCoreBusyNs(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(read('/proc/stat'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_NS;
}

function descendants(pid: number): number[] {
  const children = list(`/proc/${pid}/task`).flatMap((tid) =>
    read(`/proc/${pid}/task/${tid}/children`).split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(descendants)];
}

/** Empty when the thread or process is gone meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
