/** Entry of the `baichuan` binary. */

import { runProcess } from '../platform/command-line.ts';
import { runCommandLine } from './run.ts';

await runProcess(runCommandLine);
