/** The command line: finds the command, runs it, turns faults into messages and exit codes. */

import { BaichuanError, EXIT_CODES, quote } from '../index.ts';
import { type CommandProcess, packageVersion } from '../platform/command-line.ts';
import type { Command } from './command.ts';
import { compareCommand } from './compare.ts';
import { conformCommand } from './conform.ts';
import { convertCommand } from './convert.ts';
import { demoCommand } from './demo.ts';
import { detokenizeCommand } from './detokenize.ts';
import { generateCommand } from './generate.ts';
import { commandHelp, overview } from './help.ts';
import { inspectCommand } from './inspect.ts';
import { parseArguments } from './options.ts';
import { tokenizeCommand } from './tokenize.ts';
import { traceCommand } from './trace.ts';
import { verifyCommand } from './verify.ts';

export const COMMANDS: readonly Command[] = [
  demoCommand,
  generateCommand,
  tokenizeCommand,
  detokenizeCommand,
  inspectCommand,
  traceCommand,
  compareCommand,
  convertCommand,
  verifyCommand,
  conformCommand,
];

/** Runs one command line.
 *  @param args without the program's name
 *  @returns the exit code: 0 done, 1 a check failed, 2 usage, 3 bad model file, 4 unsupported,
 *  5 integrity, 6 resources, 7 input/output, 70 a defect of this program, 130 interrupted */
export async function runCommandLine(
  args: readonly string[],
  self: CommandProcess,
): Promise<number> {
  const tellsJson = args.includes('--json');
  try {
    return await dispatch(args, { ...self, tellsJson });
  } catch (error) {
    const shown = error instanceof BaichuanError ? inCommandWords(error) : defect(error);
    const text = shown.code === 'aborted' ? 'interrupted' : shown.message;
    self.printError(`${tellsJson ? JSON.stringify({ error: shown }) : text}\n`);
    return shown.exitCode;
  }
}

async function dispatch([name, ...rest]: readonly string[], self: CommandProcess): Promise<number> {
  if (name === undefined) {
    self.printError(overview(COMMANDS));
    return EXIT_CODES.usage;
  }
  const wanted = name === 'help' ? rest[0] : name;
  if (wanted === undefined || wanted === '--help' || wanted === '-h') {
    await self.print(overview(COMMANDS));
    return 0;
  }
  if (name === '--version' || name === '-v') {
    await self.print(`${await packageVersion()}\n`);
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === wanted);
  if (command === undefined) throw unknownCommand(wanted);
  if (name === 'help' || asksForHelp(rest, command)) {
    await self.print(commandHelp(command));
    return 0;
  }
  return command.run(parseArguments(rest, command.options), self);
}

/** `--help` among the options; as the value of one (`-p --help`) it asks for nothing. */
function asksForHelp(args: readonly string[], command: Command): boolean {
  const help = { name: 'help', short: 'h', help: '' };
  if (!args.includes('--help') && !args.includes('-h')) return false;
  try {
    return parseArguments(args, [...command.options, help]).has('help');
  } catch {
    return true;
  }
}

function unknownCommand(name: string): BaichuanError {
  return new BaichuanError('option-unknown', {
    where: quote(name),
    what: 'There is no such command.',
    fix: `Use one of ${COMMANDS.map((command) => command.name).join(', ')}.`,
  });
}

/** Options of the library by their names on the command line. */
const OPTION_NAMES = new Map([
  ['stopStrings', '--stop'],
  ...['maxNewTokens', 'temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed'].map(
    dashed,
  ),
  ...['logprobs', 'contextLength', 'greedy'].map(dashed),
  ['maxShardBytes', '--max-shard-size'],
]);

function dashed(name: string): [string, string] {
  return [name, `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`];
}

/** The same error, with options called as they are written here. */
function inCommandWords(error: BaichuanError): BaichuanError {
  if (error.code !== 'aborted') return inOptions(error);
  const [what, fix] = ['The command was interrupted.', 'Run it again to finish.'];
  return new BaichuanError('aborted', { ...error, cause: error.cause, what, fix });
}

function inOptions(error: BaichuanError): BaichuanError {
  if (!['generation-option', 'context-length', 'option-value'].includes(error.code)) return error;
  const rename = (text: string) =>
    text.replace(/(?<![-\w])[a-zA-Z]+\b/g, (word) => OPTION_NAMES.get(word) ?? word);
  const where = error.where === undefined ? undefined : rename(error.where);
  const fix = rename(error.fix);
  return new BaichuanError(error.code, {
    ...error,
    cause: error.cause,
    what: error.what,
    where,
    fix,
  });
}

/** Anything but a `BaichuanError` is a fault of this program. */
function defect(error: unknown): BaichuanError {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new BaichuanError('internal-error', {
    what: `This is a defect of baichuan-ts.\n${stack}\n`,
    fix: 'Please report it with the command that you ran.',
    cause: error,
  });
}
