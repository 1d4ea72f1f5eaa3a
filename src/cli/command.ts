/** What a command is, and what several of them share: options, inputs, opening a model. */

import {
  BaichuanError,
  type LanguageModel,
  load,
  type ModelSource,
  type OpenOptions,
  openTokenizer,
  quote,
  type Tokenizer,
} from '../index.ts';
import { type CommandProcess, readPath } from '../platform/command-line.ts';
import { computeOptions, progressPrinter } from './compute.ts';
import type { Arguments, OptionSpec } from './options.ts';

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Does the work. @returns the exit code */
  run(args: Arguments, self: CommandProcess): Promise<number>;
}

/** No model has a context that would take so long a prompt. */
const MAX_PROMPT_BYTES = 64 * 2 ** 20;

export const JSON_OPTION: OptionSpec = {
  name: 'json',
  help: 'print one JSON value on stdout; errors become JSON on stderr',
};

export const HTML_OPTION: OptionSpec = {
  name: 'html',
  value: 'FILE',
  help: 'write a report to look at: one HTML file that needs no network',
};

export const MODEL_OPTION: OptionSpec = {
  name: 'model',
  short: 'm',
  value: 'PATH',
  help: 'folder, .gguf, or weights file beside its config.json; default: the embedded model',
};

export const PROMPT_OPTIONS: readonly OptionSpec[] = [
  { name: 'prompt', short: 'p', value: 'TEXT', help: 'the prompt' },
  { name: 'prompt-ids', value: 'IDS', help: 'the prompt as token ids, 1,2,3; needs no tokenizer' },
  {
    name: 'file',
    short: 'f',
    value: 'PATH',
    help: 'the prompt in a UTF-8 file, - for stdin; one line end at its end is left out',
  },
];

/** The model of `--model`, loaded, with its notices on stderr.
 *  @param options.needsTokenizer refuse a model without one before its weights are read */
export async function loadModel(
  args: Arguments,
  self: CommandProcess,
  { needsTokenizer }: { needsTokenizer: boolean },
): Promise<LanguageModel> {
  return load(modelSource(args), {
    ...computeOptions(args),
    needsTokenizer,
    signal: self.signal,
    onNotice: noticePrinter(self),
    onProgress: progressPrinter(args, self),
  });
}

/** The path of `--model`, undefined for the embedded model. @throws option-value */
export function modelSource(args: Arguments): ModelSource | undefined {
  const path = args.text('model');
  if (path !== '') return path;
  throw new BaichuanError('option-value', {
    where: '--model',
    what: 'The path is empty.',
    fix: 'Give the path of a model folder, or leave the option out for the embedded model.',
  });
}

/** The file of `--html`. @throws option-value */
export function reportPath(args: Arguments): string {
  const path = args.text('html') ?? '';
  if (path !== '') return path;
  throw new BaichuanError('option-value', {
    where: '--html',
    what: 'The path is empty.',
    fix: 'Give --html FILE.html.',
  });
}

/** The tokenizer of `--tokenizer FILE` or `--model PATH`. */
export async function tokenizerOf(args: Arguments, { signal }: CommandProcess): Promise<Tokenizer> {
  return openTokenizer(args.text('tokenizer') ?? modelSource(args), { signal });
}

/** Opening heeds Ctrl-C and tells its notices. */
export function openOptions(self: CommandProcess): OpenOptions {
  return { signal: self.signal, onNotice: noticePrinter(self) };
}

/** Prints notices to stderr, each once; as JSON where the command line asks for that. */
export function noticePrinter(self: CommandProcess): (notice: string) => void {
  const seen = new Set<string>();
  return (notice) => {
    const value = { event: 'notice', notice };
    const line = self.tellsJson === true ? JSON.stringify(value) : `notice: ${notice}`;
    if (!seen.has(notice)) self.printError(`${line}\n`);
    seen.add(notice);
  };
}

/** The prompt of `--prompt`, `--prompt-ids` or `--file`, exactly one of them.
 *  @throws option-value, io-… */
export async function promptOf(
  args: Arguments,
  self: CommandProcess,
): Promise<{ text: string; ids: null } | { text: null; ids: number[] }> {
  const given = ['prompt', 'prompt-ids', 'file'].filter((name) => args.has(name));
  if (given.length !== 1) {
    throw new BaichuanError('option-value', {
      where: given.length === 0 ? '--prompt' : given.map((name) => `--${name}`).join(' and '),
      what: given.length === 0 ? 'There is no prompt.' : 'There are several prompts.',
      fix: 'Give one of --prompt TEXT, --prompt-ids 1,2,3 and --file PATH.',
    });
  }
  const ids = args.text('prompt-ids');
  if (ids !== undefined) return { text: null, ids: parseIds(ids, '--prompt-ids') };
  const file = args.text('file');
  if (file === undefined) return { text: args.text('prompt') ?? '', ids: null };
  return { text: (await readText(file, self)).replace(/\r?\n$/, ''), ids: null };
}

/** Comma- or space-separated token ids; brackets around them are allowed. @throws option-value */
export function parseIds(text: string, where: string): number[] {
  const inner = text
    .trim()
    .replace(/^\[(.*)\]$/s, '$1')
    .trim();
  if (inner === '') return [];
  return inner.split(/\s*,\s*|\s+/).map((word) => {
    if (/^\d{1,15}$/.test(word)) return Number(word);
    throw new BaichuanError('option-value', {
      where,
      what: `${quote(word)} is not a token id.`,
      fix: 'Write ids as whole numbers with commas between them, such as 1,2,3.',
    });
  });
}

/** The text of a file, a pipe or, for `-`, standard input. @throws io-…, text-encoding, aborted */
export async function readText(path: string, self: CommandProcess): Promise<string> {
  const [file, input] =
    path === '-' ? ['stdin', self.input()] : [path, readPath(path, self.signal)];
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > MAX_PROMPT_BYTES) throw promptTooLong(file);
    chunks.push(chunk);
  }
  expectNotInterrupted(self);
  const bytes = new Uint8Array(size);
  chunks.reduce((start, chunk) => {
    bytes.set(chunk, start);
    return start + chunk.length;
  }, 0);
  return decodeText(bytes, file);
}

function promptTooLong(file: string): BaichuanError {
  return new BaichuanError('io-failed', {
    file,
    what: `The prompt has more than ${MAX_PROMPT_BYTES} bytes.`,
    fix: 'Give a shorter prompt.',
    expected: MAX_PROMPT_BYTES,
  });
}

/** Goes on unless the user stopped the command.
 *  @throws aborted after Ctrl-C or a termination signal */
export function expectNotInterrupted({ signal }: CommandProcess): void {
  if (!signal.aborted) return;
  throw new BaichuanError('aborted', {
    what: 'The command was interrupted.',
    fix: 'Run it again to finish.',
  });
}

/** UTF-8, or an error instead of replacement characters. @throws text-encoding */
export function decodeText(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BaichuanError('text-encoding', {
      file,
      what: 'The text is not UTF-8.',
      fix: 'Convert it to UTF-8, for example with iconv.',
      cause,
    });
  }
}
