/** Loaded before a spec file, in its process: puts a recording uvu in the place of uvu, notes every
 *  fault uvu is silent about, and writes the report when the process exits.
 *
 *  The report goes to the file named by SPEC_REPORT. Workers and child processes of the spec do not
 *  see the variable and report nothing. */

import { writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { describeError, faults, progress, queue, suites } from './record.mjs';

const reportFile = process.env.SPEC_REPORT;
delete process.env.SPEC_REPORT;

if (isMainThread && reportFile !== undefined) {
  register('./resolve.mjs', import.meta.url);
  // uvu leaves the start to main.mjs and puts suites into our queue.
  Object.assign(globalThis, { UVU_DEFER: true, UVU_QUEUE: queue });

  process.on('unhandledRejection', (reason) => {
    faults.push(`a rejected promise was left alone:\n${describeError(reason)}`);
  });
  process.on('uncaughtExceptionMonitor', (error) => {
    faults.push(`the file crashed:\n${describeError(error)}`);
  });
  process.on('exit', () => {
    writeFileSync(reportFile, JSON.stringify({ suites, faults, progress }));
  });
}
