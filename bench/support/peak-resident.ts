/** The most memory that this process held. */

import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';

const STATUS = '/proc/self/status';

/** Bytes of the largest resident set so far. Linux counts in `maxRSS` what the parent held when it
 *  started this process, but not in VmHWM. */
export function peakResident(): number {
  const status = existsSync(STATUS) ? readFileSync(STATUS, 'utf8') : '';
  const [, peak = process.resourceUsage().maxRSS] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  return Number(peak) * 1024;
}
