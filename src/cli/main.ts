/** Entry of the `baichuan` binary. The commands are imported when signals are listened to already:
 *  Ctrl-C is answered from the first moment on. */

import { runProcess } from '../platform/command-line.ts';

await runProcess(async (args, self) => {
  const { runCommandLine } = await import('./run.ts');
  return runCommandLine(args, self);
});
