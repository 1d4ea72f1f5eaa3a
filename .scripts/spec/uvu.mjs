/** uvu, with a record of what it does: the same functions, wrapped.
 *
 *  uvu passes in silence when `run()` is missing, a hook throws, or `.only` or `.skip` is left in;
 *  the record shows each of them. */

import * as uvu from 'uvu';
import { describeError, faults, suites } from './record.mjs';

const TITLE = /^(law|pair|golden|error): \S/;

/** @typedef {import('uvu').Test<any>} Test */

/** @param {string} [name] @param {any} [state] @returns {any} */
export function suite(name = '', state = {}) {
  return watch(uvu.suite(name, state), name);
}

export const test = watch(uvu.test, '');

export const exec = uvu.exec;

/** @param {Test} real @param {string} name */
function watch(real, name) {
  /** @type {import('./record.mjs').SuiteRecord} */
  const record = { name, hasRun: false, tests: [] };
  suites.push(record);

  /** @param {string} title @param {(state: any) => unknown} handler */
  const watched = (title, handler) => real(title, watchTest(record, title, handler));

  /** @param {string} title @param {(state: any) => unknown} handler */
  watched.only = (title, handler) => {
    faults.push(`.only is left in: ${title}`);
    real.only(title, watchTest(record, title, handler));
  };
  /** @param {string} title */
  watched.skip = (title) => {
    faults.push(`.skip is left in: ${title}`);
  };
  watched.before = watchHook('before', real.before);
  watched.before.each = watchHook('before.each', real.before.each);
  watched.after = watchHook('after', real.after);
  watched.after.each = watchHook('after.each', real.after.each);
  watched.run = () => {
    record.hasRun = true;
    real.run();
  };
  return watched;
}

/** @param {import('./record.mjs').SuiteRecord} record @param {string} title
 *  @param {(state: any) => unknown} handler @returns {(state: any) => Promise<void>} */
function watchTest(record, title, handler) {
  if (!TITLE.test(title)) {
    faults.push(`a title does not begin with law:, pair:, golden: or error: – ${title}`);
  }
  if (record.tests.some((other) => other.title === title)) {
    faults.push(`a title stands twice in one suite: ${title}`);
  }
  /** @type {import('./record.mjs').TestRecord} */
  const test = { title, state: 'waiting', text: '' };
  record.tests.push(test);
  return async (state) => {
    try {
      await handler(state);
      test.state = 'passed';
    } catch (error) {
      test.state = 'failed';
      test.text = describeError(error);
      throw error;
    }
  };
}

/** @param {string} kind @param {(hook: (state: any) => Promise<void>) => void} real
 *  @returns {any} */
function watchHook(kind, real) {
  /** @param {(state: any) => unknown} hook */
  return (hook) =>
    real(async (state) => {
      try {
        await hook(state);
      } catch (error) {
        faults.push(`a ${kind} hook threw:\n${describeError(error)}`);
        throw error;
      }
    });
}
