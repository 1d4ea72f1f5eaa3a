/** `baichuan detokenize`: token ids → text. */

import { BaichuanError } from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { type Command, JSON_OPTION, MODEL_OPTION, parseIds, tokenizerOf } from './command.ts';
import { inputFault, JSONL_OPTION, jsonOfLine, mapLines } from './json-lines.ts';
import type { Arguments } from './options.ts';
import { TOKENIZER_OPTION } from './tokenize.ts';

export const detokenizeCommand: Command = {
  name: 'detokenize',
  summary: 'turn token ids into text',
  usage: 'baichuan detokenize (IDS | --prompt-ids IDS | --jsonl) [options]',
  examples: [
    'baichuan detokenize 5,77,9',
    'baichuan detokenize --tokenizer tokenizer.model --jsonl < ids.jsonl > texts.jsonl',
  ],
  options: [
    TOKENIZER_OPTION,
    MODEL_OPTION,
    { name: 'prompt-ids', value: 'IDS', help: 'the ids, 1,2,3' },
    JSONL_OPTION,
    { name: 'special', help: 'write control tokens such as </s> instead of leaving them out' },
    JSON_OPTION,
  ],
  run: runDetokenize,
};

async function runDetokenize(args: Arguments, self: CommandProcess): Promise<number> {
  const options = { skipSpecial: !args.has('special') };
  if (args.has('jsonl')) {
    const tokenizer = await tokenizerOf(args, self);
    return mapLines(self, (line, number) => {
      const ids = jsonOfLine(line, number);
      if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'number')) {
        throw inputFault(number, 'a JSON list of token ids is needed here');
      }
      return JSON.stringify(tokenizer.decode(ids, options));
    });
  }
  const given = [args.text('prompt-ids'), ...args.words].filter((text) => text !== undefined);
  if (given.length === 0) {
    throw new BaichuanError('option-value', {
      where: '--prompt-ids',
      what: 'There are no ids.',
      fix: 'Give them as baichuan detokenize 1,2,3.',
    });
  }
  const tokenizer = await tokenizerOf(args, self);
  const ids = parseIds(given.join(','), 'ids');
  const text = tokenizer.decode(ids, options);
  await self.print(args.has('json') ? `${JSON.stringify({ text, ids })}\n` : `${text}\n`);
  return 0;
}
