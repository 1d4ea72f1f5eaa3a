/** How a model computes and is loaded, from the command line: options shared by several commands,
 *  and the progress of loading on stderr. */

import { BaichuanError, type EngineOptions, type LoadProgress } from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import type { Arguments, OptionSpec } from './options.ts';

export const QUANTIZE_OPTION: OptionSpec = {
  name: 'quantize',
  short: 'q',
  value: 'TYPE',
  help: 'int8, int4, int8-channel, int4-channel or none; default: as in the files',
};

export const CONTEXT_OPTION: OptionSpec = {
  name: 'context-length',
  short: 'c',
  value: 'N',
  help: 'positions of the cache; default: planned for the model, grows as needed',
};

export const CACHE_OPTION: OptionSpec = {
  name: 'kv',
  value: 'TYPE',
  help: 'type of the cache, f32 or int8 (default with int8 and int4)',
};

export const KERNELS_OPTION: OptionSpec = {
  name: 'kernels',
  value: 'NAME',
  help: 'wasm (default) or reference, the slow and exact one',
};

/** Options of how it computes. */
export const COMPUTE_OPTIONS: readonly OptionSpec[] = [
  CONTEXT_OPTION,
  KERNELS_OPTION,
  QUANTIZE_OPTION,
  CACHE_OPTION,
  {
    name: 'activations',
    value: 'TYPE',
    help: 'against quantized weights: fast (int8, default with int8 and int4) or exact',
  },
  { name: 'simd', value: 'BUILD', help: 'auto (default), baseline or relaxed' },
  { name: 'threads', short: 't', value: 'N', help: 'threads; default: those of the machine' },
];

/** The options by their names in the library, which checks their values. @throws option-value */
export function computeOptions(args: Arguments): EngineOptions & { contextLength?: number } {
  const named = {
    quantize: args.text('quantize'),
    kernels: args.text('kernels'),
    kvCache: args.text('kv'),
    activations: args.text('activations'),
    simd: args.text('simd'),
    threads: args.number('threads'),
    contextLength: args.number('context-length'),
  };
  // Names are checked where they are used: a text that is none of them is refused there.
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** Shortest time between two signs of progress, on a terminal and elsewhere. */
const TERMINAL_MS = 100;
const LINE_MS = 5000;

/** Loading that ends before this says nothing. */
const QUIET_MS = 500;

const BAR_WIDTH = 24;

/** Shows how far a pass over files is: a bar on a terminal, lines elsewhere, JSON lines with
 *  `--json`. */
export function progressPrinter(
  args: Arguments,
  self: CommandProcess,
): (progress: LoadProgress) => void {
  const start = performance.now();
  const isJson = args.has('json');
  const isBar = self.isErrorTerminal && !isJson;
  let last = start;
  let shown = false;
  return (progress) => {
    const now = performance.now();
    const done = progress.bytes >= progress.totalBytes;
    const isDue = now - last >= (isBar ? TERMINAL_MS : LINE_MS) || (done && shown);
    if (now - start < QUIET_MS || !isDue) return;
    last = now;
    shown = true;
    if (isJson) self.printError(`${JSON.stringify({ event: 'progress', ...progress })}\n`);
    else if (isBar) self.printError(done ? '\r\u001b[K' : `\r\u001b[K${barOf(progress)}`);
    else self.printError(`${lineOf(progress)}\n`);
  };
}

function barOf(progress: LoadProgress): string {
  const filled = Math.round((progress.bytes / progress.totalBytes) * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${lineOf(progress)}`;
}

const DOING: Readonly<Record<LoadProgress['phase'], string>> = {
  weights: 'loading',
  convert: 'converting',
  verify: 'verifying',
};

function lineOf(progress: LoadProgress): string {
  const { phase, bytes, totalBytes, bytesPerSecond, secondsLeft, tensor } = progress;
  const share = `${Math.floor((100 * bytes) / totalBytes)} %`;
  const rate = `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`;
  const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  const size = `${(totalBytes / 1e9).toFixed(2)} GB`;
  return `${DOING[phase]} ${share} of ${size}, ${rate}${left}  ${tensor}`;
}

/** Checks a number of positions. @throws option-value */
export function contextLengthOf(args: Arguments): number | undefined {
  const contextLength = args.number('context-length');
  if (contextLength === undefined) return undefined;
  if (Number.isInteger(contextLength) && contextLength >= 1 && contextLength <= 2 ** 20) {
    return contextLength;
  }
  throw new BaichuanError('option-value', {
    where: '--context-length',
    what: `${contextLength} is not a number of positions.`,
    fix: 'Give an integer from 1 to 1048576.',
  });
}
