// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Enum, type Namespace, Type } from 'protobufjs';
import { modelConfigType } from '../../src/config/proto.ts';
import type { Kind } from './config-properties.ts';

/** What the text format and JSON have besides names, and what they should refuse. */
const COMMON = [
  ...['{', '}', '[', ']', '<', '>', ':', ',', ';', '-', '"', "'", '\\', '#', '\n', '\r\n', '\0'],
  ...['""', "''", '"a"', '"\\303\\274"', '"\\xff"', '"\\377"', '"\\u00e9"', '"\\ud800"', '"\\"'],
  ...['0', '1', '-1', '07', '08', '0x', '0xFF', '1e3', '1.5', '.5', '1.', '-0', '-0.0', '1f'],
  ...['2147483647', '2147483648', '4294967296', '9223372036854775808', '18446744073709551616'],
  ...['-9223372036854775809', '1e400', 'inf', '-inf', 'nan', 'Infinity', '"NaN"', '1'.repeat(400)],
  ...['true', 'false', 'True', 't', 'null', '\uFEFF', '\uD800', '🦀', '__proto__', 'constructor'],
  ...[
    '"__proto__"',
    'toString',
    'key',
    'value',
    'key: "k" value: ',
    '{ }',
    '< >',
    '[ ]',
    '/*',
    '//',
  ],
  ...['"../../x"', '"/etc/passwd"', '"a/../../b"', '[ext.name]: 1', '[a/b] { }'],
];

const NAMES = [
  ...['..', '.', '/', '//', '\\', '%2e', '%2F', '%2e%2e%2f', '%00', '%', '%c0%ae', '\0', '\n', ' '],
  ...['1', '01', '0', '-1', '1e3', '１', '9007199254740992', '99999999999999999999', '+1', '1.0'],
  ...[
    'model.onnx',
    'm',
    '~',
    '$HOME',
    '...',
    '. .',
    'CON',
    '\uD800',
    '․․',
    '⁄',
    '\u202e',
    'a'.repeat(256),
  ],
  ...['file:', '1/', '/versions/', '1/model.onnx', 'C:', '\\\\host\\share', '%252e%252e', '\x7f'],
];

function namesOf(space: Namespace, found: Set<string>): void {
  for (const nested of space.nestedArray) {
    if (nested instanceof Enum) for (const name of Object.keys(nested.values)) found.add(name);
    if (nested instanceof Type) for (const { name } of nested.fieldsArray) found.add(name);
    if ('nestedArray' in nested) namesOf(nested as Namespace, found);
  }
}

/** Words for mutations: every field and every value of the schema, and what stands between them. */
export function wordsOf(kind: Kind): readonly string[] {
  if (kind === 'name') return NAMES;
  const found = new Set<string>();
  namesOf(modelConfigType().root, found);
  const names = [...found];
  const fields = kind === 'json' ? names.map((name) => `"${name}":`) : names;
  return [...fields, ...names, ...COMMON, ...COMMON];
}
