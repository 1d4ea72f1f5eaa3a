/** PyTorch files that no one wrote: cut, extended and flipped, and what becomes of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { openTorch } from '../../src/formats/torch/torch.ts';
import { contentOf, countingBytes, joinBytes } from '../support/model-files.ts';
import {
  parameterCode,
  stateDict,
  tensorCode,
  torchFile,
  wholeView,
} from '../support/torch-file.ts';

const torch = suite('torch');

const small = torchFile({
  state: stateDict({
    'a.weight': tensorCode({ ...wholeView('BF16', '0', [2, 3]), strides: [1, 2] }),
    'a.bias': parameterCode(tensorCode(wholeView('F32', '1', [2]))),
  }),
  storages: { '0': countingBytes(12), '1': countingBytes(8) },
  byteOrder: 'little',
  root: 'm',
});

/** What opening and reading everything ends with: the content, or the code of the refusal. */
async function outcomeOf(bytes: Uint8Array): Promise<string> {
  try {
    const checkpoint = await openTorch(bufferSource('x.bin', bytes));
    return JSON.stringify(await contentOf(checkpoint));
  } catch (error) {
    assert.instance(error, BaichuanError, String(error));
    return (error as BaichuanError).code;
  }
}

torch('law: every truncation of a file is refused', async () => {
  const codes = new Set<string>();
  for (let length = 0; length < small.bytes.length; length++) {
    codes.add(await outcomeOf(small.bytes.slice(0, length)));
  }
  assert.equal([...codes].sort(), ['io-magic', 'torch-format', 'zip-eocd']);
});

torch('law: a file with anything before or behind it is refused', async () => {
  for (let length = 1; length < 100; length++) {
    const more = countingBytes(length);
    assert.is(await outcomeOf(joinBytes(small.bytes, more)), 'zip-eocd');
    assert.match(await outcomeOf(joinBytes(more, small.bytes)), /^torch-format$/);
  }
});

torch('law: a flipped bit is refused, or changes only data or what nobody reads', async () => {
  const expected = JSON.parse(await outcomeOf(small.bytes));
  const shapes = (content: typeof expected) =>
    Object.entries<{ dtype: string; shape: number[] }>(content).map(([name, { dtype, shape }]) => [
      ...[name, dtype, shape],
    ]);
  let accepted = 0;
  for (let bit = 0; bit < 8 * small.bytes.length; bit++) {
    const bytes = Uint8Array.from(small.bytes);
    bytes[Math.floor(bit / 8)] ^= 1 << (bit % 8);
    const outcome = await outcomeOf(bytes);
    if (!outcome.startsWith('{')) continue;
    accepted += 1;
    // The pickle has a checksum, so names, types and shapes cannot change.
    assert.equal(shapes(JSON.parse(outcome)), shapes(expected), `bit ${bit}`);
  }
  assert.ok(accepted < 8 * small.bytes.length * 0.5, `${accepted} accepted`);
});

torch.run();
