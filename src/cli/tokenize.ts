/** `baichuan tokenize`: text → token ids. */

import { quote, type Tokenizer } from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import {
  type Command,
  JSON_OPTION,
  MODEL_OPTION,
  PROMPT_OPTIONS,
  promptOf,
  tokenizerOf,
} from './command.ts';
import { inputFault, JSONL_OPTION, jsonOfLine, mapLines } from './json-lines.ts';
import { type Arguments, expectNoWords, type OptionSpec } from './options.ts';

export const TOKENIZER_OPTION: OptionSpec = {
  name: 'tokenizer',
  value: 'PATH',
  help: 'a tokenizer.model, or a folder with one; default: that of the model',
};

export const tokenizeCommand: Command = {
  name: 'tokenize',
  summary: 'turn text into token ids',
  usage: 'baichuan tokenize (-p TEXT | -f FILE | --jsonl) [options]',
  examples: [
    'baichuan tokenize -p 登鹳雀楼 --pieces',
    'baichuan tokenize --tokenizer tokenizer.model --jsonl < texts.jsonl > ids.jsonl',
  ],
  options: [
    TOKENIZER_OPTION,
    MODEL_OPTION,
    ...PROMPT_OPTIONS.filter(({ name }) => name !== 'prompt-ids'),
    JSONL_OPTION,
    { name: 'pieces', help: 'one piece a line: id, spelling, place in the text (UTF-16 units)' },
    {
      name: 'no-special',
      help: 'text that spells a special token stays text, as for chat messages',
    },
    JSON_OPTION,
  ],
  run: runTokenize,
};

async function runTokenize(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'Give the text with --prompt TEXT.');
  const options = { allowSpecial: !args.has('no-special') };
  if (args.has('jsonl')) {
    const tokenizer = await tokenizerOf(args, self);
    return mapLines(self, (line, number) => {
      const text = jsonOfLine(line, number);
      if (typeof text !== 'string') throw inputFault(number, 'a JSON string is needed here');
      return JSON.stringify(tokenizer.encode(text, options));
    });
  }
  const { text } = await promptOf(args, self);
  const tokenizer = await tokenizerOf(args, self);
  const pieces = tokenizer.encodePieces(text ?? '', options);
  const ids = pieces.map(({ id }) => id);
  if (args.has('json')) await self.print(`${JSON.stringify({ ids, pieces })}\n`);
  else if (args.has('pieces')) await self.print(table(pieces));
  else await self.print(`${ids.join(',')}\n`);
  return 0;
}

function table(pieces: ReturnType<Tokenizer['encodePieces']>): string {
  const lines = pieces.map(
    ({ id, piece, start, end }) => `${id}\t${quote(piece)}\t${start}\t${end}\n`,
  );
  return lines.join('');
}
