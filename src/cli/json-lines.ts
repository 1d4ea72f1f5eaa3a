/** JSON lines on stdin and stdout: one value a line in, one value a line out, in the same order. */

import { BaichuanError, quote } from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { expectNotInterrupted } from './command.ts';
import type { OptionSpec } from './options.ts';

export const JSONL_OPTION: OptionSpec = {
  name: 'jsonl',
  help: 'each line of stdin is a JSON value, each line of stdout its result',
};

/** Text is written in pieces of this many UTF-16 units, so that a long list of lines flows. */
const WRITE_UNITS = 65_536;

/** Maps the lines of stdin to lines of stdout. Empty lines are passed over.
 *  @param map gets a line and its number, counted from 1 @returns the exit code */
export async function mapLines(
  self: CommandProcess,
  map: (line: string, number: number) => string,
): Promise<number> {
  let [pending, output, number] = ['', '', 0];
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const takeLine = async (line: string) => {
    number += 1;
    if (line.trim() === '') return;
    expectNotInterrupted(self);
    output += `${map(line, number)}\n`;
    if (output.length < WRITE_UNITS) return;
    await self.print(output);
    output = '';
  };
  try {
    for await (const bytes of self.input()) {
      const lines = (pending + decode(decoder, bytes, number)).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) await takeLine(line);
    }
    expectNotInterrupted(self);
    await takeLine(pending + decode(decoder, undefined, number));
  } finally {
    await self.print(output);
  }
  return 0;
}

/** The JSON value of a line. @throws option-value with the line's number */
export function jsonOfLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw inputFault(number, `${quote(line)} is not JSON`, cause);
  }
}

/** A line that cannot be used. */
export function inputFault(number: number, what: string, cause?: unknown): BaichuanError {
  return new BaichuanError('input-line', {
    file: 'stdin',
    where: `line ${number}`,
    what: `On this line, ${what}.`,
    fix: 'Correct it; the lines before it have been answered.',
    cause,
  });
}

function decode(decoder: TextDecoder, bytes: Uint8Array | undefined, number: number): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw inputFault(number + 1, 'or soon after it, the bytes are not UTF-8', cause);
  }
}
