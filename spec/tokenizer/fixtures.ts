/** The small vocabularies of fixtures/tokenizer/ and what SentencePiece makes of their texts. */
import { readFileSync } from 'node:fs';
import { loadTokenizer } from '../../src/tokenizer/index.ts';

export const VARIANTS = ['user', 'dummy', 'plain', 'unknown', 'patched'] as const;
export type Variant = (typeof VARIANTS)[number];

export interface EncodedText {
  ids: number[];
  /** What the ids decode to; absent when it is the text itself. */
  decoded?: string;
  /** Start and end of each piece in UTF-16 code units. */
  offsets?: [number, number][];
}

export interface DecodedIds {
  ids: number[];
  decoded: string;
}

const FOLDER = new URL('../../fixtures/tokenizer/', import.meta.url);

export function readModel(variant: Variant): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${variant}.model`, FOLDER)));
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'));
}

export const texts = readJson('texts.json') as string[];

export const cases = VARIANTS.map((variant) => ({
  variant,
  tokenizer: loadTokenizer(readModel(variant), { file: `${variant}.model` }),
  encodings: readJson(`${variant}.encodings.json`) as EncodedText[],
  decodings: readJson(`${variant}.decodings.json`) as DecodedIds[],
}));

export const tokenizers = Object.fromEntries(
  cases.map(({ variant, tokenizer }) => [variant, tokenizer]),
) as Record<Variant, (typeof cases)[number]['tokenizer']>;
