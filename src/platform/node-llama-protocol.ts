/** What passes between the command line and the process that runs native llama.cpp. */

/** Asked one at a time; `id` comes back with the answer. */
export type LlamaRequest = { readonly id: number } & (
  | {
      readonly kind: 'load';
      /** URL of node-llama-cpp. */
      readonly module: string;
      readonly modelPath: string;
      readonly contextLength: number;
      readonly threads: number;
    }
  | { readonly kind: 'encode'; readonly text: string }
  | {
      readonly kind: 'next';
      readonly ids: readonly number[];
      readonly positions: readonly number[];
    }
);

/** Scores `[V]` after one position, or probabilities where the module gives no scores. */
export interface LlamaRow {
  readonly kind: 'scores' | 'probabilities';
  readonly values: readonly number[];
}

export type LlamaAnswer = { readonly id: number } & (
  | { readonly kind: 'loaded'; readonly name: string }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'rows'; readonly rows: readonly LlamaRow[] }
  | { readonly kind: 'error'; readonly message: string }
);
