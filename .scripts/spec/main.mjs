/** The entry of a spec process: evaluates the spec file, then lets uvu run what it registered.
 *
 *  uvu by itself starts at the first pause of the file and then sets the exit code of the process,
 *  whatever stood there: a file that never came to its end, or whose process had failed already,
 *  would pass. */

import { pathToFileURL } from 'node:url';
import { faults, progress, queue } from './record.mjs';
import { exec } from './uvu.mjs';

// The spec sees the arguments as if it were the entry itself.
process.argv.splice(1, 1);
await import(pathToFileURL(process.argv[1] ?? '').href);
progress.isEvaluated = true;

// The last entry of uvu's queue runs right before uvu sets the exit code. An entry returns uvu's
// [errors, passed, skipped, total].
queue[0].push(async () => {
  const { exitCode } = process;
  if (exitCode) faults.push(`the file set the exit code ${exitCode}`);
  return [true, 0, 0, 0];
});
await exec();
progress.isDone = true;
