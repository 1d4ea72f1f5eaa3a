import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quote } from '../../../src/errors.ts';
import { type ByteSource, bufferSource } from '../../../src/formats/byte-source.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint.ts';
import { openTorch } from '../../../src/formats/torch/torch.ts';
import { gathered } from '../../support/fuzz/state-dict.ts';
import { bfloat16Bits, float16Bits } from '../../support/half.ts';
import { type OtherTensor, otherEntries, otherPickle } from '../../support/independent-torch.ts';
import {
  contentOf,
  countingBytes,
  joinBytes,
  SOURCE_KINDS,
  utf8,
} from '../../support/model-files.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import { readSafetensors } from '../../support/safetensors-oracle.ts';
import { STORAGES, stateDict, tensorCode, torchFile, wholeView } from '../../support/torch-file.ts';
import { patched, zipFile } from '../../support/zip-file.ts';

const torch = suite('torch/torch');

const fixtures = new URL('../../../fixtures/', import.meta.url);
const fixture = (path: string) => new Uint8Array(readFileSync(new URL(path, fixtures)));

const open = (source: ByteSource, blockBytes?: number) => openTorch(source, { blockBytes });
const refuse = (bytes: Uint8Array, expected: ExpectedRefusal) => refuseFile(open, bytes, expected);

const GOLDENS = [
  ['rope-4heads', 'rope-4heads-bin-f32', ['00001-of-00002', '00002-of-00002'], 'F32'],
  ['alibi-5heads', 'alibi-5heads-bin-bf16', ['00001-of-00002', '00002-of-00002'], 'BF16'],
  [
    'alibi-5heads',
    'alibi-5heads-bin-f16',
    ['00001-of-00003', '00002-of-00003', '00003-of-00003'],
    'F16',
  ],
] as const;

/** The bits of a float32 in a type. */
const BITS: Record<string, (value: number) => number> = {
  F32: (value) => new Uint32Array(Float32Array.of(value).buffer)[0],
  BF16: bfloat16Bits,
  F16: float16Bits,
};

for (const [golden, folder, shards, dtype] of GOLDENS) {
  torch(`golden: the shards of ${folder} are exactly the weights of ${golden}`, async () => {
    const expected = readSafetensors(new URL(`goldens/${golden}/model.safetensors`, fixtures));
    const found = new Set<string>();
    for (const shard of shards) {
      const bytes = fixture(`checkpoints/${folder}/pytorch_model-${shard}.bin`);
      const { tensors, notices } = await openTorch(bufferSource(shard, bytes));
      assert.equal(notices, []);
      for (const { name, shape, byteLength, read, ...tensor } of tensors.values()) {
        if (name.endsWith('inv_freq')) continue;
        const { values, shape: expectedShape } = expected.get(name) ?? { values: [], shape: [] };
        assert.equal([tensor.dtype, shape, tensor.file], [dtype, expectedShape, shard], name);
        const { buffer } = await read(0, byteLength);
        const bits = dtype === 'F32' ? new Uint32Array(buffer) : new Uint16Array(buffer);
        assert.equal([...bits], Array.from(values, BITS[dtype]), name);
        assert.not.ok(found.has(name));
        found.add(name);
      }
    }
    assert.equal([...found].sort(), [...expected.keys()].sort());
  });
}

torch('golden: inv_freq of the 7B class is there, in float32', async () => {
  const shards = 'checkpoints/rope-4heads-safetensors-bf16/model-';
  for (const shard of ['00001-of-00002', '00002-of-00002']) {
    const path = `checkpoints/rope-4heads-bin-f32/pytorch_model-${shard}.bin`;
    const { tensors } = await openTorch(bufferSource(shard, fixture(path)));
    const rounded = readSafetensors(new URL(`${shards}${shard}.safetensors`, fixtures));
    const names = [...tensors.keys()].filter((name) => name.endsWith('inv_freq'));
    assert.ok(names.length > 0);
    for (const name of names) {
      const bytes = await tensors.get(name)?.read(0, 32);
      const bits = [...new Float32Array(bytes?.buffer ?? new ArrayBuffer(0))].map(bfloat16Bits);
      assert.equal(bits, Array.from(rounded.get(name)?.values ?? [], bfloat16Bits));
    }
  }
});

const FILES = [
  ...GOLDENS.flatMap(([, folder, shards]) =>
    shards.map((shard) => `checkpoints/${folder}/pytorch_model-${shard}.bin`),
  ),
  'checkpoints/alibi-5heads-published-int8/pytorch_model.bin',
];

for (const file of FILES) {
  torch(`pair: zip.js and pickleparser find the same tensors in ${file}`, async () => {
    const bytes = fixture(file);
    const entries = new Map((await otherEntries(bytes)).map((entry) => [entry.name, entry]));
    const pickleName = [...entries.keys()].find((name) => name.endsWith('/data.pkl')) ?? '';
    const pickle = await entries.get(pickleName)?.data();
    const expected = otherPickle(pickle ?? new Uint8Array(0)) as Map<string, OtherTensor>;
    const { tensors } = await openTorch(bufferSource(file, bytes));
    assert.equal([...tensors.keys()], [...expected.keys()]);
    for (const [name, { type, key, offset, shape, strides }] of expected) {
      const tensor = tensors.get(name);
      assert.ok(tensor);
      const [className, itemBytes] = STORAGES[tensor.dtype];
      assert.equal([className, tensor.shape], [type, shape]);
      const storage = await entries.get(pickleName.replace('data.pkl', `data/${key}`))?.data();
      const read = await tensor.read(0, tensor.byteLength);
      assert.equal(read, gathered(storage ?? read, itemBytes, { offset, shape, strides }), name);
    }
  });
}

const storages = { '0': countingBytes(96), '1': countingBytes(60) };
const matrix = { dtype: 'F32', key: '0', elements: 24, offset: 0 };
const state = stateDict({
  whole: tensorCode(wholeView('F32', '0', [4, 6])),
  'turned.weight': tensorCode({ ...matrix, shape: [6, 4], strides: [1, 6] }),
  window: tensorCode({ ...matrix, offset: 8, shape: [2, 3], strides: [6, 1] }),
  steps: tensorCode({ ...matrix, shape: [4, 3], strides: [6, 2] }),
  cube: tensorCode({ ...matrix, shape: [4, 2, 3], strides: [1, 12, 4] }),
  bytes: tensorCode(wholeView('U8', '1', [60])),
});
const made = torchFile({ state, storages, byteOrder: 'little' });

torch('law: views, shared storages and strides, from every source, in every block', async () => {
  const expected = await contentOf(await openTorch(bufferSource('x', made.bytes)));
  assert.equal(Object.keys(expected).length, 6);
  for (const [name, { shape, bytes, dtype }] of Object.entries(expected)) {
    const view = { turned: [0, [1, 6]], window: [8, [6, 1]], steps: [0, [6, 2]] } as const;
    const short = name.replace('.weight', '');
    if (!(short in view)) continue;
    const [offset, strides] = view[short as keyof typeof view];
    assert.is(dtype, 'F32');
    assert.equal(
      bytes,
      [...gathered(storages['0'], 4, { offset, shape: [...shape], strides: [...strides] })],
      name,
    );
  }
  for (const [kind, make] of Object.entries(SOURCE_KINDS)) {
    for (const blockBytes of [1, 7, 4096, undefined]) {
      const checkpoint = await open(await make('x', made.bytes), blockBytes);
      assert.equal(await contentOf(checkpoint), expected, `${kind} ${blockBytes}`);
      await checkpoint.close();
    }
  }
});

torch('law: a tensor read in pieces of any size is the same', async () => {
  const { tensors } = await open(bufferSource('x', made.bytes), 16);
  for (const { byteLength, read } of tensors.values()) {
    const whole = await read(0, byteLength);
    for (const size of [1, 3, 4, 7, 50]) {
      const pieces: number[] = [];
      for (let at = 0; at < byteLength; at += size) {
        pieces.push(...(await read(at, Math.min(size, byteLength - at))));
      }
      assert.equal(pieces, [...whole]);
    }
  }
});

torch('law: opening reads no byte of a storage', async () => {
  const large = { '0': new Uint8Array(400_000) };
  const file = torchFile({
    state: stateDict({ a: tensorCode(wholeView('F32', '0', [100_000])) }),
    storages: large,
  });
  const inner = bufferSource('x', file.bytes);
  let total = 0;
  const checkpoint = await openTorch({
    ...inner,
    read(byteOffset, byteLength) {
      total += byteLength;
      return inner.read(byteOffset, byteLength);
    },
  });
  assert.is(checkpoint.tensors.get('a')?.byteLength, 400_000);
  // The end of a zip file may lie in its last 65,633 bytes.
  assert.ok(total < 65_633 + 20_000, `${total} bytes`);
});

torch('law: closing the checkpoint closes its file, and so does a failure to open', async () => {
  const closed: string[] = [];
  const watched = (name: string, bytes: Uint8Array) => ({
    ...bufferSource(name, bytes),
    close: async () => void closed.push(name),
  });
  await (await openTorch(watched('good', made.bytes))).close();
  await openTorch(watched('bad', made.bytes.slice(0, -1))).catch(() => undefined);
  assert.equal(closed, ['good', 'bad']);
});

torch('error: PT13 big-endian tensors, and byte orders that are none', async () => {
  // A byte order mark was dropped once, where PyTorch refuses it.
  for (const byteOrder of ['big', 'middle', '', 'little\n', '\ufefflittle']) {
    await refuse(torchFile({ state, storages, byteOrder }).bytes, {
      code: 'torch-endian',
      where: 'entry "archive/byteorder"',
      expected: 'little',
      found: quote(byteOrder),
    });
  }
  const long = torchFile({ state, storages, byteOrder: 'little'.repeat(9) });
  await refuse(long.bytes, { code: 'zip-limit', found: 54 });
});

torch(
  'error: an archive without version, of another one, or with a broken entry of it',
  async () => {
    for (const version of ['', '0', '11', '3.0', '-3', 'three', '\ufeff3', '3\ufeff']) {
      await refuse(torchFile({ state, storages, version }).bytes, {
        code: 'torch-version',
        where: 'entry "archive/version"',
        found: quote(version),
      });
    }
    const { places, bytes } = made;
    const nameAt = (places.central.at(-1) ?? 0) + 46 + 'archive/'.length;
    const localAt = places.local.at(-1) ?? 0;
    const renamed = patched(patched(bytes, nameAt, 1, 86), localAt + 30 + 'archive/'.length, 1, 86);
    await refuse(renamed, { code: 'torch-version', found: 'nothing' });
    // Found by check_torch_bin.py: PyTorch reads this entry, so its header must be right.
    await refuse(patched(bytes, localAt, 1, 0), { code: 'zip-entry', where: 'archive/version' });
    for (const version of ['1', '3\n', '10\n']) {
      const file = torchFile({ state, storages, version }).bytes;
      assert.is((await openTorch(bufferSource('x', file))).tensors.size, 6);
    }
  },
);

torch('error: PT08 a compressed entry anywhere', async () => {
  for (const at of made.places.central) {
    await refuse(patched(made.bytes, at + 10, 2, 8), { code: 'zip-compressed', fix: 'zip -0' });
  }
});

torch('error: PT10 a pickle without its checksum', async () => {
  const flipped = patched(
    made.bytes,
    made.places.local[0] + 30 + 'archive/data.pkl'.length + 11,
    1,
    0,
  );
  await refuse(flipped, { code: 'zip-crc', where: 'entry "archive/data.pkl"' });
});

torch('error: a pickle larger than is read, before it is read', async () => {
  const parts = ['a/version', 'a/data.pkl'].map((name) => ({ name, data: utf8('3') }));
  const { bytes, places } = zipFile(parts, {});
  const zeros = 2 ** 26;
  const [begin, at] = places.central;
  const sized = patched(patched(bytes, at + 20, 4, zeros + 1), at + 24, 4, zeros + 1);
  const moved = patched(sized, places.end + 16, 4, begin + zeros);
  const large = joinBytes(moved.slice(0, begin), new Uint8Array(zeros), moved.slice(begin));
  const error = await openTorch(bufferSource('x', large)).catch((caught: unknown) => caught);
  assert.match(String(error), /^BaichuanError: zip-limit: x: entry "a\/data.pkl"/);
});

torch('law: after a refusal the next file opens as before (I8)', async () => {
  const expected = await contentOf(await openTorch(bufferSource('x', made.bytes)));
  await openTorch(bufferSource('x', made.bytes.slice(9))).catch(() => undefined);
  const checkpoint: Checkpoint = await openTorch(bufferSource('x', made.bytes));
  assert.equal(await contentOf(checkpoint), expected);
});

torch.run();
