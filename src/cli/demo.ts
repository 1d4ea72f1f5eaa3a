/** `baichuan demo`: the two prompts of the model card, answered by the embedded model. */

import { generate, load } from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { type Command, noticePrinter } from './command.ts';
import { type Arguments, expectNoWords } from './options.ts';

/** Prompts and options of the published model card's examples. */
const PROMPTS = [
  '登鹳雀楼->王之涣\n夜雨寄北->',
  'Hamlet->Shakespeare\nOne Hundred Years of Solitude->',
];
const OPTIONS = { maxNewTokens: 64, repetitionPenalty: 1.1 };

export const demoCommand: Command = {
  name: 'demo',
  summary: "answer the model card's two prompts with the embedded model",
  usage: 'baichuan demo',
  examples: ['baichuan demo'],
  options: [],
  run: runDemo,
};

async function runDemo(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'The demonstration takes no words; baichuan generate takes a prompt.');
  const options = { ...OPTIONS, signal: self.signal, onNotice: noticePrinter(self) };
  await using model = await load(undefined, { signal: self.signal, onNotice: options.onNotice });
  for (const prompt of PROMPTS) {
    await self.print(prompt);
    for await (const { text } of generate(model, prompt, options)) await self.print(text ?? '');
    await self.print('\n\n');
  }
  return 0;
}
