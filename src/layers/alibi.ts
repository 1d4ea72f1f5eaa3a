/** ALiBi slopes: 13B has no position embedding; each head h adds slope_h · s to the score of key s.
 *
 *      n = 2^k heads:  slope_h = r^(h+1),  r = 2^(−8/n)
 *      other n:        the slopes of the largest m = 2^k < n, then every second slope of the
 *                      list for 2m (the 1st, 3rd, 5th, …), n − m of them
 *
 *  40 heads, as in 13B, is not a power of two. 7B uses rope.ts instead.
 *  Source: "Train Short, Test Long", Press, Smith and Lewis 2021, section 3; the second case is
 *  that of their code, which baichuan-inc/Baichuan-13B-Base follows (`_get_interleave`). */

import { pow } from '../math/index.ts';

/** The slope of every head.
 *  @param heads number of heads, 1 or more @returns `[heads]` */
export function alibiSlopes(heads: number): Float32Array {
  let powerOfTwo = 1;
  while (powerOfTwo * 2 <= heads) powerOfTwo *= 2;
  const interleaved = geometricSlopes(2 * powerOfTwo).filter((_, index) => index % 2 === 0);
  const slopes = [...geometricSlopes(powerOfTwo), ...interleaved.slice(0, heads - powerOfTwo)];
  return Float32Array.from(slopes);
}

/** 2^(−8/n), 2^(−16/n), …, 2^(−8). */
function geometricSlopes(n: number): number[] {
  return Array.from({ length: n }, (_, h) => pow(2, (-8 * (h + 1)) / n));
}
