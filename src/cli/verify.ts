/** `baichuan verify`: reads all of a model and tells what is wrong with it. */

import {
  BaichuanError,
  EXIT_CODES,
  parseChecksums,
  quote,
  type Verification,
  verifyModel,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { createSha256 } from '../platform/sha256.ts';
import {
  type Command,
  JSON_OPTION,
  MODEL_OPTION,
  modelSource,
  noticePrinter,
  readText,
} from './command.ts';
import { progressPrinter } from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'read all of a model: sha256, checksums, shapes, NaN and infinities',
  usage: 'baichuan verify [-m PATH] [options]',
  examples: [
    'baichuan verify -m Baichuan-13B-Chat',
    'baichuan verify -m Baichuan-13B-Chat --sha256sum > SHA256SUMS',
    'baichuan verify -m Baichuan-13B-Chat --against SHA256SUMS',
  ],
  options: [
    MODEL_OPTION,
    {
      name: 'against',
      value: 'FILE',
      help: 'a list of sha256 that the files must have, as sha256sum writes it; - for stdin',
    },
    { name: 'sha256sum', help: 'print the sha256 of the files only, as sha256sum does' },
    JSON_OPTION,
  ],
  run: runVerify,
};

async function runVerify(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'Give the model with --model PATH.');
  if (args.has('sha256sum') && args.has('json')) {
    throw new BaichuanError('option-value', {
      where: '--sha256sum and --json',
      what: 'These are two forms of output.',
      fix: 'Give one of them; the JSON value has the sha256 too.',
    });
  }
  const list = args.text('against');
  const expected =
    list === undefined ? undefined : parseChecksums(await readText(list, self), list);
  const verification = await verifyModel(modelSource(args), {
    createSha256,
    expected,
    signal: self.signal,
    onNotice: noticePrinter(self),
    onProgress: progressPrinter(args, self),
  });
  if (args.has('json')) await self.print(`${JSON.stringify(verification)}\n`);
  else await self.print(textOf(verification, args.has('sha256sum')));
  if (!args.has('json')) {
    for (const { message } of verification.problems) self.printError(`${message}\n`);
  }
  return verification.problems.length === 0 ? 0 : EXIT_CODES.integrity;
}

function textOf({ name, files, tensors, problems }: Verification, onlySums: boolean): string {
  const sums = files.map((file) => `${file.sha256}  ${file.name}`);
  if (onlySums) return sums.map((line) => `${line}\n`).join('');
  const width = Math.max(6, ...tensors.map((tensor) => quote(tensor.name).length - 2));
  const rows = tensors.map(({ name: tensor, dtype, shape, sha256, nan, infinite }) => {
    const shown = quote(tensor).slice(1, -1).padEnd(width);
    const counts = `${String(nan).padStart(8)} ${String(infinite).padStart(8)}`;
    return `${shown} ${dtype.padEnd(5)} ${`[${shape.join(', ')}]`.padEnd(15)} ${counts}  ${sha256}`;
  });
  const head = `${'tensor'.padEnd(width)} type  ${'shape'.padEnd(15)}      NaN infinite  sha256`;
  const end = problems.length === 0 ? 'nothing wrong' : `${problems.length} problems`;
  const counts = `${files.length} files, ${tensors.length} tensors`;
  const lines = [...sums, '', ...(rows.length > 0 ? [head, ...rows, ''] : [])];
  return `${lines.join('\n')}\n${name}: ${counts}, ${end}\n`;
}
