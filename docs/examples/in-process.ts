// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Runs the model `digits` inside this process: no socket, and the event loop stays free meanwhile.
//
//   node docs/examples/in-process.ts [model repository]      default model_repository

import { readFile } from 'node:fs/promises';
import { createServer } from 'nereid-server';

const modelRepository = process.argv[2] ?? 'model_repository';
const request = JSON.parse(await readFile(new URL('digits/7.json', import.meta.url), 'utf8')) as {
  inputs: { data: number[] }[];
};
const pixels = Float32Array.from(request.inputs[0]?.data ?? []);

const server = await createServer({ modelRepository });
await server.load('digits');
const answer = await server.infer('digits', {
  inputs: { image: { shape: [1, 1, 8, 8], datatype: 'FP32', data: pixels } },
});
const label = Number(answer.outputs.label?.data[0]);
const probability = Number(answer.outputs.probabilities?.data[label]);
console.log(`digit ${label}, probability ${probability.toFixed(3)}`);
await server.close();
