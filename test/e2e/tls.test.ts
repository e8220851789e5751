// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { type Identity, TestAuthority } from '../support/certificates.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { type Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const MIB = 2 ** 20;

interface Asked {
  readonly protocol: 'grpc' | 'http';
  readonly at: string;
  readonly ca: string;
  readonly identity?: Identity;
  readonly elements?: number;
}

/** What the unmodified tritonclient sees. */
async function tritonclient({ protocol, at, ca, identity, elements = 16 }: Asked): Promise<string> {
  const asked = JSON.stringify({ protocol, url: at, ca, ...identity, elements });
  const script = `${projectRoot}test/fixtures/clients/tls_client.py`;
  return (await run(python, [script, asked])).stdout.trim();
}

const portOf = (at: string): number => Number(at.slice(at.lastIndexOf(':') + 1));

/** One POST over an agent's connections. */
async function post(
  agent: Agent,
  at: string,
  path: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; body: Buffer }> {
  const sent = request(`https://${at}${path}`, { agent, method: 'POST', headers });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, body: Buffer.concat(chunks) };
}

describe('TLS', () => {
  const authority = new TestAuthority('authority');
  const stranger = new TestAuthority('stranger');
  const repository = new TempRepository();
  const serving = authority.issue('server');
  const grpcFlags = [
    `--grpc-server-cert=${serving.certificate}`,
    `--grpc-server-key=${serving.key}`,
    `--grpc-root-cert=${authority.certificate}`,
  ];
  const httpsFlags = [`--https-cert=${serving.certificate}`, `--https-key=${serving.key}`];
  const base = `--model-repository=${repository.path}`;

  before(() => repository.addIdentity('m'));

  after(() => {
    for (const one of [authority, stranger, repository]) one[Symbol.dispose]();
  });

  /** A server that is expected to end by itself; `log` is what it wrote. */
  async function runToEnd(
    ...flags: readonly string[]
  ): Promise<{ code: number | null; log: string }> {
    const ports = ['--http-port=0', '--grpc-port=0', '--metrics-port=0'];
    const server = ServerProcess.launch({
      name: 'tritonserver',
      command: process.execPath,
      args: [`${projectRoot}bin/tritonserver`, base, ...ports, ...flags],
    });
    const { code } = await server.exited;
    return { code, log: server.log };
  }

  describe('on both ports', () => {
    let server: ServerProcess & { endpoints: Endpoints };
    let agent: Agent;

    before(async () => {
      server = await startNereid({
        executable: 'nereid',
        args: [base, '--grpc-use-ssl=true', ...grpcFlags, ...httpsFlags],
      });
      agent = new Agent({ ca: readFileSync(authority.certificate), keepAlive: true });
    });

    after(async () => {
      agent?.destroy();
      await server?.stop();
    });

    const tensor = (value: number): string =>
      JSON.stringify({
        inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [value] }],
      });

    const infer = async (value: number): Promise<unknown> => {
      const { body } = await post(
        agent,
        server.endpoints.http,
        '/v2/models/m/infer',
        tensor(value),
      );
      return JSON.parse(body.toString()).outputs[0].data[0];
    };

    it('serves tritonclient over gRPC and HTTP, also with 4 MiB each way', async () => {
      const { grpc, http } = server.endpoints;
      const ca = authority.certificate;
      for (const elements of [16, MIB]) {
        for (const [protocol, at] of [
          ['grpc', grpc],
          ['http', http],
        ] as const) {
          assert.equal(await tritonclient({ protocol, at, ca, elements }), 'right', protocol);
        }
      }
    });

    it('is not trusted by a client of another authority', async () => {
      const { http } = server.endpoints;
      const at = { protocol: 'http', at: http, ca: stranger.certificate } as const;
      assert.match(await tritonclient(at), /^refused: .*certificate verify failed/i);
    });

    it('serves https of Node, keeping the connection', async () => {
      assert.deepEqual(await Promise.all([infer(1), infer(2), infer(3)]), [1, 2, 3]);
      assert.equal(await infer(4), 4);
    });

    it('serves fetch', async () => {
      const url = `https://${server.endpoints.http}/v2/health/ready`;
      const script = `fetch('${url}').then(async (r) => console.log(r.status, await r.text()))`;
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority.certificate };
      const { stdout } = await run(process.execPath, ['-e', script], { env });
      assert.equal(stdout, '200 {"ready":true}\n');
    });

    it('negotiates HTTP/2 and HTTP/1.1 with curl', async () => {
      const url = `https://${server.endpoints.http}/v2/health/ready`;
      for (const [flag, version] of [
        ['--http2', '2'],
        ['--http1.1', '1.1'],
      ] as const) {
        const args = ['-s', flag, '--cacert', authority.certificate, '-w', ' %{http_version}', url];
        assert.equal((await run('curl', args)).stdout, `{"ready":true} ${version}`);
      }
    });

    it('prints a curl line with https', async () => {
      await until(() => server.log.includes('Ctrl-C stops the server.'));
      const line = /^ {2}(curl .*)$/m.exec(server.log)?.[1] ?? '';
      assert.match(line, /https:\/\//);
      const env = { ...process.env, CURL_CA_BUNDLE: authority.certificate };
      assert.match((await run('sh', ['-c', line], { env })).stdout, /"OUT"/);
    });

    it('tells plain HTTP what is wrong', async () => {
      for (const at of [server.endpoints.http, server.endpoints.grpc]) {
        const response = await fetch(`http://${at}/v2`);
        assert.equal(response.status, 400);
        assert.match(await response.text(), /this port speaks TLS only: use https/);
      }
    });

    it('goes on serving among garbage, half handshakes and peers that vanish', async () => {
      const port = portOf(server.endpoints.http);
      const sockets = Array.from({ length: 50 }, (_, i) => {
        const socket = connectTcp(port, '127.0.0.1');
        socket.on('error', () => undefined);
        const hello = Buffer.from('160301020001', 'hex');
        if (i % 5 < 3)
          socket.write([hello, hello.subarray(0, 3), Buffer.alloc(5000, i)][i % 5] ?? '');
        return socket;
      });
      const vanishing = Array.from({ length: 20 }, async () => {
        const socket = connectTls({
          port,
          host: '127.0.0.1',
          ca: readFileSync(authority.certificate),
        });
        await once(socket, 'secureConnect');
        socket.write(
          'POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{',
        );
        socket.destroy();
      });
      await Promise.all(vanishing);
      assert.equal(await infer(5), 5);
      for (const socket of sockets) socket.destroy();
    });

    it('does not let a slow reader hold up the others', async () => {
      const { http } = server.endpoints;
      const numbers = Buffer.alloc(16 * MIB, 7);
      const head = JSON.stringify({
        inputs: [
          {
            name: 'IN',
            datatype: 'INT32',
            shape: [1, numbers.length / 4],
            parameters: { binary_data_size: numbers.length },
          },
        ],
        outputs: [{ name: 'OUT', parameters: { binary_data: true } }],
      });
      const body = Buffer.concat([Buffer.from(head), numbers]);
      const slow = connectTls({
        port: portOf(http),
        host: '127.0.0.1',
        ca: readFileSync(authority.certificate),
      });
      await once(slow, 'secureConnect');
      slow.write(
        'POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\n' +
          `Inference-Header-Content-Length: ${head.length}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      slow.write(body);
      await once(slow, 'readable');
      assert.equal(await infer(6), 6);
      assert.equal(await readBody(slow), numbers.length);
      slow.destroy();
    });
  });

  describe('with certificates of clients', () => {
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      server = await startNereid({
        args: [
          base,
          '--grpc-use-ssl-mutual=true',
          ...grpcFlags,
          ...httpsFlags,
          `--https-client-ca=${authority.certificate}`,
        ],
      });
    });

    after(() => server?.stop());

    for (const protocol of ['grpc', 'http'] as const) {
      it(`lets in over ${protocol} whom the authority has signed, and nobody else`, async () => {
        const asked = { protocol, at: server.endpoints[protocol], ca: authority.certificate };
        const right = authority.issue(`client-${protocol}`);
        assert.equal(await tritonclient({ ...asked, identity: right }), 'right');
        const wrong = stranger.issue(`client-${protocol}`);
        assert.match(await tritonclient({ ...asked, identity: wrong }), /^refused: /);
        assert.match(await tritonclient(asked), /^refused: /);
      });
    }

    it('speaks one protocol on a port, as the name says', async () => {
      const identity = authority.issue('client-alpn');
      const options = {
        host: '127.0.0.1',
        ca: readFileSync(authority.certificate),
        cert: readFileSync(identity.certificate),
        key: readFileSync(identity.key),
        ALPNProtocols: ['h2', 'http/1.1'],
      };
      for (const [at, expected] of [
        [server.endpoints.grpc, 'h2'],
        [server.endpoints.http, 'http/1.1'],
      ] as const) {
        const socket = connectTls({ ...options, port: portOf(at) });
        await once(socket, 'secureConnect');
        assert.equal(socket.alpnProtocol, expected);
        socket.destroy();
      }
    });
  });

  it('takes renewed files at SIGHUP for new connections, and keeps the open ones', async () => {
    const files = authority.issue('renewed');
    await using server = await startNereid({
      args: [
        base,
        `--https-cert=${files.certificate}`,
        `--https-key=${files.key}`,
        '--single-protocol-ports=false',
      ],
    });
    const url = `https://${server.endpoints.http}`;
    const open = connectHttp2(url, { ca: readFileSync(authority.certificate) });
    await once(open, 'connect');
    const commonName = async (ca: string): Promise<string | string[] | undefined> => {
      const socket = connectTls({
        port: portOf(server.endpoints.http),
        host: '127.0.0.1',
        ca: readFileSync(ca),
      });
      await once(socket, 'secureConnect');
      const name = socket.getPeerCertificate().issuer.CN;
      socket.destroy();
      return name;
    };
    assert.equal(await commonName(authority.certificate), 'authority');
    authority.replace(files, stranger.issue('renewed'));
    server.signal('SIGHUP');
    await until(() => server.log.includes('--http-port were read again: valid until'));
    assert.equal(await commonName(stranger.certificate), 'stranger');
    // A pair that does not fit changes nothing.
    authority.replace(files, { ...authority.issue('odd'), key: stranger.issue('odd').key });
    server.signal('SIGHUP');
    await until(() => server.log.includes('--http-port stay as they were'));
    assert.equal(await commonName(stranger.certificate), 'stranger');
    const stream = open.request({ ':path': '/v2/health/live' });
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    open.destroy();
  });

  it('does not start with files that are missing, damaged or no pair, and shows no key', async () => {
    const other = authority.issue('other');
    const cases: [flags: string[], message: RegExp][] = [
      [
        ['--https-cert=/nowhere', `--https-key=${serving.key}`],
        /--https-cert: .*ENOENT.*\/nowhere/,
      ],
      [
        [`--https-cert=${serving.key}`, `--https-key=${serving.key}`],
        /server\.key': expected certif/,
      ],
      [
        [`--https-cert=${serving.certificate}`, `--https-key=${other.key}`],
        /other\.key': expected the private key of the first certificate in '.*server\.crt'/,
      ],
      [
        ['--grpc-use-ssl=true', `--grpc-server-cert=${serving.certificate}`],
        /requires setting '--grpc-server-key=<PEM file>' as well/,
      ],
    ];
    for (const [flags, message] of cases) {
      const { code, log } = await runToEnd(...flags);
      assert.equal(code, 1, log);
      assert.match(log, message);
      assert.doesNotMatch(log, /PRIVATE KEY-----\n|Started|successfully loaded/);
    }
  });
});

/** Length of the binary tail of one answer. */
async function readBody(socket: TLSSocket): Promise<number> {
  let text = Buffer.alloc(0);
  for await (const chunk of socket) {
    text = Buffer.concat([text, chunk as Buffer]);
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const head = text.subarray(0, end).toString();
    const length = Number(/\ncontent-length: (\d+)/i.exec(head)?.[1]);
    const json = Number(/inference-header-content-length: (\d+)/i.exec(head)?.[1]);
    if (text.length >= end + 4 + length) return length - json;
  }
  return -1;
}
