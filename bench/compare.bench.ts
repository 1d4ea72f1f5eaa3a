/** How fast two traces compare: layer outputs of 13B's width, read from memory piece by piece.
 *
 *  Usage: npm run bench:compare */

import process from 'node:process';
import {
  bufferSource,
  compareBackends,
  openTrace,
  type TensorToWrite,
  writeSafetensors,
} from '../src/index.ts';

const [TOKENS, WIDTH, LAYERS, RUNS] = [512, 5120, 24, 5];

/** A trace file of layers that differ in their last bits when `seed` does. */
async function traceFile(seed: number): Promise<Uint8Array> {
  const values = Float32Array.from({ length: TOKENS * WIDTH }, (_, i) => ((i * 31) % 977) - 488);
  for (let i = seed; i < values.length; i += 97) values[i] *= 1 + seed * 2 ** -23;
  const bytes = new Uint8Array(values.buffer);
  const tensors = Array.from({ length: LAYERS }, (_, layer): TensorToWrite => {
    const name = `model.layers.${layer}.output`;
    return { name, dtype: 'F32', shape: [TOKENS, WIDTH], chunks: [bytes] };
  });
  const parts: Uint8Array[] = [];
  await writeSafetensors({ write: async (part) => void parts.push(part) }, tensors);
  return new Uint8Array(Buffer.concat(parts));
}

const [first, second] = [await traceFile(0), await traceFile(1)];
const seconds: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const expected = await openTrace(bufferSource('expected', first));
  const found = await openTrace(bufferSource('found', second));
  const begin = performance.now();
  const { pass, tensors } = await compareBackends(expected, found);
  seconds.push((performance.now() - begin) / 1000);
  if (!pass || tensors.length !== LAYERS) throw new Error('the traces should agree');
}
const bytes = first.length + second.length;
const rate = (time: number) => `${(bytes / 1e9 / time).toFixed(2)} GB/s`;
const sorted = seconds.toSorted((a, b) => a - b);
console.log(`${process.title} ${process.version}, two traces of ${(bytes / 2e6).toFixed(0)} MB`);
console.log(`best ${rate(sorted[0])}, median ${rate(sorted[Math.floor(RUNS / 2)])}`);
