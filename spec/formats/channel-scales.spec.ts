import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { withChannelScales } from '../../src/formats/channel-scales.ts';
import { openTorch } from '../../src/formats/torch/torch.ts';
import { countingBytes } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';
import { stateDict, tensorCode, torchFile, type View, wholeView } from '../support/torch-file.ts';

const scales = suite('channel-scales');

const folder = new URL('../../fixtures/checkpoints/alibi-5heads-published-int8/', import.meta.url);
const publishedBytes = new Uint8Array(readFileSync(new URL('pytorch_model.bin', folder)));
const published = () => openTorch(bufferSource('pytorch_model.bin', publishedBytes));
const expected = readSafetensors(new URL('published_int8.safetensors', folder));

scales(
  'golden: the published int8 layout gives weights [out, in] and a scale per row',
  async () => {
    const checkpoint = withChannelScales(await published());
    let count = 0;
    for (const [name, { shape, values }] of expected) {
      if (!name.endsWith('.qweight')) continue;
      const weight = checkpoint.tensors.get(name.replace('qweight', 'weight'));
      assert.ok(weight?.channelScales);
      assert.equal([weight.dtype, weight.shape], ['I8', shape]);
      const bytes = await weight.read(0, weight.byteLength);
      assert.equal([...new Int8Array(bytes.buffer)], [...values], name);
      const scale = expected.get(name.replace('qweight', 'scale'));
      const { channelScales } = weight;
      assert.equal([channelScales.dtype, channelScales.shape], ['F32', scale?.shape]);
      const row = await channelScales.read(0, channelScales.byteLength);
      assert.equal([...new Float32Array(row.buffer)], [...(scale?.values ?? [])], name);
      count += 1;
    }
    assert.is(count, 15);
  },
);

scales('law: the scales are no tensors of their own; all others stay as they are', async () => {
  const before = await published();
  const { tensors } = withChannelScales(before);
  const names = [...before.tensors.keys()].filter((name) => !name.endsWith('.scale'));
  assert.equal([...tensors.keys()], names);
  const norm = 'model.norm.weight';
  assert.is(tensors.get(norm), before.tensors.get(norm));
  assert.is(tensors.get(norm)?.channelScales, undefined);
});

scales('law: the int8 rows lie in the file as they are read', async () => {
  const inner = bufferSource('x', publishedBytes);
  const reads: number[] = [];
  const checkpoint = withChannelScales(
    await openTorch({
      ...inner,
      read: (at, length) => {
        reads.push(length);
        return inner.read(at, length);
      },
    }),
  );
  reads.length = 0;
  const weight = checkpoint.tensors.get('model.layers.1.mlp.down_proj.weight');
  await weight?.read(112 * 7, 112);
  assert.equal(reads, [112]);
});

const storages = { '0': countingBytes(12), '1': countingBytes(16), '2': countingBytes(12) };

function opened(weight: Partial<View>, scale: Partial<View>, names = ['a.weight', 'a.scale']) {
  const state = stateDict({
    [names[0]]: tensorCode({ ...wholeView('I8', '0', [3, 4]), strides: [1, 3], ...weight }),
    [names[1]]: tensorCode({ ...wholeView('F32', '1', [4]), ...scale }),
  });
  return openTorch(bufferSource('x.bin', torchFile({ state, storages }).bytes));
}

scales('law: a matrix that is stored row by row is turned too', async () => {
  const { tensors } = withChannelScales(await opened({ strides: [4, 1] }, {}));
  const weight = tensors.get('a.weight');
  assert.equal(weight?.shape, [4, 3]);
  assert.equal([...((await weight?.read(0, 12)) ?? [])], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
});

scales('law: without int8 weights that have a scale nothing changes', async () => {
  for (const names of [
    ['a.weight', 'b.scale'],
    ['a.bias', 'a.scale'],
  ]) {
    const checkpoint = await opened({}, {}, names);
    assert.is(withChannelScales(checkpoint), checkpoint);
  }
  const floats = await opened({ dtype: 'U8' }, {});
  assert.is(withChannelScales(floats), floats);
});

scales('error: scales of another count, type or rank', async () => {
  const attempts: [Partial<View>, Partial<View>][] = [
    [{ shape: [4, 3], strides: [1, 4] }, {}],
    [{}, { dtype: 'I32' }],
    [{}, { shape: [1, 4], strides: [4, 1] }],
    [{}, { shape: [], strides: [] }],
    [{ shape: [12], strides: [1] }, {}],
  ];
  for (const [weight, scale] of attempts) {
    const checkpoint = await opened(weight, scale);
    await expectRefusal(() => withChannelScales(checkpoint), {
      code: 'torch-int8',
      file: 'x.bin',
      where: 'tensor "a.weight"',
      message: 'I8 [in, out] and F32 [out]',
      fix: 'Chat-int8',
    });
  }
});

scales('error: a weight without its scale, where others have theirs', async () => {
  const cut = async (...names: string[]) => {
    const checkpoint = await published();
    const left = [...checkpoint.tensors].filter(([name]) => !names.includes(name));
    return { ...checkpoint, tensors: new Map(left) };
  };
  const name = 'model.layers.1.mlp.up_proj';
  const checkpoint = await cut(`${name}.scale`);
  await expectRefusal(() => withChannelScales(checkpoint), {
    code: 'torch-int8',
    file: 'pytorch_model.bin',
    where: `tensor "${name}.weight"`,
    message: `"${name}.scale" is missing`,
    fix: 'Download',
  });
  const both = withChannelScales(await cut(`${name}.scale`, `${name}.weight`));
  assert.ok(both.tensors.get('model.layers.1.mlp.down_proj.weight')?.channelScales);
});

scales.run();
