/** The speed of the tokenizer on mixed Chinese and English, and on runs of one character.
 *
 *  Usage: npx tsx bench/tokenizer.bench.ts [TOKENIZER.MODEL]. Without a file, with the small
 *  vocabulary of the specs. Prints the median, the spread (half the distance between the quartiles)
 *  and MB/s of UTF-8; each result has been checked by decoding it. */
import { readFileSync } from 'node:fs';
import { Bench } from 'tinybench';
import { loadTokenizer } from '../src/index.ts';

const file = process.argv[2];
const small = new URL('../fixtures/tokenizer/user.model', import.meta.url);
const bytes = new Uint8Array(readFileSync(file ?? small));
const tokenizer = loadTokenizer(bytes, { file: file ?? 'user.model' });

const MIXED = readFileSync(
  new URL('../fixtures/generate/make_tokenizer_fixtures.py', import.meta.url),
)
  .toString()
  .repeat(80);

const inputs = new Map([['mixed', MIXED.slice(0, 600_000)]]);
for (const character of ['a', '你', ' ', '😀']) {
  const size = new TextEncoder().encode(character).length;
  for (const total of [2 ** 18, 2 ** 19, 2 ** 20]) {
    const count = Math.floor(total / size);
    inputs.set(`${JSON.stringify(character)} × ${count}`, character.repeat(count));
  }
}

const bench = new Bench({ time: 1000, warmupTime: 300, retainSamples: true });
const sizes = new Map<string, number>();
for (const [name, text] of inputs) {
  if (tokenizer.decode(tokenizer.encode(text)) !== text) throw new Error(`${name} is not restored`);
  sizes.set(name, new TextEncoder().encode(text).length);
  bench.add(name, () => {
    tokenizer.encode(text);
  });
}
bench.add('load', () => {
  loadTokenizer(bytes);
});
await bench.run();

console.log(`${bench.runtime} ${bench.runtimeVersion}, ${tokenizer.vocabSize} pieces`);
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
  const samples = [...(result.latency.samples ?? [])].sort((a, b) => a - b);
  const quantile = (share: number): number => samples[Math.floor(share * (samples.length - 1))];
  const [low, median, high] = [quantile(0.25), quantile(0.5), quantile(0.75)];
  const size = sizes.get(name);
  const speed = size === undefined ? '' : `  ${(size / 1000 / median).toFixed(1)} MB/s`;
  console.log(`${name}  ${median.toFixed(1)} ± ${((high - low) / 2).toFixed(1)} ms${speed}`);
}
