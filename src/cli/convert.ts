/** `baichuan convert`: a model that can be read, as safetensors or GGUF, quantized on the way. */

import {
  BaichuanError,
  CONVERT_FORMATS,
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertPass,
  type ConvertType,
  convertToGguf,
  convertToSafetensors,
  type OpenedModel,
  openModel,
  openSafetensors,
  type Quantization,
  quote,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import {
  createFile,
  createFolder,
  expectFree,
  expectNoInput,
  expectSpace,
  leftBeside,
  openFile,
  openFolder,
} from '../platform/node.ts';
import { type Command, JSON_OPTION, MODEL_OPTION, modelSource, noticePrinter } from './command.ts';
import { progressPrinter } from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';

export const convertCommand: Command = {
  name: 'convert',
  summary: 'write a model as safetensors or GGUF, quantized if wanted',
  usage: 'baichuan convert -m PATH --out PATH [options]',
  examples: [
    'baichuan convert -m Baichuan-13B-Chat -q int4 --out baichuan-13b-int4',
    'baichuan convert -m Baichuan-7B --type f16 --out baichuan-7b.gguf',
  ],
  options: [
    MODEL_OPTION,
    {
      name: 'out',
      short: 'o',
      value: 'PATH',
      help: 'the folder to write, or the .gguf file; appears when all of it is there',
    },
    {
      name: 'format',
      value: 'FORMAT',
      help: 'safetensors or gguf; default: by the name of --out',
    },
    {
      name: 'quantize',
      short: 'q',
      value: 'TYPE',
      help: 'int8, int4, int8-channel, int4-channel; default none, as in the file',
    },
    {
      name: 'type',
      value: 'TYPE',
      help: `instead of -q, for all weights: ${CONVERT_TYPES.join(', ')} (the last two: GGUF)`,
    },
    {
      name: 'max-shard-size',
      value: 'SIZE',
      help: 'of a safetensors file: 5GB (default), 500MB, or bytes',
    },
    { name: 'force', short: 'f', help: 'replace an earlier conversion, or a GGUF file, at --out' },
    JSON_OPTION,
  ],
  run: runConvert,
};

type Format = (typeof CONVERT_FORMATS)[number];

async function runConvert(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'Give the model with --model PATH.');
  const out = args.text('out');
  if (out === undefined || out === '') throw optionError('--out', 'There is no place to write to.');
  const format = formatOf(args, out);
  const options = optionsOf(args, format);
  const onNotice = noticePrinter(self);
  for (const left of await leftBeside(out)) onNotice(leftNotice(left));
  const model = await openModel(modelSource(args), { signal: self.signal, onNotice });
  try {
    const files = [...model.checkpoint.tensors.values()].map(({ file }) => file);
    await expectNoInput(out, [...new Set([args.text('model') ?? model.name, ...files])]);
    const pass = { signal: self.signal, onNotice, onProgress: progressPrinter(args, self) };
    const request = { model, out, options, pass, isForced: args.has('force') };
    const result = await (format === 'gguf' ? writeGgufFile(request) : writeFolder(request));
    const { dtype, totalBytes, names } = result;
    const value = { out, format, type: dtype, files: names, bytes: totalBytes };
    const parts = names.length === 0 ? '' : `${names.length} files, `;
    const text = `${out}: ${format}, ${dtype}, ${parts}${(totalBytes / 1e6).toFixed(2)} MB`;
    await self.print(`${args.has('json') ? JSON.stringify(value) : text}\n`);
  } finally {
    await model.close();
  }
  return 0;
}

interface Request {
  readonly model: OpenedModel;
  readonly out: string;
  readonly options: ConvertOptions;
  readonly pass: ConvertPass;
  readonly isForced: boolean;
}

async function writeGgufFile({ model, out, options, pass, isForced }: Request) {
  if (!isForced) await expectFree(out);
  const conversion = await convertToGguf(model, options, pass);
  await expectSpace(out, conversion.totalBytes);
  const file = await createFile(out, { replaces: isForced });
  try {
    await conversion.write(file);
    expectGoingOn(pass);
    await file.commit();
  } finally {
    await file.abort();
  }
  return conversion;
}

/** The names of files that a converted model has. */
const MODEL_FILES = [
  /^(generation_)?config\.json$/,
  /^tokenizer\.model$/,
  /^model(-\d{5}-of-\d{5})?\.safetensors$/,
  /^model\.safetensors\.index\.json$/,
];

/** Whether a file of a folder is of an earlier conversion: one of its names and, for weights, by
 *  its own word. Settings and the tokenizer go with the weights, where there are any. */
async function isConverted(folder: string, name: string, path: string): Promise<boolean> {
  if (!MODEL_FILES.some((pattern) => pattern.test(name))) return false;
  if (isWeights(name)) return isOurs(path);
  return (await openFolder(folder).list()).some(isWeights);
}

function isWeights(name: string): boolean {
  return name.endsWith('.safetensors');
}

async function isOurs(path: string): Promise<boolean> {
  try {
    const { metadata, close } = await openSafetensors(await openFile(path));
    await close();
    return metadata.get('producer') === 'baichuan-ts';
  } catch (error) {
    if (error instanceof BaichuanError) return false;
    throw error;
  }
}

function leftNotice(path: string): string {
  const kind = path.endsWith('.old')
    ? 'what a run was replacing when it was killed: move it back, or remove it'
    : 'what a run wrote that was killed: remove it';
  return `${path} is ${kind}.`;
}

async function writeFolder({ model, out, options, pass, isForced }: Request) {
  const conversion = await convertToSafetensors(model, options, pass);
  await expectSpace(out, conversion.totalBytes);
  const isReplaced = (name: string, path: string) => isConverted(out, name, path);
  const replaces = isForced ? isReplaced : undefined;
  const folder = await createFolder(out, { replaces });
  try {
    await conversion.write(folder);
    expectGoingOn(pass);
    await folder.commit();
  } finally {
    await folder.abort();
  }
  return conversion;
}

/** A stop that came after the last block. */
function expectGoingOn({ signal }: ConvertPass): void {
  if (signal?.aborted !== true) return;
  const what = 'The command was interrupted.';
  throw new BaichuanError('aborted', { what, fix: 'Run it again to finish.' });
}

function formatOf(args: Arguments, out: string): Format {
  const isGguf = /\.gguf$/i.test(out);
  const name = args.text('format') ?? (isGguf ? 'gguf' : 'safetensors');
  const format = CONVERT_FORMATS.find((known) => known === name);
  if (format === undefined) {
    const fix = `Give --format ${CONVERT_FORMATS.join(' or ')}.`;
    throw optionError('--format', `There is no format ${quote(name)}.`, fix);
  }
  if (format === 'gguf' && !isGguf) {
    throw optionError('--out', 'A GGUF file is found by its name.', 'Give --out FILE.gguf.');
  }
  if (format === 'safetensors' && /\.(gguf|safetensors|bin)$/i.test(out)) {
    const fix = 'Give the path of a folder.';
    throw optionError('--out', 'A converted model is a folder, with its config.json.', fix);
  }
  if (format === 'gguf' && args.has('max-shard-size')) {
    const fix = 'Leave it out for GGUF, which is one file.';
    throw optionError('--max-shard-size', 'Only safetensors are cut into shards.', fix);
  }
  return format;
}

function optionsOf(args: Arguments, format: Format): ConvertOptions {
  const size = args.text('max-shard-size');
  // Names are checked where they are used: a text that is none of them is refused there.
  const quantize = args.text('quantize') as Quantization | undefined;
  const type = args.text('type') as ConvertType | undefined;
  const maxShardBytes = size === undefined || format === 'gguf' ? undefined : bytesOf(size);
  return { quantize, type, maxShardBytes };
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/** A size such as 5GB, in bytes. @throws option-value */
function bytesOf(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMG]?I?B?)$/i.exec(text) ?? [];
  const scale = UNITS[unit.toUpperCase()];
  const bytes = Math.floor(Number(number) * (scale ?? Number.NaN));
  if (number !== '' && Number.isSafeInteger(bytes) && bytes >= 1) return bytes;
  const fix = 'Write a size such as 5GB, 500MB, 2GiB, or a number of bytes.';
  throw optionError('--max-shard-size', `${quote(text)} is no size of a file.`, fix);
}

function optionError(where: string, what: string, fix = 'Give --out PATH.'): BaichuanError {
  return new BaichuanError('option-value', { where, what, fix });
}
