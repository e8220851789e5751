// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { grpcNumber, internal, type StatusCode } from '../base/status.ts';
import { type DescribedFile, describeFile } from './descriptors.ts';

const PROTOS = new URL('../../protos/', import.meta.url);

interface Source {
  /** what clients know the file as */
  readonly name: string;
  readonly file: string;
  readonly edit?: (text: string) => string;
}

// In the order their imports need.
const SOURCES: readonly Source[] = [
  { name: 'model_config.proto', file: 'model_config.proto' },
  { name: 'inference.proto', file: 'inference.proto' },
  { name: 'grpc/health/v1/health.proto', file: 'health.proto' },
  { name: 'grpc/reflection/v1/reflection.proto', file: 'reflection.proto' },
  {
    name: 'grpc/reflection/v1alpha/reflection.proto',
    file: 'reflection.proto',
    edit: (text) => text.replace('package grpc.reflection.v1;', 'package grpc.reflection.v1alpha;'),
  },
];

interface Schema {
  readonly root: protobuf.Root;
  readonly services: readonly string[];
  /** encoded files by name, each with what it depends on */
  readonly files: ReadonlyMap<string, readonly Uint8Array[]>;
  /** which file declares a symbol, by its full name without a leading dot */
  readonly symbols: ReadonlyMap<string, string>;
  readonly messages: ReadonlySet<string>;
}

let schema: Schema | undefined;

/**
 * Answers one `ServerReflectionRequest`. What cannot be found is an answer too.
 * @returns an encoded `ServerReflectionResponse`
 * @throws ServeError Internal when the bytes are no such message
 */
export function reflect(bytes: Uint8Array): Uint8Array {
  schema ??= readSchema();
  const requestType = schema.root.lookupType('grpc.reflection.v1.ServerReflectionRequest');
  const responseType = schema.root.lookupType('grpc.reflection.v1.ServerReflectionResponse');
  let request: Record<string, unknown>;
  try {
    request = requestType.toObject(requestType.decode(bytes), { oneofs: true, defaults: true });
  } catch (error) {
    throw internal('Unable to parse request', error);
  }
  const asked = String(request.message_request ?? '');
  const answer = answerOf(schema, asked, request[asked]);
  const response = responseType.fromObject({
    valid_host: request.host,
    original_request: { host: request.host, ...(asked === '' ? {} : { [asked]: request[asked] }) },
    ...answer,
  });
  return responseType.encode(response).finish();
}

function answerOf(known: Schema, asked: string, value: unknown): object {
  const name = String(value);
  switch (asked) {
    case 'list_services':
      return { list_services_response: { service: known.services.map((one) => ({ name: one })) } };
    case 'file_by_filename':
      return fileAnswer(known.files.get(name), `File not found: '${name}'`);
    case 'file_containing_symbol':
      return fileAnswer(
        known.files.get(known.symbols.get(name) ?? ''),
        `Symbol not found: '${name}'`,
      );
    case 'file_containing_extension':
      return failure('NotFound', 'Extension not found.');
    case 'all_extension_numbers_of_type':
      if (!known.messages.has(name)) return failure('NotFound', `Type not found: '${name}'`);
      return { all_extension_numbers_response: { base_type_name: name } };
    default:
      return failure('InvalidArgument', 'the request asks for nothing');
  }
}

function fileAnswer(files: readonly Uint8Array[] | undefined, missing: string): object {
  if (files === undefined) return failure('NotFound', missing);
  return { file_descriptor_response: { file_descriptor_proto: files } };
}

const failure = (code: StatusCode, message: string): object => ({
  error_response: { error_code: grpcNumber(code), error_message: message },
});

function readSchema(): Schema {
  const root = new protobuf.Root();
  const parsed = SOURCES.map((source) => {
    const raw = readFileSync(new URL(source.file, PROTOS), 'utf8');
    const text = source.edit?.(raw) ?? raw;
    protobuf.parse(text, root, { keepCase: true });
    // Alone, to learn which names are the file's own: packages may span files.
    const own = protobuf.parse(text, new protobuf.Root(), { keepCase: true });
    return { name: source.name, package: own.package ?? '', imports: own.imports ?? [], own };
  });
  root.resolveAll();
  const files = new Map<string, readonly Uint8Array[]>();
  const symbols = new Map<string, string>();
  const messages = new Set<string>();
  const services: string[] = [];
  for (const { name, package: packageName, imports, own } of parsed) {
    const declared = own.root.lookup(packageName)?.toJSON() as
      | { nested?: Record<string, unknown> }
      | undefined;
    const objects = Object.keys(declared?.nested ?? {}).flatMap((one) => {
      const found = root.lookup(`${packageName}.${one}`);
      return found === null ? [] : [found];
    });
    const file: DescribedFile = { name, package: packageName, imports, declared: objects };
    files.set(name, [describeFile(file), ...imports.flatMap((one) => files.get(one) ?? [])]);
    for (const object of objects) collect(object, name);
  }
  return { root, services, files, symbols, messages };

  function collect(object: protobuf.ReflectionObject, file: string): void {
    const fullName = object.fullName.slice(1);
    symbols.set(fullName, file);
    if (object instanceof protobuf.Service) {
      services.push(fullName);
      for (const { name } of object.methodsArray) symbols.set(`${fullName}.${name}`, file);
    }
    if (object instanceof protobuf.Type) {
      messages.add(fullName);
      for (const { name } of object.fieldsArray) symbols.set(`${fullName}.${name}`, file);
      for (const nested of object.nestedArray) collect(nested, file);
    }
  }
}
