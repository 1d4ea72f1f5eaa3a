/** What a spec process has seen so far: every test registered and how it ended, every fault. */

import { inspect } from 'node:util';

/** @typedef {{ title: string, state: 'waiting' | 'passed' | 'failed', text: string }} TestRecord */
/** @typedef {{ name: string, hasRun: boolean, tests: TestRecord[] }} SuiteRecord */
/** @typedef {{ suites: SuiteRecord[], faults: string[] }} Report */

/** @type {SuiteRecord[]} */
export const suites = [];

/** What must not happen in a spec file, whatever its tests say.
 *  @type {string[]} */
export const faults = [];

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
