// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultOptions, parseOptions } from './options.ts';
import type { ServerOptions } from './server-options.ts';
import { grpcTlsFiles, httpTlsFiles, usesTls } from './tls-files.ts';

const FILES = ['--grpc-server-cert=c', '--grpc-server-key=k', '--grpc-root-cert=r'];

function accept(...argv: readonly string[]): ServerOptions {
  const parsed = parseOptions('tritonserver', argv);
  if (parsed.kind !== 'options') assert.fail(`${argv}: ${JSON.stringify(parsed)}`);
  return parsed.options;
}

function refuse(...argv: readonly string[]): string {
  const parsed = parseOptions('tritonserver', argv);
  if (parsed.kind !== 'error') assert.fail(`${argv}: ${parsed.kind}`);
  return parsed.message;
}

describe('the flags of gRPC TLS', () => {
  it('are off under both names', () => {
    for (const program of ['tritonserver', 'nereid'] as const) {
      assert.equal(usesTls(defaultOptions(program)), false);
    }
    assert.equal(grpcTlsFiles(accept(...FILES)), undefined);
  });

  it('ask no certificate of clients unless mutual', () => {
    const { certificate, key, clientCa } =
      grpcTlsFiles(accept('--grpc-use-ssl=true', ...FILES)) ?? {};
    assert.deepEqual([certificate?.path, key?.path, clientCa], ['c', 'k', undefined]);
    const mutual = grpcTlsFiles(accept('--grpc-use-ssl-mutual=true', ...FILES));
    assert.equal(mutual?.clientCa?.path, 'r');
  });

  it('are turned on by --grpc-use-ssl-mutual whatever its value, as with Triton', () => {
    const files = grpcTlsFiles(accept('--grpc-use-ssl-mutual=false', ...FILES));
    assert.deepEqual([files?.certificate.path, files?.clientCa], ['c', undefined]);
    const off = accept('--grpc-use-ssl-mutual=false', '--grpc-use-ssl=false', ...FILES);
    assert.equal(grpcTlsFiles(off), undefined);
  });

  it('never leave a port open that asks for certificates', () => {
    for (const flags of [
      ['--grpc-use-ssl=false', '--grpc-use-ssl-mutual=true'],
      ['--grpc-use-ssl-mutual=true', '--grpc-use-ssl=false'],
    ]) {
      assert.equal(grpcTlsFiles(accept(...flags, ...FILES))?.clientCa?.path, 'r', String(flags));
    }
  });

  it('name the file that is missing', () => {
    assert.equal(
      refuse('--grpc-use-ssl=true'),
      "Error: Use of '--grpc-use-ssl' requires setting '--grpc-server-cert=<PEM file>' as well.",
    );
    assert.match(refuse('--grpc-use-ssl=true', '--grpc-server-cert=c'), /--grpc-server-key=/);
    assert.equal(
      refuse('--grpc-use-ssl-mutual=true', '--grpc-server-cert=c', '--grpc-server-key=k'),
      "Error: Use of '--grpc-use-ssl-mutual' requires setting '--grpc-root-cert=<PEM file>' as well.",
    );
  });

  it('take no other word than a boolean', () => {
    assert.match(refuse('--grpc-use-ssl=maybe'), /invalid value for bool option: maybe/);
  });
});

describe('the flags of HTTPS', () => {
  it('turn it on with a certificate and its key', () => {
    const files = httpTlsFiles(accept('--https-cert=c', '--https-key=k'));
    assert.deepEqual(
      [files?.certificate.path, files?.key.path, files?.clientCa],
      ['c', 'k', undefined],
    );
    const mutual = accept('--https-cert=c', '--https-key=k', '--https-client-ca=a');
    assert.equal(httpTlsFiles(mutual)?.clientCa?.path, 'a');
  });

  it('name the file that is missing', () => {
    assert.equal(
      refuse('--https-cert=c'),
      "Error: Use of HTTPS requires setting '--https-key=<PEM file>' as well.",
    );
    assert.match(refuse('--https-key=k'), /'--https-cert=<PEM file>'/);
    assert.match(refuse('--https-client-ca=a'), /'--https-cert=<PEM file>'/);
  });
});
