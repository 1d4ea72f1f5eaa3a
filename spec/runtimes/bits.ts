/** Prints hashes of everything that must have the same bits on every runtime: elementary functions,
 *  every activation of the golden models, sampled tokens. `npm run test:runtimes` runs this in each
 *  runtime and compares the lines. */

import { createHash } from 'node:crypto';
import { complete } from '../../src/engine/generate.ts';
import { load } from '../../src/engine/load.ts';
import { cos, exp, exp32, log, pow, sin } from '../../src/math/index.ts';

const GOLDENS = ['alibi-5heads', 'rope-4heads', 'alibi-40heads', 'rope-3heads-32layers'];

function hash(parts: Iterable<Float32Array | Float64Array>): string {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest('hex').slice(0, 32);
}

/** Arguments over 40 binades of both signs, none of them round. */
const ARGUMENTS = Float64Array.from({ length: 100_000 }, (_, i) => {
  const magnitude = (1 + ((i * 7919) % 100_003) / 100_003) * 2 ** ((i % 40) - 30);
  return i % 2 === 0 ? magnitude : -magnitude;
});

for (const [name, f] of Object.entries({ exp, exp32, sin, cos })) {
  console.log(`${name} ${hash([ARGUMENTS.map(f)])}`);
}
const positive = ARGUMENTS.map(Math.abs);
console.log(`log ${hash([positive.map(log)])}`);
console.log(`pow ${hash([positive.map((base, i) => pow(base, ARGUMENTS[i] / 1000))])}`);

for (const golden of GOLDENS) {
  const model = await load(new URL(`../../fixtures/goldens/${golden}/`, import.meta.url));
  const ids = Array.from({ length: 37 }, (_, i) => (i * 31 + 7) % model.config.vocabSize);
  const { tensors } = await model.trace(ids);
  console.log(`${golden} trace ${hash([...tensors.values()].map(({ values }) => values))}`);
  const options = { temperature: 2, topP: 0.9, seed: 42, maxNewTokens: 40, eosTokenId: null };
  const { outputIds } = await complete(model, { ids }, options);
  console.log(`${golden} sampled ${outputIds.join(',')}`);
}

const embedded = await load();
const { text } = await complete(embedded, 'Hamlet->Shakespeare\n夜雨寄北->', { logprobs: 5 });
const { data } = await embedded.forward([5, 700, 900, 1100]);
console.log(`embedded ${text} ${hash([data])}`);
