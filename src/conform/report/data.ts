/** What a report embeds as JSON for its script: types only, known to both sides. */

/** Attention probabilities of chosen heads, one byte a cell, heads one after the other. */
export interface AttentionData {
  /** T of the prompt. */
  readonly tokens: number;
  /** Tokens that one cell stands for along each axis. */
  readonly block: number;
  /** Cells along each axis. */
  readonly cells: number;
  /** Layer and head of every map. */
  readonly places: readonly (readonly [number, number])[];
  /** The map to show first. */
  readonly chosen: number;
  /** The spelling of every cell's first token. */
  readonly labels: readonly string[];
  /** Base64 of round(255 · √p); undefined where a side recorded none. */
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  /** Base64 of 128 ± n, found − expected on a logarithmic scale: n = 127 is 1, n = 1 is 10⁻⁹ or
   *  less, n = 0 the same bits. */
  readonly difference?: string | undefined;
}

/** The likeliest next tokens of one layer at one position. */
export interface LensGuess {
  readonly token: string;
  readonly probability: number;
}

export interface LensData {
  /** Names of the rows, in the order of execution. */
  readonly layers: readonly string[];
  /** Spellings of the prompt's tokens that are shown. */
  readonly tokens: readonly string[];
  /** [layer][position], the likeliest first. */
  readonly guesses: readonly (readonly (readonly LensGuess[])[])[];
}

export interface ReportData {
  readonly attention?: AttentionData | undefined;
  readonly lens?: LensData | undefined;
}
