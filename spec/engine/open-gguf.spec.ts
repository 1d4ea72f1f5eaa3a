/** Models in GGUF files, by path, in a folder and in a Blob. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGgufVocabulary } from '../../src/engine/gguf-vocabulary.ts';
import { load, openModel, openTokenizer } from '../../src/engine/load.ts';
import { writeTrace } from '../../src/engine/trace-file.ts';
import type { StoredTensor } from '../../src/formats/checkpoint.ts';
import { decodeRows } from '../../src/formats/gguf/decode-rows.ts';
import { exportGguf } from '../../src/formats/gguf/export.ts';
import type { WritableType } from '../../src/formats/gguf/ggml-types.ts';
import {
  checkpointFolder,
  configText,
  type RawTensor,
  rawSafetensors,
  torchCheckpoint,
} from '../support/checkpoint-files.ts';
import { pair, smallModel, smallPairs, smallTensors, u32, uint } from '../support/gguf-files.ts';
import { GOLDENS, type Golden, idsOf } from '../support/goldens.ts';
import { joinBytes, memoryFolder } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const engine = suite('open-gguf');

const embedded = new URL('../../fixtures/embedded/tokenizer.model', import.meta.url);
const model = new Uint8Array(readFileSync(embedded));
const rope = GOLDENS.find(({ config }) => config.position === 'rope') as Golden;
const ids = idsOf(rope.float32.get('input_ids'));

async function exported(
  source: Pick<Golden, 'config'> & { tensors: ReadonlyMap<string, StoredTensor> },
  type: WritableType,
): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  const sink = { write: async (bytes: Uint8Array) => void blocks.push(Uint8Array.from(bytes)) };
  const { config, tensors } = source;
  const { pieces, ...settings } = readGgufVocabulary(model);
  // As many pieces as the model has rows, the special ones among them.
  const count = Math.min(config.vocabSize, pieces.count);
  const [scores, types] = [pieces.scores.slice(0, count), pieces.types.slice(0, count)];
  const vocabulary = { ...settings, pieces: { ...pieces, count, scores, types } };
  await exportGguf(
    sink,
    { checkpoint: { tensors }, sizes: config, vocabulary, name: 'x' },
    { type },
  );
  return joinBytes(...blocks);
}

const opened = await openModel(checkpointFolder(rope));
const bytes = await exported({ config: rope.config, tensors: opened.checkpoint.tensors }, 'F32');

engine(
  'law: a path, a folder and a Blob give the logits of the safetensors, bit for bit',
  async () => {
    const path = scratchPath('model.gguf');
    writeFileSync(path, bytes);
    await using original = await load(checkpointFolder(rope));
    const expected = (await original.forward(ids)).data;
    const sources = [
      path,
      memoryFolder({ 'model.gguf': bytes }),
      memoryFolder({ 'config.json': '{}', 'model.gguf': bytes, 'other.txt': '' }),
      new Blob([Uint8Array.from(bytes)]),
      new File([Uint8Array.from(bytes)], 'chosen.gguf'),
    ];
    for (const source of sources) {
      await using found = await load(source);
      assert.equal((await found.forward(ids)).data, expected);
      assert.is(found.config.rmsNormEps, rope.config.rmsNormEps);
    }
  },
);

/** The matrices of the embedded model, as one of rotary positions: its rows are whole blocks. */
async function blockModel(type: 'Q8_0' | 'Q4_0') {
  const { config, checkpoint } = await openModel();
  const turned = { ...config, position: 'rope' } as const;
  const gguf = await exported({ config: turned, tensors: checkpoint.tensors }, type);
  await checkpoint.close();
  const file = await openModel(new Blob([Uint8Array.from(gguf)]));
  const decoded = new Map<string, RawTensor>();
  for (const [name, { dtype, shape, byteLength, read }] of file.checkpoint.tensors) {
    assert.is(dtype, shape.length === 1 ? 'F32' : type);
    const values = decodeRows(dtype === 'F32' ? 'F32' : type, await read(0, byteLength));
    decoded.set(name, { dtype: 'F32', shape: [...shape], bytes: new Uint8Array(values.buffer) });
  }
  const { architecture: name, modelMaxLength, ...sizes } = file.config;
  const text = JSON.stringify({
    architectures: [name],
    max_position_embeddings: modelMaxLength,
    vocab_size: sizes.vocabSize,
    hidden_size: sizes.hiddenSize,
    intermediate_size: sizes.intermediateSize,
    num_hidden_layers: sizes.numHiddenLayers,
    num_attention_heads: sizes.numAttentionHeads,
    rms_norm_eps: sizes.rmsNormEps,
  });
  const weights = rawSafetensors(decoded);
  return { gguf, folder: memoryFolder({ 'config.json': text, 'model.safetensors': weights }) };
}

engine('law: weights in blocks compute what their values compute, bit for bit', async () => {
  const prompt = [5, 700, 1200, 43];
  const results: Float32Array[] = [];
  for (const type of ['Q8_0', 'Q4_0'] as const) {
    const { gguf, folder } = await blockModel(type);
    const exact = { activations: 'exact', kvCache: 'f32' } as const;
    await using blocks = await load(new Blob([Uint8Array.from(gguf)]), exact);
    await using floats = await load(folder);
    const { data } = await blocks.forward(prompt);
    assert.equal(data, (await floats.forward(prompt)).data, type);
    results.push(data);
  }
  assert.is.not(results[0].join(), results[1].join(), 'the types differ');
});

engine(
  'law: weights in blocks are traced in class f32, with fast activations in int8',
  async () => {
    const { gguf } = await blockModel('Q4_0');
    for (const [options, arithmetic] of [
      [{ activations: 'exact', kvCache: 'f32' }, 'f32'],
      [{}, 'int8'],
    ] as const) {
      await using found = await load(new Blob([Uint8Array.from(gguf)]), options);
      const parts: Uint8Array[] = [];
      const file = { writeAt: async (_: number, part: Uint8Array) => void parts.push(part) };
      await writeTrace(found, [5, 700], file, { taps: ['logits'] });
      const [header] = parts;
      assert.is(/"class":"(\w+)"/.exec(new TextDecoder().decode(header))?.[1], arithmetic);
    }
  },
);

engine(
  'law: layers in blocks are computed as if they had been quantized while loading',
  async () => {
    for (const [type, quantize] of [
      ['Q4_0', 'int4'],
      ['Q8_0', 'int8'],
    ] as const) {
      const { gguf } = await blockModel(type);
      const file = new Blob([Uint8Array.from(gguf)]);
      await using implied = await load(file);
      await using asked = await load(file, { quantize });
      assert.equal([implied.activations, implied.kvCache], ['fast', 'int8'], type);
      assert.equal([asked.activations, asked.kvCache], ['fast', 'int8']);
      const [found, expected] = await Promise.all([implied, asked].map((m) => m.forward([5, 700])));
      assert.equal(found.data, expected.data);
      await using exact = await load(file, { quantize: 'none' });
      assert.equal([exact.activations, exact.kvCache], ['exact', 'f32']);
      await using reference = await load(file, { kernels: 'reference' });
      assert.equal([reference.activations, reference.kvCache], ['fast', 'f32']);
    }
  },
);

engine('law: the tokenizer comes from the file, without its weights', async () => {
  const tokenizer = await openTokenizer(new Blob([Uint8Array.from(smallModel())]));
  assert.is(tokenizer.vocabSize, 260);
  assert.equal(tokenizer.encode('ab'), [259]);
  const folder = memoryFolder({ 'model.gguf': smallModel() });
  assert.equal((await openTokenizer(folder)).encode('ab'), [259]);
  assert.is(folder.openCount(), 0);
  const beside = memoryFolder({ 'model.gguf': smallModel(), 'tokenizer.model': model });
  assert.is((await openTokenizer(beside)).vocabSize, 2000);
});

engine('law: every file is closed again', async () => {
  const folder = memoryFolder({ 'model.gguf': bytes });
  await (await load(folder)).close();
  await (await openModel(folder)).close();
  await openModel(memoryFolder({ 'model.gguf': bytes.slice(0, -1) })).catch(() => undefined);
  assert.is(folder.openCount(), 0);
});

/** The small model in two parts. */
function parts(): [Uint8Array, Uint8Array] {
  const tensors = smallTensors();
  const numbers = (part: number) => [
    pair('split.no', 'uint16', Uint8Array.of(part, 0)),
    pair('split.count', 'uint16', Uint8Array.of(2, 0)),
    pair('split.tensors.count', 'int32', u32(tensors.length)),
  ];
  return [
    smallModel((file) => {
      file.pairs = [...smallPairs(), ...numbers(0)];
      file.tensors = tensors.slice(0, 5);
    }),
    smallModel((file) => {
      file.pairs = numbers(1);
      file.tensors = tensors.slice(5);
    }),
  ];
}

engine('law: any part of a split model stands for all', async () => {
  const [first, second] = parts();
  const folder = scratchPath('split');
  mkdirSync(folder);
  const name = (part: number) => `${folder}/small-0000${part}-of-00002.gguf`;
  writeFileSync(name(1), first);
  writeFileSync(name(2), second);
  await using whole = await load(new Blob([Uint8Array.from(smallModel())]));
  const expected = (await whole.forward([3, 4, 5])).data;
  for (const source of [name(1), name(2), dirname(name(1))]) {
    await using found = await load(source);
    assert.equal((await found.forward([3, 4, 5])).data, expected);
  }
});

engine('error: GG24 parts that are missing, and a part alone', async () => {
  const [first] = parts();
  const folder = memoryFolder({ 'small-00001-of-00002.gguf': first });
  const code = 'gguf-split';
  await expectRefusal(() => openModel(folder), { code, message: '1 of 2 files present' });
  assert.is(folder.opened.length, 0);
  const alone = () => openModel(new Blob([Uint8Array.from(first)]));
  await expectRefusal(alone, { code, where: 'split.count', message: 'one of 2 files' });
});

engine('error: a folder with several models', async () => {
  const folder = memoryFolder({ 'a.gguf': bytes, 'b.gguf': bytes });
  const expected = { code: 'directory-missing', message: ['"a.gguf"', '"b.gguf"'] } as const;
  await expectRefusal(() => openModel(folder), { ...expected, fix: 'Name the .gguf' });
});

engine(
  'law: the .bin checkpoint of a folder goes before GGUF files, and a notice says so',
  async () => {
    const files = { 'pytorch_model.bin': torchCheckpoint(rope), 'a.gguf': smallModel() };
    const config = { 'config.json': configText(rope) };
    const folders = [
      memoryFolder({ ...files, ...config }),
      memoryFolder({ ...files, ...config, 'b.gguf': smallModel() }),
    ];
    for (const folder of folders) {
      const notices: string[] = [];
      await using found = await load(folder, { onNotice: (notice) => void notices.push(notice) });
      await using expected = await load(checkpointFolder(rope));
      assert.equal((await found.forward(ids)).data, (await expected.forward(ids)).data);
      const said = notices.filter((notice) => /\.gguf/.test(notice));
      assert.equal(said, ['The folder has .bin and .gguf; pytorch_model.bin is read.']);
    }
    const index = memoryFolder({
      ...config,
      'a.gguf': bytes,
      'pytorch_model.bin.index.json': '{}',
    });
    await expectRefusal(() => openModel(index), { code: 'index-field' });
    const named = await openModel(memoryFolder({ ...files, 'a.gguf': bytes }));
    assert.is(named.config.hiddenSize, rope.config.hiddenSize);
    await named.close();
  },
);

engine('error: text without a vocabulary', async () => {
  const bare = smallModel((file) => {
    file.pairs = file.pairs.filter(({ key }) => !String(key).startsWith('tokenizer.'));
  });
  const source = new Blob([Uint8Array.from(bare)]);
  const code = 'directory-missing';
  await expectRefusal(() => openTokenizer(source), { code, where: 'tokenizer.ggml.tokens' });
  const found = await openModel(source);
  assert.is(found.hasTokenizer, false);
});

engine('error: sizes that no model has are refused as those of a config.json', async () => {
  const deep = smallModel((file) => {
    file.pairs = file.pairs.map((one) =>
      one.key === 'baichuan.context_length' ? uint('baichuan.context_length', 2 ** 21) : one,
    );
  });
  const action = () => openModel(new Blob([Uint8Array.from(deep)]));
  await expectRefusal(action, { code: 'config-limit', file: 'model.gguf' });
});

engine.run();
