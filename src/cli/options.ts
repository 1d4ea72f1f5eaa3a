/** Options of the command line: one declarative table per command, read strictly. */

import { BaichuanError, quote } from '../index.ts';
import { cutArguments } from '../platform/command-line.ts';

export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** How the value is called in the help; an option without one is a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeated?: boolean;
  readonly help: string;
}

/** What was given, by option name. */
export interface Arguments {
  has(name: string): boolean;
  /** The text of an option, or undefined. */
  text(name: string): string | undefined;
  /** All texts of a repeated option. */
  texts(name: string): readonly string[];
  /** @throws option-value when the text is no decimal number */
  number(name: string): number | undefined;
  /** Words that belong to no option. */
  readonly words: readonly string[];
}

/** Reads the arguments of a command.
 *  @throws option-unknown, option-value */
export function parseArguments(args: readonly string[], specs: readonly OptionSpec[]): Arguments {
  const syntax = Object.fromEntries(
    specs.map(({ name, short, value }) => [name, { takesValue: value !== undefined, short }]),
  );
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of cutArguments(args, syntax)) {
    if (token.kind === 'word') {
      words.push(token.value);
      continue;
    }
    const spec = specs.find(({ name }) => name === token.name);
    if (spec === undefined) throw unknownOption(token.raw, specs);
    checkValue(spec, token.raw, token.value);
    if (given.has(spec.name) && spec.repeated !== true) throw givenTwice(token.raw);
    given.set(spec.name, [...(given.get(spec.name) ?? []), token.value ?? '']);
  }
  const text = (name: string) => given.get(name)?.[0];
  return {
    words,
    has: (name) => given.has(name),
    text,
    texts: (name) => given.get(name) ?? [],
    number: (name) => decimal(name, text(name)),
  };
}

/** A decimal number, not what JavaScript would make of an empty text or of `0x10`. */
function decimal(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  throw new BaichuanError('option-value', {
    where: `--${name}`,
    what: `${quote(text)} is not a number.`,
    fix: `Write a decimal number, such as --${name} 8.`,
    expected: 'a decimal number',
    found: quote(text),
  });
}

/** Refuses words where a command takes none. @throws option-unknown */
export function expectNoWords({ words }: Arguments, instead: string): void {
  if (words.length === 0) return;
  throw new BaichuanError('option-unknown', {
    where: quote(words[0]),
    what: 'This word belongs to no option.',
    fix: instead,
  });
}

function checkValue(spec: OptionSpec, raw: string, value: string | undefined): void {
  if ((spec.value === undefined) === (value === undefined)) return;
  const takes = spec.value === undefined ? 'takes no value' : `needs a value, ${spec.value}`;
  const usage = spec.value === undefined ? `--${spec.name}` : `--${spec.name} ${spec.value}`;
  throw new BaichuanError('option-value', {
    where: raw,
    what: `The option ${takes}.`,
    fix: `Write ${usage}.`,
  });
}

function givenTwice(raw: string): BaichuanError {
  return new BaichuanError('option-value', {
    where: raw,
    what: 'The option was given twice.',
    fix: 'Give it once.',
  });
}

function unknownOption(raw: string, specs: readonly OptionSpec[]): BaichuanError {
  const wanted = raw.replace(/^-+/, '');
  const [nearest] = specs
    .map(({ name }) => ({ name, distance: editDistance(wanted, name) }))
    .sort((a, b) => a.distance - b.distance);
  const close =
    wanted.length > 2 &&
    nearest !== undefined &&
    nearest.distance <= Math.max(2, wanted.length / 3);
  return new BaichuanError('option-unknown', {
    where: quote(raw).slice(1, -1),
    what: 'This command has no such option.',
    fix: close ? `Did you mean --${nearest.name}? Use --help for all.` : 'Use --help to see them.',
  });
}

/** Insertions, deletions and substitutions from one word to another (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= Math.min(from.length, 40); i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, substituted));
    }
    row = next;
  }
  return row[to.length];
}
