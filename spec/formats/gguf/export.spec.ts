import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import type { StoredTensor, StoredType } from '../../../src/formats/checkpoint.ts';
import type { ModelSizes } from '../../../src/formats/gguf/baichuan-metadata.ts';
import { decodeRows } from '../../../src/formats/gguf/decode-rows.ts';
import { encodeRows } from '../../../src/formats/gguf/encode-rows.ts';
import { exportGguf } from '../../../src/formats/gguf/export.ts';
import {
  GGML_TYPES,
  type GgmlTypeName,
  type WritableType,
} from '../../../src/formats/gguf/ggml-types.ts';
import { openGguf } from '../../../src/formats/gguf/open.ts';
import { spellingsOf } from '../../../src/formats/gguf/spellings.ts';
import { type RawGguf, SMALL_PIECES, smallModel, tensorOf } from '../../support/gguf-files.ts';
import { GOLDENS, type Golden } from '../../support/goldens.ts';
import { joinBytes } from '../../support/model-files.ts';
import { randomSource } from '../../support/random.ts';
import { expectRefusal } from '../../support/refusal.ts';

const gguf = suite('gguf-export');

const pieces = {
  ...spellingsOf(SMALL_PIECES.map(({ piece }) => piece)),
  scores: Float32Array.from(SMALL_PIECES, ({ score }) => score),
  types: Int32Array.from(SMALL_PIECES, ({ type }) => type),
};
const settings = { addDummyPrefix: false, removeExtraWhitespaces: false };
const VOCABULARY = { pieces, bosId: 1, eosId: 2, unkId: 0, padId: 0, ...settings };

type Matrix = { shape: readonly number[]; values: Float32Array };

/** Tensors in memory, stored as one type; vectors are float32. */
function checkpointOf(weights: ReadonlyMap<string, Matrix>, dtype: WritableType) {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { shape, values }] of weights) {
    const type = shape.length === 1 ? 'F32' : dtype;
    const bytes = encodeRows(type, values);
    const read = async (offset: number, length: number) => bytes.slice(offset, offset + length);
    const about = { dtype: type as StoredType, shape, byteLength: bytes.length, file: 'memory' };
    tensors.set(name, { name, ...about, read });
  }
  return { tensors };
}

async function written(
  sizes: ModelSizes,
  checkpoint: { tensors: ReadonlyMap<string, StoredTensor> },
  options: { type: WritableType; outerType?: WritableType },
): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  const sink = { write: async (bytes: Uint8Array) => void blocks.push(Uint8Array.from(bytes)) };
  const model = { checkpoint, sizes, vocabulary: VOCABULARY, name: 'test' };
  await exportGguf(sink, model, options);
  return joinBytes(...blocks);
}

const bytesOf = async (tensor: StoredTensor | undefined) => {
  if (tensor === undefined) throw new Error('no tensor');
  return [...(await tensor.read(0, tensor.byteLength))];
};

/** A golden model with rotary positions: any layer count but 40 is one in GGUF. */
const rope = GOLDENS.find(({ config }) => config.position === 'rope') as Golden;
const ropeWeights = new Map(
  [...rope.weights].map(([name, { shape, values }]) => {
    return [name, { shape, values: Float32Array.from(values) }] as const;
  }),
);

gguf('law: lossless types come back with equal bits under equal names', async () => {
  for (const type of ['F32', 'F16', 'BF16'] as const) {
    const checkpoint = checkpointOf(ropeWeights, type);
    const bytes = await written(rope.config, checkpoint, { type });
    const read = await openGguf([bufferSource('model.gguf', bytes)]);
    assert.is(read.checkpoint.tensors.size, checkpoint.tensors.size);
    for (const [name, tensor] of checkpoint.tensors) {
      const found = read.checkpoint.tensors.get(name);
      assert.is(found?.dtype, tensor.dtype, name);
      assert.equal(found?.shape, tensor.shape, name);
      assert.equal(await bytesOf(found), await bytesOf(tensor), name);
    }
  }
});

/** A model whose rows are whole blocks. */
const WIDE: ModelSizes = {
  ...{ hiddenSize: 64, intermediateSize: 96, numHiddenLayers: 1, numAttentionHeads: 2 },
  ...{ headDim: 32, vocabSize: 260, modelMaxLength: 40, rmsNormEps: 1e-6, position: 'rope' },
};
const wideWeights = (() => {
  const { signed } = randomSource(3);
  const shapes: [string, number[]][] = [
    ['model.embed_tokens', [260, 64]],
    ['model.layers.0.input_layernorm', [64]],
    ['model.layers.0.self_attn.W_pack', [192, 64]],
    ['model.layers.0.self_attn.o_proj', [64, 64]],
    ['model.layers.0.post_attention_layernorm', [64]],
    ['model.layers.0.mlp.gate_proj', [96, 64]],
    ['model.layers.0.mlp.up_proj', [96, 64]],
    ['model.layers.0.mlp.down_proj', [64, 96]],
    ['model.norm', [64]],
    ['lm_head', [260, 64]],
  ];
  return new Map(
    shapes.map(([name, shape]) => {
      const values = signed(shape.reduce((total, size) => total * size, 1));
      return [`${name}.weight`, { shape, values }] as const;
    }),
  );
})();

gguf('law: blocks are those of each row, and come back as they were written', async () => {
  for (const type of ['Q8_0', 'Q4_0'] as const) {
    const floats = checkpointOf(wideWeights, 'F32');
    const bytes = await written(WIDE, floats, { type });
    const { checkpoint } = await openGguf([bufferSource('model.gguf', bytes)]);
    const again = await written(WIDE, checkpoint, { type });
    assert.equal([...again], [...bytes], 'blocks are copied, not quantized again');
    for (const [name, { shape, values }] of wideWeights) {
      const tensor = checkpoint.tensors.get(name);
      const stored = shape.length === 1 ? 'F32' : type;
      assert.is(tensor?.dtype, stored);
      assert.equal(tensor?.shape, shape);
      assert.equal(await bytesOf(tensor), [...encodeRows(stored, values)], name);
    }
  }
});

gguf('law: outerType decides embedding and head, and nothing else', async () => {
  const options = { type: 'Q4_0', outerType: 'Q8_0' } as const;
  const bytes = await written(WIDE, checkpointOf(wideWeights, 'F32'), options);
  const { checkpoint } = await openGguf([bufferSource('model.gguf', bytes)]);
  for (const [name, { dtype, shape }] of checkpoint.tensors) {
    const isOuter = name.startsWith('lm_head') || name.startsWith('model.embed');
    assert.is(dtype, shape.length === 1 ? 'F32' : isOuter ? 'Q8_0' : 'Q4_0', name);
  }
});

gguf('law: other types, and types that differ within W_pack, are read as float32', async () => {
  const { positive } = randomSource(9);
  const [C, heads] = [8, 2];
  const types: GgmlTypeName[] = ['F16', 'BF16', 'F32'];
  const source = types.map((type) => {
    const values = positive(C * C);
    return { type, values: decodeRows(type, encodeRows(type as WritableType, values)) };
  });
  const bytes = smallModel((file: RawGguf) => {
    ['attn_q', 'attn_k', 'attn_v'].forEach((name, index) => {
      const { type, values } = source[index];
      const data = encodeRows(type as WritableType, values);
      Object.assign(tensorOf(file, `blk.0.${name}`), { type: GGML_TYPES[type].id, data });
    });
  });
  const { checkpoint } = await openGguf([bufferSource('model.gguf', bytes)]);
  const tensor = checkpoint.tensors.get('model.layers.0.self_attn.W_pack.weight');
  assert.is(tensor?.dtype, 'F32');
  const found = new Float32Array(Uint8Array.from(await bytesOf(tensor)).buffer);
  const d = C / heads;
  source.forEach(({ values }, part) => {
    for (let row = 0; row < C; row++) {
      const [head, within] = [Math.floor(row / d), row % d];
      const origin = head * d + (within % (d / 2)) * 2 + Math.floor(within / (d / 2));
      const from = (part === 2 ? row : origin) * C;
      const place = (part * C + row) * C;
      const expected = [...values.slice(from, from + C)];
      assert.equal([...found.slice(place, place + C)], expected, `part ${part} row ${row}`);
    }
  });
  const other = checkpoint.tensors.get('model.layers.1.self_attn.W_pack.weight');
  assert.is(other?.dtype, 'F32');
});

gguf('law: rows beyond the vocabulary get unused pieces, as llama.cpp wants them', async () => {
  const weights = new Map<string, Matrix>(wideWeights);
  for (const name of ['model.embed_tokens.weight', 'lm_head.weight']) {
    weights.set(name, { shape: [263, 64], values: new Float32Array(263 * 64) });
  }
  const sizes = { ...WIDE, vocabSize: 263 };
  const bytes = await written(sizes, checkpointOf(weights, 'F32'), { type: 'F32' });
  const { vocabulary } = await openGguf([bufferSource('model.gguf', bytes)]);
  assert.ok(vocabulary);
  const { count, types, starts, ends, bytes: text } = vocabulary.pieces;
  assert.is(count, 263);
  assert.equal([...types.slice(259)], [1, 5, 5, 5]);
  const last = new TextDecoder().decode(text.subarray(starts[262], ends[262]));
  assert.is(last, '[PAD262]');
});

gguf('error: models that a reader would take for others', async () => {
  const code = 'gguf-architecture';
  const checkpoint = checkpointOf(wideWeights, 'F32');
  const write = (changes: Partial<ModelSizes>) => () =>
    written({ ...WIDE, ...changes }, checkpoint, { type: 'F32' });
  await expectRefusal(write({ position: 'alibi' }), { code, message: '1 layers' });
  await expectRefusal(write({ numHiddenLayers: 40 }), { code, message: ['40 layers', 'alibi'] });
  await expectRefusal(write({ headDim: 33 }), { code, message: 'heads of 33' });
});

gguf('error: parameters that are missing, of another type, or no numbers', async () => {
  const { tensors } = checkpointOf(wideWeights, 'F32');
  const name = 'model.layers.0.mlp.up_proj.weight';
  const up = tensors.get(name);
  assert.ok(up);
  const write = (changed: StoredTensor | undefined, type: WritableType) => () => {
    const edited = new Map(tensors);
    if (changed === undefined) edited.delete(name);
    else edited.set(name, changed);
    return written(WIDE, { tensors: edited }, { type });
  };
  await expectRefusal(write(undefined, 'F32'), { code: 'model-missing', where: name });
  const integers = { ...up, dtype: 'I8' as const };
  await expectRefusal(write(integers, 'F32'), { code: 'model-dtype', message: 'I8' });
  const read = async (_: number, length: number) => {
    const values = new Float32Array(length / 4);
    values[5] = Number.NaN;
    return new Uint8Array(values.buffer);
  };
  const broken = { code: 'gguf-finite', where: name, message: 'NaN', found: 'NaN' } as const;
  await expectRefusal(write({ ...up, read }, 'Q8_0'), broken);
  await write({ ...up, read }, 'F16')();
});

gguf.run();
