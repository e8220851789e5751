// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import protobuf from 'protobufjs';

/**
 * Writes `google.protobuf.FileDescriptorProto` of files that protobufjs has read. Its own extension names the entries
 * of maps otherwise than protoc, which other implementations refuse.
 */

/** One file of the contract. */
export interface DescribedFile {
  readonly name: string;
  readonly package: string;
  /** names of files */
  readonly imports: readonly string[];
  /** resolved; what the file itself declares at its top level */
  readonly declared: readonly protobuf.ReflectionObject[];
}

// Numbers of google/protobuf/descriptor.proto.
const FILE = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6, syntax: 12 };
const MESSAGE = { name: 1, field: 2, nested: 3, enum: 4, options: 7, oneof: 8 };
const FIELD = { name: 1, number: 3, label: 4, type: 5, typeName: 6, oneofIndex: 9, jsonName: 10 };
const MAP_ENTRY_OPTION = 7;
const ENUM = { name: 1, value: 2 };
const ENUM_VALUE = { name: 1, number: 2 };
const SERVICE = { name: 1, method: 2 };
const METHOD = { name: 1, input: 2, output: 3, clientStreaming: 5, serverStreaming: 6 };

const OPTIONAL = 1;
const REPEATED = 3;
const TYPES: ReadonlyMap<string, number> = new Map([
  ['double', 1],
  ['float', 2],
  ['int64', 3],
  ['uint64', 4],
  ['int32', 5],
  ['fixed64', 6],
  ['fixed32', 7],
  ['bool', 8],
  ['string', 9],
  ['bytes', 12],
  ['uint32', 13],
  ['sfixed32', 15],
  ['sfixed64', 16],
  ['sint32', 17],
  ['sint64', 18],
]);
const TYPE_MESSAGE = 11;
const TYPE_ENUM = 14;

/** A message under way: fields in the order they are put. */
class Message {
  readonly #writer = protobuf.Writer.create();

  text(field: number, value: string): this {
    this.#writer.uint32((field << 3) | 2).string(value);
    return this;
  }

  number(field: number, value: number): this {
    this.#writer.uint32(field << 3).int32(value);
    return this;
  }

  message(field: number, value: Message): this {
    this.#writer.uint32((field << 3) | 2).bytes(value.finish());
    return this;
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** The encoded `FileDescriptorProto`. */
export function describeFile(file: DescribedFile): Uint8Array {
  const message = new Message().text(FILE.name, file.name).text(FILE.package, file.package);
  for (const name of file.imports) message.text(FILE.dependency, name);
  for (const one of file.declared) {
    if (one instanceof protobuf.Type) message.message(FILE.message, describeType(one));
    if (one instanceof protobuf.Enum) message.message(FILE.enum, describeEnum(one));
    if (one instanceof protobuf.Service) message.message(FILE.service, describeService(one));
  }
  return message.text(FILE.syntax, 'proto3').finish();
}

function describeType(type: protobuf.Type): Message {
  const message = new Message().text(MESSAGE.name, type.name);
  for (const field of type.fieldsArray) message.message(MESSAGE.field, describeField(field, type));
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Type) message.message(MESSAGE.nested, describeType(nested));
  }
  for (const field of type.fieldsArray) {
    if (field instanceof protobuf.MapField) message.message(MESSAGE.nested, mapEntry(field));
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Enum) message.message(MESSAGE.enum, describeEnum(nested));
  }
  for (const { name } of type.oneofsArray) {
    message.message(MESSAGE.oneof, new Message().text(1, name));
  }
  return message;
}

function describeField(field: protobuf.Field, type: protobuf.Type): Message {
  const isMap = field instanceof protobuf.MapField;
  const message = new Message()
    .text(FIELD.name, field.name)
    .number(FIELD.number, field.id)
    .number(FIELD.label, field.repeated || isMap ? REPEATED : OPTIONAL);
  if (isMap) {
    message.number(FIELD.type, TYPE_MESSAGE);
    message.text(FIELD.typeName, `${type.fullName}.${entryName(field)}`);
  } else {
    putType(message, field.type, field.resolvedType);
  }
  if (field.partOf !== null) {
    message.number(FIELD.oneofIndex, type.oneofsArray.indexOf(field.partOf));
  }
  return message.text(FIELD.jsonName, jsonName(field.name));
}

/** A map is a list of messages of this hidden type. */
function mapEntry(field: protobuf.MapField): Message {
  const key = new Message()
    .text(FIELD.name, 'key')
    .number(FIELD.number, 1)
    .number(FIELD.label, OPTIONAL);
  putType(key, field.keyType, null);
  const value = new Message()
    .text(FIELD.name, 'value')
    .number(FIELD.number, 2)
    .number(FIELD.label, OPTIONAL);
  putType(value, field.type, field.resolvedType);
  return new Message()
    .text(MESSAGE.name, entryName(field))
    .message(MESSAGE.field, key.text(FIELD.jsonName, 'key'))
    .message(MESSAGE.field, value.text(FIELD.jsonName, 'value'))
    .message(MESSAGE.options, new Message().number(MAP_ENTRY_OPTION, 1));
}

function putType(
  message: Message,
  name: string,
  resolved: protobuf.Type | protobuf.Enum | null,
): void {
  if (resolved === null) {
    message.number(FIELD.type, TYPES.get(name) ?? 0);
  } else {
    message.number(FIELD.type, resolved instanceof protobuf.Enum ? TYPE_ENUM : TYPE_MESSAGE);
    message.text(FIELD.typeName, resolved.fullName);
  }
}

function describeEnum({ name, values }: protobuf.Enum): Message {
  const message = new Message().text(ENUM.name, name);
  for (const [key, number] of Object.entries(values)) {
    const value = new Message().text(ENUM_VALUE.name, key).number(ENUM_VALUE.number, number);
    message.message(ENUM.value, value);
  }
  return message;
}

function describeService(service: protobuf.Service): Message {
  const message = new Message().text(SERVICE.name, service.name);
  for (const method of service.methodsArray) {
    method.resolve();
    const one = new Message()
      .text(METHOD.name, method.name)
      .text(METHOD.input, method.resolvedRequestType?.fullName ?? method.requestType)
      .text(METHOD.output, method.resolvedResponseType?.fullName ?? method.responseType);
    if (method.requestStream) one.number(METHOD.clientStreaming, 1);
    if (method.responseStream) one.number(METHOD.serverStreaming, 1);
    message.message(SERVICE.method, one);
  }
  return message;
}

/** `model_config` → `modelConfig`, as protoc makes JSON names. */
const jsonName = (name: string): string =>
  name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());

/** `batch_input` → `BatchInputEntry`, as protoc names the type. */
function entryName({ name }: protobuf.MapField): string {
  const camel = jsonName(name);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}
