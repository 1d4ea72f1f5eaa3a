/** Prints hashes of everything that must have the same bits on every runtime: elementary functions,
 *  every activation of the golden models, sampled tokens. `npm run test:runtimes` runs this in each
 *  runtime, `npm run test:browser` in Chromium, and both compare the lines. */

import type { EngineOptions } from '../../src/engine/engine-options.ts';
import { complete } from '../../src/engine/generate.ts';
import type { LanguageModel } from '../../src/engine/language-model.ts';
import { load } from '../../src/engine/load.ts';
import { cos, exp, exp32, log, pow, sin } from '../../src/math/index.ts';
import { syntheticFolder } from '../support/synthetic-model.ts';

const GOLDENS = ['alibi-5heads', 'rope-4heads', 'alibi-40heads', 'rope-3heads-32layers'];

/** SHA-256 of numbers one after the other, its first half. */
async function hash(parts: readonly (Float32Array | Float64Array)[]): Promise<string> {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Arguments over 40 binades of both signs, none of them round. */
const ARGUMENTS = Float64Array.from({ length: 100_000 }, (_, i) => {
  const magnitude = (1 + ((i * 7919) % 100_003) / 100_003) * 2 ** ((i % 40) - 30);
  return i % 2 === 0 ? magnitude : -magnitude;
});

for (const [name, f] of Object.entries({ exp, exp32, sin, cos })) {
  console.log(`${name} ${await hash([ARGUMENTS.map(f)])}`);
}
const positive = ARGUMENTS.map(Math.abs);
console.log(`log ${await hash([positive.map(log)])}`);
console.log(`pow ${await hash([positive.map((base, i) => pow(base, ARGUMENTS[i] / 1000))])}`);

const golden = (name: string) => new URL(`../../fixtures/goldens/${name}/`, import.meta.url);

/** Ways of computing whose bits must not depend on the runtime. */
const WAYS: readonly EngineOptions[] = [
  { kernels: 'reference' },
  {},
  { quantize: 'int8' },
  { quantize: 'int4' },
  { quantize: 'int4', activations: 'exact', kvCache: 'f32' },
  { quantize: 'int8-channel' },
  { quantize: 'int4-channel', activations: 'fast' },
];

for (const name of GOLDENS) {
  for (const way of WAYS) {
    await using model = await load(golden(name), way);
    const ids = Array.from({ length: 37 }, (_, i) => (i * 31 + 7) % model.config.vocabSize);
    const { tensors } = await model.trace(ids);
    const title = `${name} ${JSON.stringify(way)}`;
    console.log(`${title} trace ${await hash([...tensors.values()].map(({ values }) => values))}`);
    const options = { temperature: 2, topP: 0.9, seed: 42, maxNewTokens: 40, eosTokenId: null };
    const { outputIds } = await complete(model, { ids }, options);
    console.log(`${title} sampled ${outputIds.join(',')}`);
  }
}

// Threads, builds and chunks change nothing: each of these lines ends in the same hash.
const shape = {
  position: 'alibi',
  vocabSize: 1003,
  hiddenSize: 360,
  intermediateSize: 968,
  numHiddenLayers: 3,
  numAttentionHeads: 5,
} as const;
const ids = Array.from({ length: 83 }, (_, i) => (i * 7919 + 13) % shape.vocabSize);
const folder = syntheticFolder(shape);

/** The last logits of a prompt that comes token by token, then in two chunks. */
async function lastInChunks(model: LanguageModel): Promise<Float32Array> {
  const sequence = model.openSequence();
  for (const id of ids.slice(0, 20)) await sequence.append([id]);
  await sequence.append(ids.slice(20, 70));
  return sequence.append(ids.slice(70));
}

for (const quantize of ['none', 'int8', 'int4', 'int8-channel', 'int4-channel'] as const) {
  let first: string | undefined;
  for (const threads of [1, 2, 4]) {
    for (const simd of ['auto', 'baseline'] as const) {
      await using model = await load(folder, { quantize, threads, simd });
      const { data } = await model.forward(ids);
      const title = `${quantize}, ${threads} threads, ${simd}`;
      const last = await lastInChunks(model);
      const end = data.subarray(-shape.vocabSize);
      if ((await hash([last])) !== (await hash([end]))) throw new Error(`${title}: chunks differ`);
      const whole = await hash([data]);
      first ??= whole;
      if (whole !== first) throw new Error(`${title}: other bits than with one thread`);
      console.log(`${title} ${whole}`);
    }
  }
}

await using embedded = await load();
const { text } = await complete(embedded, 'Hamlet->Shakespeare\n夜雨寄北->', { logprobs: 5 });
const { data } = await embedded.forward([5, 700, 900, 1100]);
console.log(`embedded ${text} ${await hash([data])}`);
