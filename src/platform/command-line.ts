/** The process around a command: arguments cut into tokens, streams, signals. Node, Deno and
 *  Bun. */

import { createReadStream, fstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { BaichuanError } from '../errors.ts';
import { ioError, printablePath } from './node-errors.ts';

/** How one option is written. */
export interface OptionSyntax {
  readonly takesValue: boolean;
  readonly short?: string | undefined;
}

/** One argument: an option as it was written, or a word that is none. */
export type ArgumentToken =
  | {
      readonly kind: 'option';
      readonly name: string;
      readonly raw: string;
      readonly value?: string;
    }
  | { readonly kind: 'word'; readonly value: string };

/** Cuts arguments into tokens by POSIX rules: an option that takes a value takes the next argument,
 *  whatever it begins with. Unknown options become tokens too; nothing is refused here.
 *  @param syntax option name → how it is written */
export function cutArguments(
  args: readonly string[],
  syntax: Readonly<Record<string, OptionSyntax>>,
): ArgumentToken[] {
  const options = Object.fromEntries(
    Object.entries(syntax).map(([name, { takesValue, short }]) => {
      const type = takesValue ? 'string' : 'boolean';
      return [name, { type, ...(short === undefined ? {} : { short }) } as const];
    }),
  );
  const settings = { strict: false, allowPositionals: true, tokens: true } as const;
  const { tokens } = parseArgs({ args: [...args], options, ...settings });
  return tokens.flatMap((token): ArgumentToken[] => {
    if (token.kind === 'positional') return [{ kind: 'word', value: token.value }];
    if (token.kind !== 'option') return [];
    const { name, rawName: raw, value } = token;
    return [{ kind: 'option', name, raw, ...(value === undefined ? {} : { value }) }];
  });
}

/** What a command sees of its process; specs give another one. */
export interface CommandProcess {
  readonly isErrorTerminal: boolean;
  /** Whether standard error is read by a program: a JSON value a line. */
  readonly tellsJson?: boolean;
  /** Fires at the first Ctrl-C, termination signal or end of the terminal. */
  readonly signal: AbortSignal;
  /** Writes to standard output and waits while it is full. */
  print(text: string): Promise<void>;
  /** Writes to standard error. */
  printError(text: string): void;
  /** The bytes of standard input, piece by piece; ends early when the signal fires. */
  input(): AsyncIterable<Uint8Array>;
}

const INTERRUPTED = 130;
const HUNG_UP = 129;

/** The present process. A second Ctrl-C ends it at once. */
export function thisProcess(): CommandProcess {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGHUP' ? HUNG_UP : INTERRUPTED);
    controller.abort();
  };
  // Unheard, the signal of a closed terminal ends the process before temporary files are removed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // A reader that has gone away (`| head`) is no fault: end quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 7);
  });
  process.stderr.on('error', () => {});
  return {
    isErrorTerminal: process.stderr.isTTY === true,
    signal: controller.signal,
    print: (text) =>
      new Promise((resolve) => {
        process.stdout.write(text, () => resolve());
      }),
    printError: (text) => {
      process.stderr.write(text);
    },
    input: () => {
      expectReadableInput();
      return untilAborted(process.stdin, 'stdin', controller.signal);
    },
  };
}

/** Node takes a folder on standard input for an empty stream. */
function expectReadableInput(): void {
  if (!fstatSync(process.stdin.fd).isDirectory()) return;
  throw new BaichuanError('io-not-a-file', {
    file: 'stdin',
    what: 'Standard input is a folder.',
    fix: 'Redirect a file or a pipe to it.',
  });
}

/** The bytes of a file, a pipe or a device, piece by piece; ends early when the signal fires.
 *  @throws io-… */
export function readPath(path: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
  return untilAborted(createReadStream(path), printablePath(path), signal);
}

/** A stream that nobody waits for once the signal has fired: an idle pipe would never end. */
async function* untilAborted(
  stream: Readable,
  file: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = () => {
    stream.destroy();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream) yield chunk;
  } catch (cause) {
    // Destroying a stream that is being read is an error of its own.
    if (!signal.aborted) throw ioError(cause, { file, action: 'read it' });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Runs a command and makes its result the exit code of the process.
 *  @param run gets the arguments after the program's name */
export async function runProcess(
  run: (args: readonly string[], self: CommandProcess) => Promise<number>,
): Promise<void> {
  let isHungUp = false;
  process.once('SIGHUP', () => {
    isHungUp = true;
  });
  const code = await run(process.argv.slice(2), thisProcess());
  process.exitCode = isHungUp && code === INTERRUPTED ? HUNG_UP : code;
  // An open standard input must not keep a finished command alive.
  process.stdin.unref?.();
}

/** The version in the package's own package.json, beside src/ and dist/ alike. */
export async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return String(JSON.parse(text).version);
}

/** The runtime and its version, such as `node 20.20.2`. */
export function runtimeName(): string {
  const { versions } = process;
  const name = ['bun', 'deno'].find((other) => versions[other] !== undefined) ?? 'node';
  return `${name} ${versions[name]}`;
}
