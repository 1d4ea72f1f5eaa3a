/** uvu's `suite` for a page: the same calls, run when the page asks, their results kept. */

/** @typedef {{ title: string, handler: () => unknown }} PageTest */
/** @typedef {{ name: string, tests: PageTest[], hasRun: boolean }} PageSuite */

/** @type {PageSuite[]} */
export const suites = [];

/** @param {string} name */
export function suite(name) {
  /** @type {PageSuite} */
  const record = { name, tests: [], hasRun: false };
  suites.push(record);
  /** @param {string} title @param {() => unknown} handler */
  const test = (title, handler) => {
    record.tests.push({ title, handler });
  };
  test.run = () => {
    record.hasRun = true;
  };
  return test;
}

globalThis.runSuites = runSuites;

/** Runs every suite that asked for it.
 *  @returns {Promise<{ tests: number, failures: string[] }>} */
export async function runSuites() {
  const failures = suites.filter(({ hasRun }) => !hasRun).map(({ name }) => `${name} lacks run()`);
  let tests = 0;
  for (const { tests: waiting, hasRun } of suites) {
    for (const { title, handler } of hasRun ? waiting : []) {
      tests += 1;
      try {
        await handler();
      } catch (error) {
        failures.push(`${title}\n${error instanceof Error ? error.stack : error}`);
      }
    }
  }
  return { tests, failures };
}
