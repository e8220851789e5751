// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, GrpcReply, HttpReply } from '../../src/addon/control-call.ts';
import { Log } from '../../src/base/log.ts';
import { defaultOptions } from '../../src/config/options.ts';
import type { ServerOptions } from '../../src/config/server-options.ts';
import { Server } from '../../src/server/server.ts';
import { FakeEngine, fakeBinding } from './fake-engine.ts';

/** A whole control plane over the fake engine; calls go in and replies come out as native would see them. */
export class FakeServer implements AsyncDisposable {
  readonly engine = new FakeEngine();
  readonly server: Server;
  #token = 1;

  constructor(repository: string, options: Partial<ServerOptions> = {}) {
    this.server = new Server({
      binding: fakeBinding(this.engine),
      options: {
        ...defaultOptions(options.program ?? 'tritonserver'),
        modelRepositories: [repository],
        modelControlMode: 'explicit',
        allowMetrics: false,
        ...options,
      },
      log: new Log(undefined, () => undefined),
    });
  }

  async http(
    method: string,
    path: string,
    body = '',
    service: ControlCall['service'] = 'http',
    headers: readonly string[] = [],
  ): Promise<HttpReply> {
    const token = this.#token++;
    const call = this.#call(token, 'http', service, method, path, Buffer.from(body));
    this.engine.deliver([{ ...call, headers }]);
    return this.#reply(this.engine.httpReplies, token);
  }

  async grpc(path: string, body: Uint8Array = new Uint8Array(0)): Promise<GrpcReply> {
    const token = this.#token++;
    this.engine.deliver([this.#call(token, 'grpc', 'grpc', 'POST', path, body)]);
    return this.#reply(this.engine.grpcReplies, token);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close(0);
  }

  async #reply<T>(replies: ReadonlyMap<number, T>, token: number): Promise<T> {
    for (;;) {
      const reply = replies.get(token);
      if (reply !== undefined) return reply;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #call(
    token: number,
    protocol: ControlCall['protocol'],
    service: ControlCall['service'],
    method: string,
    path: string,
    body: Uint8Array,
  ): ControlCall {
    const remoteAddress = '127.0.0.1:1';
    return { token, protocol, service, method, path, query: '', headers: [], body, remoteAddress };
  }
}
