/** The exponential function in float32, less than 1 ULP away: y[i] = e^x[i].
 *
 *      eˣ = 2ⁿ · eʳ,  n = round(x / ln 2),  r = x − n · ln 2 (two constants),
 *      eʳ = 1 + r + r² · P(r), the polynomial of the Cephes library (S. L. Moshier, expf.c)
 *
 *  The steps and their order are those of src/math/exp32.ts, each rounded to float32 and none
 *  fused (exp-lanes.ts), so the bits are the same for every pattern.
 *
 *  Lanes: four elements a step. Remainder: one element, in all four lanes of the same steps. */

import { expLanes } from './exp-lanes';

/** e^x[i]; y may be x.
 *  @param yPtr float32 (overwritten) @param xPtr float32 */
export function exp(yPtr: usize, xPtr: usize, start: usize, end: usize): void {
  yPtr += start * 4;
  xPtr += start * 4;
  const xEnd = xPtr + (end - start) * 4;
  const vectorEnd = xPtr + ((end - start) & ~3) * 4;
  while (xPtr < vectorEnd) {
    v128.store(yPtr, expLanes(v128.load(xPtr)));
    xPtr += 16;
    yPtr += 16;
  }
  while (xPtr < xEnd) {
    v128.store_lane<u32>(yPtr, expLanes(v128.load32_splat(xPtr)), 0);
    xPtr += 4;
    yPtr += 4;
  }
}
