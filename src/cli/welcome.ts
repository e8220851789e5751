// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ListenResult } from '../addon/listen-options.ts';
import type { StartFailure } from '../lifecycle/lifecycle.ts';
import type { IndexRow, ServedVersion } from '../lifecycle/model-state.ts';
import { packageVersion } from '../server/package-version.ts';
import type { Addresses } from '../server/server.ts';
import { sampleRequest, shellWord } from './sample-request.ts';
import { columns, type Output, styled } from './terminal.ts';

/** The line that tools wait for, e.g. `Started HTTPService at 127.0.0.1:8000`. */
export function startLine(service: string, at: ListenResult): string {
  return `Started ${service} at ${hostPort(at.host, at.port)}`;
}

/** The block of models that Triton prints before it opens its ports. */
export function modelTable(rows: readonly IndexRow[]): string {
  const cells = [['Model', 'Version', 'Status']];
  for (const { name, version, state, reason } of rows) {
    const status = reason === undefined ? (state ?? '') : `${state}: ${oneLine(reason)}`;
    cells.push([name, version === undefined ? '-' : String(version), status]);
  }
  const widths = [0, 1, 2].map((i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (row: readonly string[]): string =>
    `|${row.map((cell, i) => ` ${cell.padEnd(widths[i] ?? 0)} `).join('|')}|`;
  const [head = [], ...body] = cells;
  return [rule, line(head), rule, ...body.map(line), rule].join('\n');
}

/** What `nereid serve` tells a person: what is served, where, and one line to try it. */
export function welcome(
  addresses: Addresses,
  served: readonly ServedVersion[],
  failures: readonly StartFailure[],
  out: Output,
  httpScheme: 'http' | 'https' = 'http',
): string {
  const lines = ['', styled(out, 'bold', `Nereid ${packageVersion()} serves`), ''];
  const rows = served.map(({ plan }) => [
    plan.name,
    `version ${plan.version}`,
    plan.backend,
    signature(
      plan.inputs.map((one) => one.name),
      plan.outputs.map((one) => one.name),
    ),
  ]);
  lines.push(...columns(rows).map((row) => `  ${row}`));
  if (rows.length === 0) lines.push('  no model yet: load one with `nereid models load NAME`');
  for (const { name, error } of failures) {
    lines.push(`  ${styled(out, 'red', name)}  not served: ${oneLine(error.message)}`);
  }
  lines.push('');
  const { http, grpc, metrics } = addresses;
  if (http !== undefined) lines.push(`  HTTP     ${urlOf(http, httpScheme)}`);
  if (grpc !== undefined) lines.push(`  gRPC     ${hostPort(reachable(grpc.host), grpc.port)}`);
  if (metrics !== undefined) lines.push(`  metrics  ${urlOf(metrics)}/metrics`);
  if (http !== undefined) lines.push('', 'Try it:', '', `  ${curlLine(http, served, httpScheme)}`);
  lines.push('', styled(out, 'dim', 'Ctrl-C stops the server.'), '', '');
  return lines.join('\n');
}

/** A command that works when pasted into a shell on this machine. */
export function curlLine(
  http: ListenResult,
  served: readonly ServedVersion[],
  scheme: 'http' | 'https' = 'http',
): string {
  const sorted = [...served].sort((a, b) => rank(a) - rank(b));
  for (const { plan } of sorted) {
    const request = sampleRequest(plan);
    if (request === undefined) continue;
    const url = `${urlOf(http, scheme)}/v2/models/${encodeURIComponent(plan.name)}/infer`;
    return `curl -s ${shellWord(url)} -d ${shellWord(request)}`;
  }
  return `curl -s ${urlOf(http, scheme)}/v2`;
}

// The example that shows most comes first.
const rank = ({ plan }: ServedVersion): number => (plan.name === 'digits' ? 0 : 1);

function signature(inputs: readonly string[], outputs: readonly string[]): string {
  return `${inputs.join(', ')} → ${outputs.join(', ')}`;
}

function urlOf({ host, port }: ListenResult, scheme = 'http'): string {
  return `${scheme}://${hostPort(reachable(host), port)}`;
}

// A server that listens everywhere is reached on this machine by its loopback name.
function reachable(host: string): string {
  return host === '0.0.0.0' || host === '::' || host === '' ? 'localhost' : host;
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
