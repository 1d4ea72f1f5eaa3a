/** How far one tensor lies from another, gathered piece by piece, so that tensors of any size need
 *  the memory of one piece:
 *
 *      max abs   largest |e − f|                  relative   (largest |e − f|) / largest |e|
 *      NMSE      Σ (e − f)² / Σ e²                cosine     Σ e·f / √(Σ e² · Σ f²)
 *
 *  Scores below −1e29 are masked (published masks are −3.4e38, others −∞): they are compared as a
 *  set and left out of every sum. A NaN, an infinity against a number, and a mask that differs
 *  count as infinitely far. */

/** What masks are below. */
export const MASKED_BELOW = -1e29;

export type Numbers = Float32Array | Float64Array;

export interface TensorStatistics {
  /** Elements compared, masked ones included. */
  readonly count: number;
  readonly maxAbs: number;
  /** Largest |expected| that is not masked. */
  readonly largest: number;
  /** maxAbs / largest; 0 when both are 0. */
  readonly relative: number;
  readonly nmse: number;
  readonly cosine: number;
  /** Row-major index of the largest difference. */
  readonly worst: number;
  /** The largest difference beyond what the position allows, divided by `largest`. */
  readonly excess: number;
}

export interface StatisticsCollector {
  /** Adds the next elements.
   *  @param expected @param found of the same length
   *  @param slack how much of each difference is allowed, in the unit of the elements */
  add(expected: Numbers, found: Numbers, slack?: number): void;
  result(): TensorStatistics;
}

/** Starts a comparison. */
export function collectStatistics(): StatisticsCollector {
  const total = { maxAbs: 0, largest: 0, worst: 0, beyond: 0 };
  let [count, differences, expectedSquares, foundSquares, products] = [0, 0, 0, 0, 0];
  return {
    add(expected, found, slack = 0) {
      const piece = measure(expected, found);
      if (piece.maxAbs > total.maxAbs) {
        total.maxAbs = piece.maxAbs;
        total.worst = count + indexAt(piece.maxAbs, expected, found);
      }
      total.beyond = Math.max(total.beyond, piece.maxAbs - slack);
      total.largest = Math.max(total.largest, piece.largest);
      differences += piece.differences;
      expectedSquares += piece.expectedSquares;
      foundSquares += piece.foundSquares;
      products += piece.products;
      count += expected.length;
    },
    result: () => ({
      count,
      maxAbs: total.maxAbs,
      largest: total.largest,
      relative: ratio(total.maxAbs, total.largest),
      nmse: ratio(differences, expectedSquares),
      cosine: cosineOf(products, expectedSquares, foundSquares),
      worst: total.worst,
      excess: ratio(total.beyond, total.largest),
    }),
  };
}

interface PieceSums {
  readonly maxAbs: number;
  readonly largest: number;
  readonly differences: number;
  readonly expectedSquares: number;
  readonly foundSquares: number;
  readonly products: number;
}

/** The sums and maxima of one piece. This loop decides how fast traces compare: it looks for
 *  nothing special, and leaves pieces that have something special to `measureCarefully`. */
function measure(expected: Numbers, found: Numbers): PieceSums {
  let maxAbs = 0;
  let largest = 0;
  let differences = 0;
  let expectedSquares = 0;
  let foundSquares = 0;
  let products = 0;
  const { length } = expected;
  for (let i = 0; i < length; i++) {
    const e = expected[i];
    const f = found[i];
    const difference = e - f;
    const [distance, magnitude] = [Math.abs(difference), Math.abs(e)];
    if (distance > maxAbs) maxAbs = distance;
    if (magnitude > largest) largest = magnitude;
    differences += difference * difference;
    expectedSquares += e * e;
    foundSquares += f * f;
    products += e * f;
  }
  // A comparison passes over NaN, but no sum does.
  const isNumber = Number.isFinite(differences) && Number.isFinite(products);
  const isPlain = isNumber && maxAbs < -MASKED_BELOW && largest < -MASKED_BELOW;
  if (!isPlain) return measureCarefully(expected, found);
  return { maxAbs, largest, differences, expectedSquares, foundSquares, products };
}

/** The same where something is masked, infinite, huge or not a number. */
function measureCarefully(expected: Numbers, found: Numbers): PieceSums {
  let [maxAbs, largest, differences] = [0, 0, 0];
  let [expectedSquares, foundSquares, products] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [e, f] = [expected[i], found[i]];
    const distance = distanceOf(e, f);
    maxAbs = Math.max(maxAbs, distance);
    if (distance === Number.POSITIVE_INFINITY) differences = distance;
    if (!isMeasured(e, f)) continue;
    largest = Math.max(largest, Math.abs(e));
    differences += distance * distance;
    expectedSquares += e * e;
    foundSquares += f * f;
    products += e * f;
  }
  return { maxAbs, largest, differences, expectedSquares, foundSquares, products };
}

/** Whether an element counts in sums: no mask, and a difference that is a number. */
function isMeasured(expected: number, found: number): boolean {
  return expected >= MASKED_BELOW && found >= MASKED_BELOW && Number.isFinite(expected - found);
}

/** How far two elements lie apart; what cannot be measured lies infinitely far. */
function distanceOf(expected: number, found: number): number {
  if (isMeasured(expected, found)) return Math.abs(expected - found);
  return agreesSpecially(expected, found) ? 0 : Number.POSITIVE_INFINITY;
}

/** The first element that lies so far. */
function indexAt(distance: number, expected: Numbers, found: Numbers): number {
  let index = 0;
  while (index < expected.length && distanceOf(expected[index], found[index]) !== distance) {
    index += 1;
  }
  return index;
}

/** Both masked, or the same infinity. */
function agreesSpecially(expected: number, found: number): boolean {
  if (expected < MASKED_BELOW || found < MASKED_BELOW) {
    return expected < MASKED_BELOW && found < MASKED_BELOW;
  }
  return expected === found;
}

function ratio(part: number, whole: number): number {
  if (part === 0) return 0;
  return Number.isFinite(part) && Number.isFinite(whole) ? part / whole : Number.POSITIVE_INFINITY;
}

function cosineOf(products: number, expectedSquares: number, foundSquares: number): number {
  const norms = Math.sqrt(expectedSquares) * Math.sqrt(foundSquares);
  if (norms === 0) return expectedSquares === foundSquares ? 1 : 0;
  const cosine = products / norms;
  return Number.isNaN(cosine) ? 0 : Math.max(-1, Math.min(1, cosine));
}

/** Whether two elements differ by more than is allowed. */
export function isBeyond(expected: number, found: number, allowed: number): boolean {
  if (agreesSpecially(expected, found)) return false;
  if (expected < MASKED_BELOW || found < MASKED_BELOW) return true;
  return !(Math.abs(expected - found) <= allowed);
}
