// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import descriptor from 'protobufjs/ext/descriptor.js';
import { reflect } from './reflection.ts';

// Both ends of the wire are read by another loader than the server's.
const definition = loadSync(
  fileURLToPath(new URL('../../protos/reflection.proto', import.meta.url)),
  {
    keepCase: true,
    defaults: true,
    oneofs: true,
    bytes: Buffer,
  },
);

interface Method {
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Record<string, unknown>;
}

function ask(request: object): Record<string, unknown> {
  const service = definition['grpc.reflection.v1.ServerReflection'] as unknown as {
    ServerReflectionInfo: Method;
  };
  const { requestSerialize, responseDeserialize } = service.ServerReflectionInfo;
  return responseDeserialize(Buffer.from(reflect(requestSerialize(request))));
}

interface File {
  readonly name: string;
  readonly dependency: string[];
  readonly messageType: { name: string; nestedType: { name: string }[] }[];
  readonly service: { name: string; method: { name: string }[] }[];
}

function filesFor(request: object): File[] {
  const answer = ask(request) as {
    file_descriptor_response?: { file_descriptor_proto: Buffer[] };
  };
  const files = answer.file_descriptor_response?.file_descriptor_proto ?? [];
  const type = descriptor.FileDescriptorProto as unknown as {
    decode(bytes: Buffer): unknown;
    toObject(message: unknown, options: object): File;
  };
  return files.map((bytes) => type.toObject(type.decode(bytes), { arrays: true }));
}

describe('reflection', () => {
  it('lists what is served', () => {
    const answer = ask({ host: 'h', list_services: '' }) as {
      valid_host: string;
      original_request: object;
      list_services_response: { service: { name: string }[] };
    };
    assert.equal(answer.valid_host, 'h');
    assert.deepEqual(
      answer.list_services_response.service.map(({ name }) => name),
      [
        'inference.GRPCInferenceService',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ],
    );
  });

  it('gives a file by any name in it, with those it needs', () => {
    for (const file_containing_symbol of [
      'inference.GRPCInferenceService',
      'inference.GRPCInferenceService.ModelStreamInfer',
      'inference.ModelInferRequest.InferInputTensor',
      'inference.ModelInferRequest.model_name',
    ]) {
      const files = filesFor({ file_containing_symbol });
      assert.deepEqual(
        files.map(({ name }) => name),
        ['inference.proto', 'model_config.proto'],
      );
    }
    const [file] = filesFor({ file_by_filename: 'model_config.proto' });
    assert.ok(file?.messageType.some(({ name }) => name === 'ModelConfig'));
    assert.deepEqual(file?.dependency, []);
    assert.deepEqual(file?.service, []);
  });

  it('names the entries of maps as protoc does', () => {
    const [file] = filesFor({ file_containing_symbol: 'inference.ModelInferRequest' });
    const request = file?.messageType.find(({ name }) => name === 'ModelInferRequest');
    assert.ok(request?.nestedType.some(({ name }) => name === 'ParametersEntry'));
  });

  it('answers what it cannot find', () => {
    const table: [object, number, string][] = [
      [{ file_by_filename: 'x.proto' }, 5, "File not found: 'x.proto'"],
      [{ file_containing_symbol: 'a.B' }, 5, "Symbol not found: 'a.B'"],
      [
        { file_containing_extension: { containing_type: 'a.B', extension_number: 1 } },
        5,
        'Extension not found.',
      ],
      [{ all_extension_numbers_of_type: 'a.B' }, 5, "Type not found: 'a.B'"],
      [{}, 3, 'the request asks for nothing'],
    ];
    for (const [request, error_code, error_message] of table) {
      assert.deepEqual(ask(request).error_response, { error_code, error_message });
    }
    const known = ask({ all_extension_numbers_of_type: 'inference.ModelConfig' });
    assert.deepEqual(known.all_extension_numbers_response, {
      base_type_name: 'inference.ModelConfig',
      extension_number: [],
    });
  });

  it('refuses bytes that are no message', () => {
    assert.throws(() => reflect(Buffer.from([0xff, 0xff])), /Unable to parse request/);
  });
});
