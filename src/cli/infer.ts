// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { invalidArgument } from '../base/status.ts';
import { plotAnswer } from './answer-plot.ts';
import { Client, DEFAULT_URL } from './client.ts';
import { type InputSpec, imageInput, readImage } from './image.ts';
import { type Output, stdout } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const TIMEOUT_MS = 60_000;
const PNG_MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

export const INFER_HELP = `Usage: nereid infer MODEL FILE.png [--url=URL] [--json]
       nereid infer MODEL REQUEST.json [--url=URL] [--json]
       nereid infer MODEL --input NAME=VALUES … [--url=URL] [--json]

Asks a running server once and prints the answer. A PNG is fitted to the model's image input; a JSON file is sent as it
is (a KServe v2 request); --input takes comma-separated values, whose shape follows from the model.

  --url=URL             the server's HTTP address; default ${DEFAULT_URL}
  --input NAME=VALUES   values of one input; may be given several times
  --json                print the server's answer as it is

Examples:
  nereid infer digits docs/examples/digits/7.png
  nereid infer simple_string --input INPUT0=1,2,3 --json
`;

interface Metadata {
  readonly inputs: readonly { name: string; datatype: string; shape: readonly number[] }[];
}

interface Config {
  readonly max_batch_size?: number;
  readonly input?: readonly InputSpec[];
  readonly parameters?: Readonly<Record<string, { readonly string_value?: string }>>;
}

/** @returns exit code */
export async function runInfer(argv: readonly string[], out: Output = stdout): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      url: { type: 'string', default: DEFAULT_URL },
      json: { type: 'boolean' },
      input: { type: 'string', multiple: true, default: [] },
    },
  });
  const [model, file, extra] = positionals;
  const hasInputs = values.input.length > 0;
  if (model === undefined || extra !== undefined || (file === undefined) !== hasInputs) {
    throw new UsageError(
      'nereid infer: expected a model and one file, or a model and --input',
      'infer',
    );
  }
  const client = new Client(values.url, TIMEOUT_MS);
  const path = `/v2/models/${encodeURIComponent(model)}`;
  const request =
    file === undefined
      ? await requestFromValues(client, path, values.input)
      : await requestFromFile(client, path, model, file);
  const text = await client.post(`${path}/infer`, request);
  out.write(values.json === true ? `${text}\n` : plotAnswer(text, out));
  return 0;
}

async function requestFromFile(
  client: Client,
  path: string,
  model: string,
  file: string,
): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw invalidArgument(`cannot read '${file}': ${error.code ?? error.message}`);
  });
  if (!bytes.subarray(0, PNG_MAGIC.length).equals(PNG_MAGIC)) return bytes.toString('utf8');
  const config = JSON.parse(await client.get(`${path}/config`)) as Config;
  const range = config.parameters?.image_range?.string_value;
  for (const input of config.input ?? []) {
    const image = imageInput(input, range);
    if (image === undefined) continue;
    const data = Array.from(await readImage(bytes, image));
    const dims = input.dims.map(Number);
    const shape = (config.max_batch_size ?? 0) > 0 ? [1, ...dims] : dims;
    return JSON.stringify({ inputs: [{ name: input.name, shape, datatype: 'FP32', data }] });
  }
  throw invalidArgument(
    `model '${model}' takes no image: expected an FP32 input of FORMAT_NCHW or FORMAT_NHWC with one channel`,
  );
}

async function requestFromValues(
  client: Client,
  path: string,
  given: readonly string[],
): Promise<string> {
  const { inputs } = JSON.parse(await client.get(path)) as Metadata;
  const tensors = given.map((text) => {
    const equals = text.indexOf('=');
    const name = text.slice(0, Math.max(0, equals));
    const spec = inputs.find((input) => input.name === name);
    if (equals < 1 || spec === undefined) {
      const names = inputs.map((input) => input.name).join(', ');
      throw invalidArgument(`--input ${text}: expected NAME=VALUES with one of the names ${names}`);
    }
    const data = text
      .slice(equals + 1)
      .split(',')
      .map((word) => element(spec.datatype, word));
    // JSON numbers are written by hand: 64-bit integers would not survive a JavaScript number.
    return `{"name":${JSON.stringify(name)},"shape":${JSON.stringify(fitShape(spec.shape, data.length))},"datatype":"${spec.datatype}","data":[${data.join(',')}]}`;
  });
  return `{"inputs":[${tensors.join(',')}]}`;
}

function element(datatype: string, word: string): string {
  if (datatype === 'BYTES') return JSON.stringify(word);
  const value = word.trim();
  if (datatype === 'BOOL') {
    if (value === 'true' || value === '1') return 'true';
    if (value === 'false' || value === '0') return 'false';
  } else if (value !== '' && Number.isFinite(Number(value)) && !/[xob]/i.test(value)) {
    return value.replace(/^\+/, '');
  }
  throw invalidArgument(`expected values of ${datatype}, got '${word}'`);
}

/**
 * Fits a shape with free dimensions to a number of elements: the last free one takes what is left, the others 1.
 * @throws ServeError InvalidArgument when the elements do not fill it
 */
export function fitShape(shape: readonly number[], count: number): number[] {
  const last = shape.lastIndexOf(-1);
  const fixed = shape.reduce((product, dim) => (dim < 0 ? product : product * dim), 1);
  const rest = fixed === 0 ? 0 : count / fixed;
  const fitted = shape.map((dim, i) => (dim >= 0 ? dim : i === last ? rest : 1));
  if (!Number.isInteger(rest) || fitted.reduce((product, dim) => product * dim, 1) !== count) {
    throw invalidArgument(`expected values for shape [${shape.join(',')}], got ${count} values`);
  }
  return fitted;
}
