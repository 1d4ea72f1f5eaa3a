/** Medians and quartiles of repeated measurements. */

/** Several measurements of one quantity: what is in the middle, how far they spread, and all. */
export interface Summary {
  readonly median: number;
  /** The first and the third, between neighbours by linear interpolation. */
  readonly quartiles: readonly [number, number];
  /** In the order of measurement. */
  readonly runs: readonly number[];
}

/** Sums measurements up.
 *  @param runs at least one, in the order of measurement */
export function summarize(runs: readonly number[]): Summary {
  const sorted = [...runs].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)], runs };
}

/** `a / b` run by run: noise that lasted over a pair of runs falls out.
 *  @param a as many runs as `b` */
export function ratioOf(a: readonly number[], b: readonly number[]): Summary {
  return summarize(a.map((value, index) => value / b[index]));
}

/** Median and quartiles for people, with three significant digits. */
export function show({ median, quartiles: [low, high] }: Summary): string {
  return `${digits(median)} (${digits(low)} … ${digits(high)})`;
}

function digits(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
