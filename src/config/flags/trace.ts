// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Flag, FlagError, int32 } from './flag.ts';

export type TraceLevel = 'TIMESTAMPS' | 'TENSORS';
export type TraceMode = 'triton' | 'opentelemetry';

/** One `--trace-config`; `mode` is empty for a setting of both modes. */
export interface TraceSetting {
  readonly mode: TraceMode | '';
  readonly key: string;
  readonly value: string;
}

/** Request traces. */
export interface TraceOptions {
  /** empty = off */
  readonly traceLevels: readonly TraceLevel[];
  /** OFF was asked for, which wins over every other level */
  readonly traceIsOff: boolean;
  /** every so-manyth request is traced */
  readonly traceRate: number;
  /** how many are traced; -1 = no end */
  readonly traceCount: number;
  readonly traceMode: TraceMode;
  /** empty = none */
  readonly traceFile: string;
  /** traces per file; 0 = one file, written at the end */
  readonly traceLogFrequency: number;
  /** `--trace-config` in order; those of `opentelemetry` are its exporter's */
  readonly traceConfig: readonly TraceSetting[];
  /** deprecated flags that were given */
  readonly traceFlagsGiven: readonly string[];
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyTraceOptions: TraceOptions = {
  traceLevels: [],
  traceIsOff: false,
  traceRate: 1000,
  traceCount: -1,
  traceMode: 'triton',
  traceFile: '',
  traceLogFrequency: 0,
  traceConfig: [],
  traceFlagsGiven: [],
};

type TraceDraft = { -readonly [K in keyof TraceOptions]: TraceOptions[K] };
type Setter = (draft: TraceDraft, value: string) => void;

export const traceFlags: readonly Flag<TraceOptions>[] = [
  {
    name: 'trace-config',
    group: 'Tracing',
    value: '<[mode,]setting=value>',
    help: 'rate (1000), level (OFF, TIMESTAMPS, TENSORS), count (-1), mode (triton, opentelemetry); triton,file; triton,log-frequency (0); opentelemetry,url and further settings of its exporter.',
    repeats: true,
    set: (draft, value) => {
      draft.traceConfig = [...draft.traceConfig, traceSetting(value)];
    },
  },
];

const setRate: Setter = (draft, value) => {
  draft.traceRate = int32(value);
};
const setCount: Setter = (draft, value) => {
  draft.traceCount = int32(value);
};
const setFile: Setter = (draft, value) => {
  draft.traceFile = value;
};
const setLogFrequency: Setter = (draft, value) => {
  draft.traceLogFrequency = int32(value);
};
const setLevel: Setter = (draft, value) => {
  const word = value.toLowerCase();
  if (word === 'off' || word === 'false') {
    draft.traceIsOff = true;
  } else if (word === 'tensors') {
    draft.traceLevels = [...new Set([...draft.traceLevels, 'TENSORS' as const])];
  } else if (['timestamps', 'true', 'on', 'min', 'max'].includes(word)) {
    draft.traceLevels = [...new Set([...draft.traceLevels, 'TIMESTAMPS' as const])];
  } else {
    throw new FlagError(`invalid value for trace level option: ${word}`);
  }
};
const setMode: Setter = (draft, value) => {
  draft.traceMode = traceMode(value);
};

/** Flags that `--trace-config` took the place of. */
export const deprecatedTraceFlags: readonly Flag<TraceOptions>[] = [
  deprecatedFlag('trace-file', '<path>', 'triton,file=<filepath>', setFile),
  deprecatedFlag('trace-level', '<string>', 'level=<OFF|TIMESTAMPS|TENSORS>', setLevel),
  deprecatedFlag('trace-rate', '<integer>', 'rate=<rate value>', setRate),
  deprecatedFlag('trace-count', '<integer>', 'count=<count value>', setCount),
  deprecatedFlag(
    'trace-log-frequency',
    '<integer>',
    'triton,log-frequency=<log frequency value>',
    setLogFrequency,
  ),
];

interface Meaning {
  readonly set: Setter;
  /** the deprecated flag of the same meaning */
  readonly flag?: string;
  /** how Triton's warning calls the value */
  readonly what?: string;
}

const GLOBAL: Readonly<Record<string, Meaning>> = {
  rate: { set: setRate, flag: 'trace-rate', what: 'rate value' },
  level: { set: setLevel, flag: 'trace-level', what: 'level' },
  count: { set: setCount, flag: 'trace-count', what: 'count' },
  mode: { set: setMode },
};
const OF_TRITON: Readonly<Record<string, Meaning>> = {
  file: { set: setFile, flag: 'trace-file', what: 'file' },
  'log-frequency': { set: setLogFrequency, flag: 'trace-log-frequency', what: 'log-frequency' },
};

const check: Setter = (_, value) => {
  int32(value);
};
const OF_OPENTELEMETRY: Readonly<Record<string, Meaning>> = {
  bsp_max_queue_size: { set: check },
  bsp_schedule_delay: { set: check },
  bsp_max_export_batch_size: { set: check },
};

/**
 * Gives the settings of `--trace-config` their meaning, once all flags are known. Unknown settings are passed over, as
 * Triton does; those of the mode that is not chosen too.
 * @returns Triton's warnings
 * @throws FlagError whose `flag` names the setting
 */
export function finishTrace(draft: TraceDraft): string[] {
  const warnings = applySettings(draft, '', GLOBAL);
  if (draft.traceMode === 'triton') {
    warnings.push(...applySettings(draft, 'triton', OF_TRITON));
  } else {
    warnings.push(...applySettings(draft, 'opentelemetry', OF_OPENTELEMETRY));
    if (draft.traceFlagsGiven.includes('trace-file')) {
      warnings.push(
        "Warning: '--trace-file' is deprecated and will be ignored with opentelemetry tracing mode. ",
      );
    }
    if (draft.traceFlagsGiven.includes('trace-log-frequency')) {
      warnings.push(
        "Warning: '--trace-log-frequency' is deprecated and will be ignored with opentelemetry tracing mode.",
      );
    }
  }
  if (draft.traceIsOff) draft.traceLevels = [];
  return warnings;
}

function applySettings(
  draft: TraceDraft,
  mode: TraceSetting['mode'],
  meanings: Readonly<Record<string, Meaning>>,
): string[] {
  const warnings: string[] = [];
  for (const setting of draft.traceConfig.filter((one) => one.mode === mode)) {
    const meaning = Object.hasOwn(meanings, setting.key) ? meanings[setting.key] : undefined;
    if (meaning === undefined) continue;
    const { flag, what, set } = meaning;
    if (flag !== undefined && draft.traceFlagsGiven.includes(flag)) {
      warnings.push(
        `Warning: Overriding deprecated '--${flag}' in favor of provided ${what} in --trace-config!`,
      );
    }
    try {
      set(draft, setting.value);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      const name = mode === '' ? setting.key : `${mode},${setting.key}`;
      throw new FlagError(error.message, `trace-config ${name}`);
    }
  }
  return warnings;
}

function traceMode(value: string): TraceMode {
  const word = value.toLowerCase();
  if (word === 'triton' || word === 'opentelemetry') return word;
  throw new FlagError(
    `invalid value for trace mode option: ${word}. Available options are "triton" and "opentelemetry"`,
  );
}

function traceSetting(value: string): TraceSetting {
  const comma = value.indexOf(',');
  if (comma === 0) {
    throw new FlagError(
      'No trace mode specified. --trace-config option format is ' +
        `<trace mode>,<setting>=<value> or <setting>=<value>. Got ${value}`,
    );
  }
  const mode = comma < 0 ? '' : traceMode(value.slice(0, comma));
  const equals = value.indexOf('=', comma + 1);
  const key = value.slice(comma + 1, Math.max(equals, comma + 1));
  const setting = value.slice(equals + 1);
  if (equals < 0 || key === '' || setting === '') {
    throw new FlagError(
      `--trace-config option format is '<trace mode>,<setting>=<value>'. Got ${value}`,
    );
  }
  return { mode, key, value: setting };
}

function deprecatedFlag(
  name: string,
  value: string,
  instead: string,
  set: Setter,
): Flag<TraceOptions> {
  return {
    name,
    group: 'Deprecated',
    value,
    help: `Use --trace-config=${instead.replace(/[<>]/g, '')}.`,
    repeats: name === 'trace-level',
    // The quote that does not close is Triton's.
    deprecated: () =>
      `Warning: '--${name}' has been deprecated and will be removed in future releases. Please use '--trace-config ${instead} instead.`,
    set: (draft, given) => {
      draft.traceFlagsGiven = [...draft.traceFlagsGiven, name];
      set(draft, given);
    },
  };
}
