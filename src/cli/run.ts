/** The command line: finds the command, runs it, turns faults into messages and exit codes. */

import { BaichuanError, EXIT_CODES, quote } from '../index.ts';
import { type CommandProcess, packageVersion } from '../platform/command-line.ts';
import type { Command } from './command.ts';
import { demoCommand } from './demo.ts';
import { detokenizeCommand } from './detokenize.ts';
import { generateCommand } from './generate.ts';
import { commandHelp, overview } from './help.ts';
import { inspectCommand } from './inspect.ts';
import { parseArguments } from './options.ts';
import { tokenizeCommand } from './tokenize.ts';
import { traceCommand } from './trace.ts';

export const COMMANDS: readonly Command[] = [
  demoCommand,
  generateCommand,
  tokenizeCommand,
  detokenizeCommand,
  inspectCommand,
  traceCommand,
];

/** Runs one command line.
 *  @param args without the program's name @returns the exit code: 0 done, 1 defect, 2 usage, 3 bad
 *  model file, 4 unsupported, 5 integrity, 6 resources, 7 input/output, 130 interrupted */
export async function runCommandLine(
  args: readonly string[],
  self: CommandProcess,
): Promise<number> {
  const asJson = args.includes('--json');
  try {
    return await dispatch(args, self);
  } catch (error) {
    if (!(error instanceof BaichuanError)) return reportDefect(error, self);
    const interrupted = error.code === 'aborted';
    const text = interrupted ? 'interrupted' : error.message;
    const json = () => JSON.stringify({ error });
    self.printError(`${asJson ? json() : text}\n`);
    return error.exitCode;
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

/** Anything but a `BaichuanError` is a fault of this program. */
function reportDefect(error: unknown, self: CommandProcess): number {
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  self.printError(
    `internal-error: this is a defect of baichuan-ts; please report it.\n${details}\n`,
  );
  return EXIT_CODES.check;
}
