// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import type { HttpReply } from '../addon/control-call.ts';
import type { RouteRow } from '../addon/routes.ts';
import type { TensorMetadata } from '../control/models.ts';
import { curlCommand } from './example-request.ts';
import { type DocumentedModel, exampleOf, modelPath, modelRoutes } from './openapi.ts';

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0 0 1.5rem; }
th, td { text-align: left; padding: .25rem .75rem; border: 1px solid #8886; vertical-align: top; }
pre { padding: 1rem; border: 1px solid #8886; overflow-x: auto; white-space: pre-wrap; word-break: break-all; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } a { color: #8bf; } }
`;

// Nothing is fetched, nothing runs, nobody frames it.
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = [
  'content-type',
  'text/html; charset=utf-8',
  'content-security-policy',
  POLICY,
  'x-content-type-options',
  'nosniff',
  'referrer-policy',
  'no-referrer',
] as const;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it, in an element or a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);

/** The page of the server: its models and its routes. */
export function serverPage(
  title: string,
  models: readonly string[],
  routes: readonly RouteRow[],
): HttpReply {
  const links = models.map((name) => {
    const href = `/v2/models/${encodeURIComponent(name)}/docs`;
    return `<li><a href="${escapeHtml(href)}">${escapeHtml(name)}</a></li>`;
  });
  return page(title, [
    '<p><a href="/v2/docs/openapi.json">OpenAPI document</a></p>',
    '<h2>Models</h2>',
    links.length === 0 ? '<p>No model serves.</p>' : `<ul>${links.join('')}</ul>`,
    '<h2>Routes</h2>',
    table(
      ['methods', 'path', 'API'],
      routes.map(({ methods, pattern, api }) => [
        methods.join(', '),
        code(pattern),
        escapeHtml(api),
      ]),
    ),
  ]);
}

/**
 * The page of one model.
 * @param origin where the server is reached, e.g. `http://localhost:8000`
 */
export function modelPage(
  model: DocumentedModel,
  versions: readonly string[],
  platform: string,
  origin: string,
  routes: readonly RouteRow[],
): HttpReply {
  const path = `/v2/models/${encodeURIComponent(model.name)}`;
  const url = `${origin}${path}/infer`;
  const example = model.decoupled
    ? ['<p>A decoupled model: it answers <code>generate_stream</code> and gRPC streams.</p>']
    : [
        '<h2>Try it</h2>',
        `<pre><code>${escapeHtml(curlCommand(url, exampleOf(model)))}</code></pre>`,
      ];
  return page(model.name, [
    `<p>Versions ${escapeHtml(versions.join(', '))}; platform ${escapeHtml(platform)}. ` +
      `<a href="${escapeHtml(`${path}/docs/openapi.json`)}">OpenAPI document</a>, ` +
      '<a href="/v2/docs">all models</a></p>',
    '<h2>Inputs</h2>',
    tensors(model.inputs),
    '<h2>Outputs</h2>',
    tensors(model.outputs),
    ...example,
    '<h2>Routes</h2>',
    table(
      ['methods', 'path'],
      modelRoutes(model, routes).map((row) => [
        row.methods.join(', '),
        code(modelPath(row, model.name)),
      ]),
    ),
  ]);
}

function tensors(list: readonly (TensorMetadata & { readonly optional?: boolean })[]): string {
  return table(
    ['name', 'datatype', 'shape', ''],
    list.map(({ name, datatype, shape, optional }) => [
      code(name),
      datatype,
      code(`[${shape.join(', ')}]`),
      optional === true ? 'optional' : '',
    ]),
  );
}

const code = (text: string): string => `<code>${escapeHtml(text)}</code>`;

/** @param rows HTML already */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text) => `<${tag}>${text}</${tag}>`).join('')}</tr>`;
  return `<table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table>`;
}

function page(title: string, parts: readonly string[]): HttpReply {
  const name = escapeHtml(title);
  const body =
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${name}</title>` +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<style>${STYLE}</style></head><body><h1>${name}</h1>\n${parts.join('\n')}\n</body></html>\n`;
  return { status: 200, headers: HEADERS, body };
}
