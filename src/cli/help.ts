/** Help texts, made from the tables that the commands are read by. */

import type { Command } from './command.ts';
import type { OptionSpec } from './options.ts';

/** The list of commands. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    'Baichuan-7B and Baichuan-13B in TypeScript.',
    '',
    'Usage: baichuan COMMAND [options]',
    '',
    ...lines,
    '',
    'baichuan COMMAND --help shows the options. Results go to stdout, everything else to stderr.',
    'Exit codes: 0 done, 1 check failed, 2 usage, 3 bad model file, 4 unsupported, 5 integrity,',
    '6 resources, 7 input/output, 129 terminal closed, 130 interrupted.',
    '',
  ].join('\n');
}

/** The options of one command. */
export function commandHelp(command: Command): string {
  const heads = command.options.map(head);
  const width = Math.max(0, ...heads.map(({ length }) => length));
  const options = command.options.map(({ help }, i) => `  ${heads[i].padEnd(width)}  ${help}`);
  return [
    `baichuan ${command.name}: ${command.summary}`,
    '',
    `Usage: ${command.usage}`,
    ...(options.length > 0 ? ['', 'Options:', ...options] : []),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ].join('\n');
}

function head({ name, short, value }: OptionSpec): string {
  const dash = short === undefined ? '    ' : `-${short}, `;
  return `${dash}--${name}${value === undefined ? '' : ` ${value}`}`;
}
