/** What a spec process has seen so far: every test registered and how it ended, every fault. */

import { inspect } from 'node:util';

/** @typedef {{ title: string, state: 'waiting' | 'passed' | 'failed', text: string }} TestRecord */
/** @typedef {{ name: string, hasRun: boolean, tests: TestRecord[] }} SuiteRecord */
/** @typedef {{ isEvaluated: boolean, isDone: boolean }} Progress */
/** @typedef {{ suites: SuiteRecord[], faults: string[], progress: Progress }} Report */

/** @type {SuiteRecord[]} */
export const suites = [];

/** What must not happen in a spec file, whatever its tests say.
 *  @type {string[]} */
export const faults = [];

/** How far the process has come: the whole module evaluated, every suite run.
 *  @type {Progress} */
export const progress = { isEvaluated: false, isDone: false };

/** uvu's queue: groups of suites, the name of the group first. Ours has one group, without a name.
 *  @type {[[null, ...(() => Promise<unknown[]>)[]]]} */
export const queue = [[null]];

const STACK_LINES = 6;

/** The message of an error, the difference uvu found, and where in our own code it arose.
 *  @param {unknown} error @returns {string} */
export function describeError(error) {
  if (!(error instanceof Error)) return `thrown: ${inspect(error)}`;
  const details = 'details' in error && typeof error.details === 'string' ? error.details : '';
  const frames = (error.stack ?? '')
    .split('\n')
    .filter(
      (line) => /^\s+at /.test(line) && !/node_modules|node:internal|\.scripts\/spec/.test(line),
    )
    .slice(0, STACK_LINES)
    .map((line) => line.trim());
  const cause = error.cause === undefined ? '' : `caused by ${describeError(error.cause)}`;
  return [error.message || error.name, details.trimEnd(), ...frames, cause]
    .filter((part) => part !== '')
    .join('\n');
}
