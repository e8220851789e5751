// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { openSync, writeSync } from 'node:fs';
import { invalidArgument } from './status.ts';

export type LogFormat = 'default' | 'ISO8601';

/** What is written and how: Triton's `--log-*` flags, changeable while serving. */
export interface LogSettings {
  readonly error: boolean;
  readonly warning: boolean;
  readonly info: boolean;
  /** 0 = nothing verbose; a line of level n is written when n is at most this */
  readonly verboseLevel: number;
  readonly format: LogFormat;
  /** appended to; empty = standard error */
  readonly file: string;
  /** texts are quoted and escaped; false writes them as they are */
  readonly escape: boolean;
}

export const defaultLogSettings: LogSettings = {
  error: true,
  warning: true,
  info: true,
  verboseLevel: 0,
  format: 'default',
  file: '',
  escape: true,
};

/**
 * One line per event in Triton's layout: `I1122 18:22:53.123456 pid file:line] "msg"`, times in UTC.
 * A message is escaped, so that text of a client can never start a line of its own.
 */
export class Log {
  #settings: LogSettings;
  readonly #now: () => Date;
  readonly #write: (line: string) => void;

  /** @throws ServeError InvalidArgument when the log file cannot be opened */
  constructor(
    settings: LogSettings = defaultLogSettings,
    write: (line: string) => void = writerTo(settings.file),
    now = () => new Date(),
  ) {
    this.#settings = settings;
    this.#write = write;
    this.#now = now;
  }

  get settings(): LogSettings {
    return this.#settings;
  }

  update(settings: Partial<Omit<LogSettings, 'file' | 'escape'>>): void {
    this.#settings = { ...this.#settings, ...settings };
  }

  error(message: string): void {
    if (this.#settings.error) this.#line('E', message);
  }

  warning(message: string): void {
    if (this.#settings.warning) this.#line('W', message);
  }

  info(message: string): void {
    if (this.#settings.info) this.#line('I', message);
  }

  /** @param level 1 and up */
  verbose(level: number, message: string): void {
    if (level <= this.#settings.verboseLevel) this.#line('I', message);
  }

  /** Writes a block as it stands (the tables of the start), below a head line. */
  block(text: string): void {
    if (!this.#settings.info) return;
    this.#line('I', '');
    this.#write(`${text.replace(/\n*$/, '')}\n\n`);
  }

  #line(letter: 'E' | 'W' | 'I', message: string): void {
    const stamp = formatStamp(letter, this.#now(), this.#settings.format);
    const text = this.#settings.escape ? quote(message) : message;
    this.#write(`${stamp} ${process.pid} ${callSite()}] ${text}\n`);
  }
}

/** `I1122 18:22:53.123456`, or `2026-11-22T18:22:53Z I` in the ISO layout. */
function formatStamp(letter: string, now: Date, format: LogFormat): string {
  const iso = now.toISOString();
  if (format === 'ISO8601') return `${iso.slice(0, 19)}Z ${letter}`;
  return `${letter}${iso.slice(5, 7)}${iso.slice(8, 10)} ${iso.slice(11, 19)}.${iso.slice(20, 23)}000`;
}

/** Double quotes around the message; quotes, backslashes and control characters escaped. */
export function quote(message: string): string {
  return JSON.stringify(message);
}

/** `file:line` of the first frame outside this file. */
function callSite(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const outside = frames.find((frame) => !/[\\/]base[\\/]log\.[jt]s:/.test(frame));
  return /([^\\/(]+:\d+):\d+\)?$/.exec(outside ?? '')?.[1] ?? 'unknown:0';
}

// A full disk or a closed terminal must not take the server down, so a line that cannot be written is lost.
function writerTo(file: string): (line: string) => void {
  const descriptor = file === '' ? 2 : openForAppend(file);
  return (line) => {
    try {
      writeSync(descriptor, line);
    } catch {
      // nowhere left to say it
    }
  };
}

function openForAppend(file: string): number {
  try {
    return openSync(file, 'a');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`cannot open the log file '${file}': ${reason}`);
  }
}
