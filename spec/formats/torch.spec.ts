/** PyTorch files that no one wrote: mutated, cut and flipped. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { readPickle } from '../../src/formats/torch/pickle-reader.ts';
import { STATE_DICT_HOOKS } from '../../src/formats/torch/rebuild.ts';
import { openTorch } from '../../src/formats/torch/torch.ts';
import { pickleTarget } from '../support/fuzz/pickle.ts';
import { stateDictTarget } from '../support/fuzz/state-dict.ts';
import { fuzz } from '../support/fuzz/target.ts';
import { contentOf, countingBytes, joinBytes } from '../support/model-files.ts';
import { pickle } from '../support/pickle-code.ts';
import {
  parameterCode,
  stateDict,
  tensorCode,
  torchFile,
  wholeView,
} from '../support/torch-file.ts';

const torch = suite('torch');

torch('law: a mutated pickle is refused well, or is what pickleparser reads', async () => {
  const { accepted, refused } = await fuzz(pickleTarget, { seed: 12, numRuns: 3000 });
  assert.ok(accepted > 100, `${accepted} accepted`);
  assert.ok(refused.size >= 9, `refused with ${[...refused.keys()].join(', ')}`);
});

torch('law: a state dict with hostile numbers is refused well, or read as by others', async () => {
  const { accepted, refused } = await fuzz(stateDictTarget, { seed: 13, numRuns: 1500 });
  assert.ok(accepted > 300, `${accepted} accepted`);
  assert.ok(refused.size >= 7, `refused with ${[...refused.keys()].join(', ')}`);
});

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

torch(
  'law: every bit of the pickle, flipped without its checksum, ends in a refusal or a value',
  () => {
    const { bytes } = pickle(stateDict({ a: tensorCode(wholeView('F32', '0', [2])) }));
    let refused = 0;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[Math.floor(bit / 8)] ^= 1 << (bit % 8);
      try {
        readPickle(flipped, 'x.bin', STATE_DICT_HOOKS);
      } catch (error) {
        assert.instance(error, BaichuanError, `bit ${bit}: ${error}`);
        refused += 1;
      }
    }
    assert.ok(refused > 7 * bytes.length, `${refused} of ${8 * bytes.length} refused`);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(
        () => readPickle(bytes.slice(0, length), 'x.bin', STATE_DICT_HOOKS),
        (error: unknown) => error instanceof BaichuanError,
      );
    }
  },
);

torch.run();
