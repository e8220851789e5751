// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { projectRoot } from './nereid.ts';

export interface GrpcAnswer {
  /** the name of the status, `OK` included */
  readonly code: string;
  readonly details: string;
  readonly message: Record<string, unknown> | undefined;
}

interface Method {
  readonly path: string;
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

let methods: Record<string, Method> | undefined;

function methodOf(name: string): Method {
  methods ??= loadSync(`${projectRoot}protos/inference.proto`, { keepCase: true, longs: String })[
    'inference.GRPCInferenceService'
  ] as unknown as Record<string, Method>;
  const method = methods[name];
  if (method === undefined) throw new Error(`the service has no method ${name}`);
  return method;
}

/** Calls the unary methods of the inference service through grpc-js. */
export class GrpcClient implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  call(
    name: string,
    message: object = {},
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<GrpcAnswer> {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    const headers = new Metadata();
    for (const [key, value] of Object.entries(metadata)) headers.add(key, value);
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, answer?: object): void =>
        resolve({
          code: status[error?.code ?? 0] ?? 'UNKNOWN',
          details: error?.details ?? '',
          message: answer as Record<string, unknown> | undefined,
        });
      const options = { deadline: Date.now() + 30_000 };
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        headers,
        options,
        done,
      );
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
