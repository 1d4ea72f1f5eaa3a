/** The quantizers that llama.cpp's converter uses, to compare ours with. Source:
 *  ggml-org/llama.cpp, ggml/src/ggml-quants.c, quantize_row_q4_0_ref and quantize_row_q8_0_ref:
 *  per 32 weights
 *
 *      Q4_0: d = max / −8, max with its sign;  q = min(15, trunc(x / d + 8.5));  x ≈ (q − 8) · d
 *      Q8_0: d = max|x| / 127;                 q = round(x / d), half away from 0;    x ≈ q · d
 *
 *  d is float32 while q is chosen, and float16 in the file. */

const GROUP = 32;

/** The weights that a Q4_0 file gives back.
 *  @param weights `[out, in]`, in being a multiple of 32 */
export function ggmlQ4(weights: Float32Array): Float32Array {
  return byGroups(weights, (group, target) => {
    let extreme = 0;
    for (const x of group) if (Math.abs(x) > Math.abs(extreme)) extreme = x;
    const d = Math.fround(extreme / -8);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    const scale = nearestFloat16(d);
    group.forEach((x, i) => {
      const q = Math.min(15, Math.trunc(Math.fround(Math.fround(x * inverse) + 8.5)));
      target[i] = (q - 8) * scale;
    });
  });
}

/** The weights that a Q8_0 file gives back.
 *  @param weights `[out, in]`, in being a multiple of 32 */
export function ggmlQ8(weights: Float32Array): Float32Array {
  return byGroups(weights, (group, target) => {
    const d = Math.fround(group.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    const scale = nearestFloat16(d);
    group.forEach((x, i) => {
      const scaled = Math.fround(x * inverse);
      target[i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5) * scale;
    });
  });
}

function byGroups(
  weights: Float32Array,
  quantize: (group: Float32Array, target: Float32Array) => void,
): Float32Array {
  if (weights.length % GROUP !== 0) throw new RangeError('rows of whole groups only');
  const target = new Float32Array(weights.length);
  for (let start = 0; start < weights.length; start += GROUP) {
    const end = start + GROUP;
    quantize(weights.subarray(start, end), target.subarray(start, end));
  }
  return target;
}

/** By trial of all 65,536: owes nothing to the encoder under test. */
const FLOAT16: Float64Array = Float64Array.from({ length: 0x7c00 }, (_, bits) => {
  const [exponent, fraction] = [bits >> 10, bits & 1023];
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
});

/** The nearest of the positive float16 numbers, the even one of two. */
export function nearestFloat16(x: number): number {
  const magnitude = Math.abs(x);
  let [low, high] = [0, FLOAT16.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (FLOAT16[middle] <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - FLOAT16[low], FLOAT16[high] - magnitude];
  const bits = below < above || (below === above && low % 2 === 0) ? low : high;
  return Math.sign(x) * FLOAT16[bits];
}
