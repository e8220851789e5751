// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { request } from 'node:http';
import { projectRoot } from './nereid.ts';
import { ServerProcess } from './server-process.ts';
import { until } from './until.ts';

export interface CloudAnswer {
  readonly status: number;
  readonly type: string | undefined;
  readonly jsonSize: string | undefined;
  readonly body: Buffer;
}

export interface CloudServer {
  readonly server: ServerProcess;
  /** by the name of its start line, as `host:port` */
  readonly at: (service: string) => string;
}

/**
 * Starts a server whose ports are not the usual three, and waits for the start lines of those it has.
 * @param services names that the start lines have
 */
export async function startCloud(
  executable: 'tritonserver' | 'nereid',
  services: readonly string[],
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<CloudServer> {
  const local = ['http', 'grpc', 'metrics', 'sagemaker', 'vertex-ai'];
  const server = ServerProcess.launch({
    name: executable,
    command: process.execPath,
    args: [
      `${projectRoot}bin/${executable}`,
      ...(executable === 'nereid' ? ['serve'] : []),
      ...local.flatMap((name) => [`--${name}-address=127.0.0.1`, `--${name}-port=0`]),
      ...args,
    ],
    env: { ...process.env, ...env },
  });
  const find = (service: string): string | undefined =>
    new RegExp(`Started ${service} at ([^\\s"]+)`).exec(server.log)?.[1];
  let isEnded = false;
  void server.exited.then(() => {
    isEnded = true;
  });
  await until(() => isEnded || services.every((service) => find(service) !== undefined));
  const at = (service: string): string => {
    const address = find(service);
    if (address === undefined) throw new Error(`no ${service}:\n${server.log}`);
    return address;
  };
  return { server, at };
}

export function ask(
  at: string,
  method: string,
  path: string,
  body: string | Buffer = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<CloudAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<CloudAnswer>();
  const [host, port] = at.split(':');
  const sent = { 'content-length': String(Buffer.byteLength(body)), ...headers };
  const call = request({ host, port, method, path, headers: sent }, (response) => {
    response.toArray().then((pieces) => {
      const jsonSize = response.headers['inference-header-content-length'];
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'],
        jsonSize: jsonSize === undefined ? undefined : String(jsonSize),
        body: Buffer.concat(pieces),
      });
    }, reject);
  });
  call.once('error', reject);
  call.end(body);
  return promise;
}
