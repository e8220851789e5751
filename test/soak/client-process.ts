// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A client to be killed: twenty requests that wait in the queue of model `gated`, and a load on model `m` that does not
 * end. Arguments: where the server's HTTP and gRPC are.
 */
import { GrpcInferClient, HttpInferClient } from '../support/infer-clients.ts';

const QUEUED = 20;
const STREAMS = 8;

const [http = '', grpc = ''] = process.argv.slice(2);
const overHttp = new HttpInferClient(http, QUEUED + STREAMS);
const overGrpc = new GrpcInferClient(grpc);
const data = Buffer.alloc(4096);
const shape = [1, 1024] as const;
for (let i = 0; i < QUEUED; i++)
  void (i % 2 === 0 ? overHttp : overGrpc).infer({
    model: 'gated',
    shape: [1, 1],
    data: data.subarray(4092),
  });
await Promise.all(
  Array.from({ length: STREAMS }, async (_, i) => {
    for (;;) await (i % 2 === 0 ? overHttp : overGrpc).infer({ model: 'm', shape, data });
  }),
);
