// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What `npm test` runs, in this order, and what each suite needs set up.
 * `onRequest` suites run only when `--only` or `--with` names them.
 */
export const SUITES = [
  { name: 'types', needs: ['packages'] },
  { name: 'lint', needs: ['packages'] },
  { name: 'layers', needs: [] },
  { name: 'docs', needs: ['packages'] },
  { name: 'native', needs: ['nativeTests', 'onnxruntime'] },
  { name: 'unit', needs: ['packages', 'native', 'onnxruntime'] },
  { name: 'e2e', needs: ['packages', 'native', 'onnxruntime', 'python'] },
  { name: 'conformance', needs: ['packages', 'native', 'onnxruntime', 'python'] },
  { name: 'packaging', needs: ['packages', 'native', 'onnxruntime'] },
  { name: 'kserve', needs: ['packages', 'native', 'kserve'], onRequest: true },
  { name: 'clouds', needs: ['packages', 'native', 'onnxruntime', 'clouds'], onRequest: true },
  { name: 'minio', needs: ['packages', 'native', 'onnxruntime', 'minio'], onRequest: true },
  { name: 'sanitize', needs: ['sanitizers', 'onnxruntime'], onRequest: true },
];

/** Counterparts that suites can do without when told so; the suites count what they skip, by name. */
const COUNTERPARTS = ['triton'];

/**
 * Reads `--only=a,b`, `--with=c` and `--without=d` from arguments and from npm's environment: npm takes a flag that stands
 * before `--` for itself and hands it on as `npm_config_…`.
 * @returns suites to run, suites left out by name, counterparts left out, arguments that are left, and a complaint
 */
export function chooseSuites(argv, env) {
  const given = {
    only: listOf(env.npm_config_only),
    with: listOf(env.npm_config_with),
    without: listOf(env.npm_config_without),
  };
  const rest = [];
  for (const argument of argv) {
    const [, key, value] = /^--(only|with|without)=(.*)$/.exec(argument) ?? [];
    if (key === undefined) rest.push(argument);
    else given[key].push(...listOf(value));
  }
  const known = SUITES.map(({ name }) => name);
  const unknown = [
    ...[...given.only, ...given.with].filter((name) => !known.includes(name)),
    ...given.without.filter((name) => !known.includes(name) && !COUNTERPARTS.includes(name)),
    ...rest,
  ];
  const complaint =
    unknown.length === 0
      ? undefined
      : `'${unknown[0]}' is unknown: --only and --with take ${known.join(', ')}; --without takes these and ${COUNTERPARTS.join(', ')}.`;
  const wanted = SUITES.filter(
    ({ name, onRequest }) =>
      given.with.includes(name) ||
      (given.only.length > 0 ? given.only.includes(name) : onRequest !== true),
  );
  return {
    run: wanted.filter(({ name }) => !given.without.includes(name)),
    leftOut: wanted.filter(({ name }) => given.without.includes(name)).map(({ name }) => name),
    withoutCounterparts: given.without.filter((name) => COUNTERPARTS.includes(name)),
    complaint,
  };
}

function listOf(text) {
  // npm gives 'true' for a flag without a value.
  return (text ?? '').split(',').filter((name) => name !== '' && name !== 'true');
}
