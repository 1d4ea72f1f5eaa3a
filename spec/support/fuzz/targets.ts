/** The one table of what is fuzzed, with what a run of it must show. */
import { ggufTarget } from './gguf.ts';
import { configTarget, generationConfigTarget, jsonTarget, shardIndexTarget } from './json.ts';
import { pickleTarget } from './pickle.ts';
import { safetensorsTarget } from './safetensors.ts';
import { stateDictTarget } from './state-dict.ts';
import type { FuzzTarget } from './target.ts';
import { protobufTarget, tokenizerTarget } from './tokenizer.ts';
import { zipTarget } from './zip.ts';

/** The files of spec/fuzz/ that run the targets. */
export type FuzzGroup = 'text' | 'torch' | 'model';

export interface FuzzRow {
  readonly group: FuzzGroup;
  readonly target: FuzzTarget;
  /** Cases on every push. */
  readonly cases: number;
  /** How many of these are accepted at least, and with how many codes the others are refused: a
   *  fuzzer whose files are all alike finds nothing. */
  readonly accepted: number;
  readonly codes: number;
}

export const FUZZ_TARGETS: readonly FuzzRow[] = [
  { group: 'text', target: jsonTarget, cases: 5000, accepted: 2000, codes: 3 },
  { group: 'text', target: configTarget, cases: 3000, accepted: 400, codes: 7 },
  { group: 'text', target: generationConfigTarget, cases: 3000, accepted: 800, codes: 4 },
  { group: 'text', target: shardIndexTarget, cases: 3000, accepted: 700, codes: 5 },
  { group: 'text', target: safetensorsTarget, cases: 4000, accepted: 600, codes: 18 },
  { group: 'torch', target: zipTarget, cases: 3000, accepted: 100, codes: 11 },
  { group: 'torch', target: pickleTarget, cases: 3000, accepted: 100, codes: 9 },
  { group: 'torch', target: stateDictTarget, cases: 1500, accepted: 300, codes: 7 },
  { group: 'model', target: protobufTarget, cases: 3000, accepted: 800, codes: 3 },
  { group: 'model', target: tokenizerTarget, cases: 1000, accepted: 150, codes: 8 },
  { group: 'model', target: ggufTarget, cases: 2000, accepted: 400, codes: 18 },
];
