import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { openGguf } from '../../../src/formats/gguf/open.ts';
import {
  bool,
  dropPair,
  f32,
  pair,
  type RawGguf,
  SMALL,
  SMALL_PIECES,
  setPair,
  smallModel,
  smallPairs,
  smallTensors,
  smallValue,
  string,
  tensorOf,
  u32,
  uint,
} from '../../support/gguf-files.ts';
import { SOURCE_KINDS } from '../../support/model-files.ts';
import { type ExpectedRefusal, expectRefusal } from '../../support/refusal.ts';

const gguf = suite('gguf-open');
const FILE = 'model.gguf';

const openBytes = (bytes: Uint8Array) => openGguf([bufferSource(FILE, bytes)]);
const openEdited = (edit: (file: RawGguf) => void) => openBytes(smallModel(edit));

async function refuse(edit: (file: RawGguf) => void, expected: ExpectedRefusal): Promise<void> {
  const bytes = smallModel(edit);
  await expectRefusal(() => openBytes(bytes), { file: FILE, ...expected });
}

async function valuesOf(
  { checkpoint }: Awaited<ReturnType<typeof openBytes>>,
  name: string,
): Promise<number[]> {
  const tensor = checkpoint.tensors.get(`${name}.weight`);
  if (tensor === undefined) throw new Error(`no ${name}`);
  const bytes = await tensor.read(0, tensor.byteLength);
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

/** The rows of W_pack by the equation: in each head, row s · d/2 + j of the checkpoint is row
 *  2j + s of the file. */
function packedRows(layer: number): number[] {
  const { C, heads } = SMALL;
  const d = C / heads;
  const [query, key, value] = [2, 3, 4].map((index) => 9 * layer + index);
  const rows: number[] = [];
  const row = (tensor: number, index: number) => {
    for (let column = 0; column < C; column++) rows.push(smallValue(tensor, index * C + column));
  };
  for (const tensor of [query, key]) {
    for (let head = 0; head < heads; head++) {
      for (const s of [0, 1]) for (let j = 0; j < d / 2; j++) row(tensor, head * d + 2 * j + s);
    }
  }
  for (let index = 0; index < C; index++) row(value, index);
  return rows;
}

gguf('law: tensors have the names, shapes and values of the checkpoint', async () => {
  const { C, F, V } = SMALL;
  const model = await openBytes(smallModel());
  const shapes = [...model.checkpoint.tensors].map(([name, { shape }]) => [name, ...shape]);
  const layer = (index: number) =>
    [
      ['self_attn.W_pack', 3 * C, C],
      ['input_layernorm', C],
      ['self_attn.o_proj', C, C],
      ['post_attention_layernorm', C],
      ['mlp.gate_proj', F, C],
      ['mlp.up_proj', F, C],
      ['mlp.down_proj', C, F],
    ].map(([name, ...shape]) => [`model.layers.${index}.${name}.weight`, ...shape]);
  assert.equal(shapes, [
    ['model.embed_tokens.weight', V, C],
    ...[...layer(0), ...layer(1)],
    ['model.norm.weight', C],
    ['lm_head.weight', V, C],
  ]);
  const whole = (tensor: number, length: number) =>
    Array.from({ length }, (_, index) => smallValue(tensor, index));
  assert.equal(await valuesOf(model, 'model.embed_tokens'), whole(0, V * C));
  assert.equal(await valuesOf(model, 'model.layers.1.mlp.down_proj'), whole(18, C * F));
  assert.equal(await valuesOf(model, 'lm_head'), whole(20, V * C));
  for (const index of [0, 1]) {
    assert.equal(
      await valuesOf(model, `model.layers.${index}.self_attn.W_pack`),
      packedRows(index),
    );
  }
});

gguf('law: any part of a tensor is that part of its bytes', async () => {
  const { checkpoint } = await openBytes(smallModel());
  for (const tensor of checkpoint.tensors.values()) {
    const whole = await tensor.read(0, tensor.byteLength);
    for (let begin = 0; begin < tensor.byteLength; begin += 37) {
      const length = Math.min((begin * 7) % 211, tensor.byteLength - begin);
      assert.equal(await tensor.read(begin, length), whole.slice(begin, begin + length));
    }
    const range = () => tensor.read(1, tensor.byteLength);
    await expectRefusal(range, { code: 'io-range', file: FILE });
  }
});

gguf('law: the configuration is that of the metadata', async () => {
  const { config } = await openBytes(smallModel());
  assert.equal(JSON.parse(new TextDecoder().decode(config)), {
    architectures: ['BaiChuanForCausalLM'],
    model_type: 'baichuan',
    vocab_size: SMALL.V,
    hidden_size: SMALL.C,
    intermediate_size: SMALL.F,
    num_hidden_layers: SMALL.layers,
    num_attention_heads: SMALL.heads,
    max_position_embeddings: SMALL.context,
    rms_norm_eps: 1e-6,
    hidden_act: 'silu',
    pad_token_id: 0,
    bos_token_id: 1,
    eos_token_id: 2,
  });
});

/** A file with all tensors of its layer count, each of the sizes of layer 0. */
function withLayers(count: number): (file: RawGguf) => void {
  return (file) => {
    setPair(file, uint('baichuan.block_count', count));
    const first = file.tensors.filter(({ name }) => String(name).startsWith('blk.0.'));
    const others = file.tensors.filter(({ name }) => !String(name).startsWith('blk.'));
    const layers = Array.from({ length: count }, (_, layer) =>
      first.map((tensor) => ({
        ...tensor,
        name: String(tensor.name).replace('blk.0', `blk.${layer}`),
      })),
    );
    file.tensors = [...others, ...layers.flat()];
  };
}

gguf('law: 40 layers have ALiBi, any other number has rotary positions', async () => {
  for (const [count, architecture] of [
    [32, 'BaiChuanForCausalLM'],
    [40, 'BaichuanForCausalLM'],
    [39, 'BaiChuanForCausalLM'],
  ] as const) {
    const { config, checkpoint } = await openEdited(withLayers(count));
    const json = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>;
    assert.equal(json['architectures'], [architecture]);
    const key = count === 40 ? 'model_max_length' : 'max_position_embeddings';
    assert.is(json[key], SMALL.context);
    const isSaid = checkpoint.notices.some((notice) => notice.includes('positions are rotary'));
    assert.is(isSaid, count === 39);
  }
});

gguf('law: the kind of source and the size of its pieces make no difference', async () => {
  const bytes = smallModel();
  const contentOf = async (model: Awaited<ReturnType<typeof openBytes>>) => {
    const content: unknown[] = [model.config, model.vocabulary];
    for (const [name, tensor] of model.checkpoint.tensors) {
      content.push(name, tensor.dtype, await tensor.read(0, tensor.byteLength));
    }
    return content;
  };
  const expected = await contentOf(await openBytes(bytes));
  for (const make of Object.values(SOURCE_KINDS)) {
    const model = await openGguf([await make(FILE, bytes)]);
    assert.equal(await contentOf(model), expected);
    await model.checkpoint.close();
  }
});

gguf('law: closing the checkpoint closes its file, and so does a failure to open', async () => {
  const closed: string[] = [];
  const watched = (name: string, bytes: Uint8Array) => {
    const inner = bufferSource(name, bytes);
    return { ...inner, close: async () => void closed.push(name) };
  };
  const { checkpoint } = await openGguf([watched('good', smallModel())]);
  await checkpoint.close();
  await openGguf([watched('bad', smallModel().slice(0, -1))]).catch(() => undefined);
  assert.equal(closed, ['good', 'bad']);
});

gguf('law: GG26 a chat template is not used, and that is said', async () => {
  const template = '{% for i in range(10**9) %}{{ cycler.__init__.__globals__ }}{% endfor %}';
  const { checkpoint } = await openEdited((file) => {
    file.pairs.push(string('tokenizer.chat_template', template));
  });
  assert.match(checkpoint.notices.join('\n'), /chat template, which is not used/);
});

gguf('law: ids that the file leaves out are the published ones', async () => {
  const { config } = await openEdited((file) => {
    for (const name of ['bos', 'eos', 'padding']) dropPair(file, `tokenizer.ggml.${name}_token_id`);
  });
  const json = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>;
  assert.equal([json['pad_token_id'], json['bos_token_id'], json['eos_token_id']], [0, 1, 2]);
});

gguf('law: a file without a vocabulary opens without one', async () => {
  const { vocabulary } = await openEdited((file) => {
    file.pairs = file.pairs.filter(({ key }) => !String(key).startsWith('tokenizer.'));
  });
  assert.is(vocabulary, undefined);
});

gguf('error: GG18 other architectures', async () => {
  const code = 'gguf-architecture';
  const where = 'general.architecture';
  for (const name of ['llama', 'baichuan2', 'Baichuan', '']) {
    const edit = (file: RawGguf) => setPair(file, string('general.architecture', name));
    await refuse(edit, { code, where, found: JSON.stringify(name), expected: 'baichuan' });
  }
  await refuse((file) => dropPair(file, where), { code, where, found: 'nothing' });
  const number = (file: RawGguf) => setPair(file, uint('general.architecture', 3));
  await refuse(number, { code, where, found: '3' });
});

gguf('error: GG19 sizes that are none or contradict each other', async () => {
  const code = 'gguf-metadata';
  const keys = ['block_count', 'embedding_length', 'feed_forward_length', 'context_length'];
  for (const name of [...keys, 'attention.head_count']) {
    const where = `baichuan.${name}`;
    await refuse((file) => setPair(file, uint(where, 0)), { code, where, found: '0' });
    await refuse((file) => dropPair(file, where), { code, where, found: 'nothing' });
    await refuse((file) => setPair(file, string(where, '8')), { code, where, found: '"8"' });
    await refuse((file) => setPair(file, uint(where, 2 ** 31)), { code, where });
  }
  const set = (name: string, value: number) => (file: RawGguf) =>
    setPair(file, uint(`baichuan.${name}`, value));
  await refuse(set('attention.head_count', 3), { code, where: 'head_count', message: 'split' });
  await refuse(set('attention.head_count_kv', 1), { code, where: 'head_count_kv', found: '1' });
  await refuse(set('block_count', 3), { code, where: 'block_count', expected: 3, found: 2 });
  await refuse(set('block_count', 1), { code, where: 'block_count', expected: 1, found: 2 });
  const epsilon = 'baichuan.attention.layer_norm_rms_epsilon';
  for (const value of [0, -1, 2, Number.NaN]) {
    const edit = (file: RawGguf) => setPair(file, pair(epsilon, 'float32', f32(value)));
    await refuse(edit, { code, where: epsilon });
  }
});

gguf('error: settings that would change the result', async () => {
  const code = 'gguf-metadata';
  const pairs = [
    uint('baichuan.rope.dimension_count', 2),
    pair('baichuan.rope.freq_base', 'float32', f32(1e6)),
    string('baichuan.rope.scaling.type', 'linear'),
    pair('baichuan.rope.scaling.factor', 'float32', f32(2)),
    pair('baichuan.attention.max_alibi_bias', 'float32', f32(8)),
    uint('baichuan.expert_count', 8),
    uint('baichuan.vocab_size', 259),
    uint('baichuan.attention.key_length', 5),
    pair('baichuan.attention.scale', 'float32', f32(0.1)),
    bool('baichuan.attention.causal', false),
  ];
  for (const one of pairs) {
    await refuse((file) => setPair(file, one), { code, where: String(one.key) });
  }
});

gguf('law: the same settings at the values they have are accepted', async () => {
  const pairs = [
    uint('baichuan.rope.dimension_count', 4),
    pair('baichuan.rope.freq_base', 'float32', f32(10_000)),
    string('baichuan.rope.scaling.type', 'none'),
    uint('baichuan.vocab_size', SMALL.V),
    pair('baichuan.attention.max_alibi_bias', 'float32', f32(0)),
  ];
  const { checkpoint } = await openEdited((file) => {
    for (const one of pairs) setPair(file, one);
    setPair(file, uint('baichuan.unheard_of', 1));
  });
  assert.match(checkpoint.notices.join('\n'), /"baichuan.unheard_of", which is not known/);
});

gguf('error: GG20 tensors that are missing, given twice, or of another shape', async () => {
  const code = 'model-missing';
  for (const name of ['token_embd', 'blk.1.attn_k', 'blk.0.ffn_up', 'output_norm', 'output']) {
    const where = `${name}.weight`;
    const edit = (file: RawGguf) => {
      file.tensors = file.tensors.filter((tensor) => tensor.name !== where);
    };
    await refuse(edit, { code, where, fix: 'Download' });
  }
  for (const axes of [
    [4, 16],
    [16, 4],
    [2, 2, 16],
  ]) {
    const edit = (file: RawGguf) => void Object.assign(tensorOf(file, 'blk.1.attn_q'), { axes });
    const found = `[${axes.toReversed().join(', ')}]`;
    const where = 'blk.1.attn_q';
    await refuse(edit, { code: 'model-shape', where, expected: '[8, 8]', found });
  }
  const twice = (file: RawGguf) => {
    file.tensors.push({ ...file.tensors[0], name: 'lm_head.weight' });
  };
  await refuse(twice, { code: 'gguf-duplicate', where: 'lm_head', message: 'two names' });
});

gguf('error: GG21 a vocabulary whose parts do not fit', async () => {
  const code = 'gguf-vocabulary';
  const longer = smallPairs([...SMALL_PIECES, { piece: 'cd', score: -1, type: 1 }]);
  for (const name of ['tokens', 'scores', 'token_type']) {
    const key = `tokenizer.ggml.${name}`;
    const other = longer.find((one) => one.key === key);
    assert.ok(other);
    await refuse((file) => setPair(file, other), { code, message: '261' });
    const where = key;
    await refuse((file) => setPair(file, uint(key, 1)), { code, where, message: 'an array of' });
    if (name !== 'tokens') await refuse((file) => dropPair(file, key), { code, where });
  }
  const gpt = (file: RawGguf) => setPair(file, string('tokenizer.ggml.model', 'gpt2'));
  await refuse(gpt, { code, where: 'tokenizer.ggml.model', message: 'SentencePiece' });
  const far = (file: RawGguf) => setPair(file, uint('tokenizer.ggml.bos_token_id', SMALL.V));
  await refuse(far, { code, where: 'bos_token_id', message: '0 to 259' });
  const flag = (file: RawGguf) => setPair(file, uint('tokenizer.ggml.add_space_prefix', 0));
  await refuse(flag, { code, where: 'add_space_prefix', message: 'true or false' });
});

/** The small model in parts, after `edit` has had its way with the parts. */
function splitModel(edit: (parts: RawGguf[]) => void = () => {}): Uint8Array[] {
  const all = smallTensors();
  const numbers = (part: number) => [
    pair('split.no', 'uint16', Uint8Array.of(part, 0)),
    pair('split.count', 'uint16', Uint8Array.of(3, 0)),
    pair('split.tensors.count', 'int32', u32(all.length)),
  ];
  const parts: RawGguf[] = [
    { pairs: [...smallPairs(), ...numbers(0)], tensors: all.slice(0, 4) },
    { pairs: numbers(1), tensors: all.slice(4, 11) },
    { pairs: numbers(2), tensors: all.slice(11) },
  ];
  edit(parts);
  return parts.map((part) => smallModel((file) => Object.assign(file, part)));
}

const openParts = (parts: Uint8Array[]) =>
  openGguf(parts.map((bytes, index) => bufferSource(`part-${index + 1}`, bytes)));

gguf('law: a model in parts is the model in one file', async () => {
  const [whole, split] = [await openBytes(smallModel()), await openParts(splitModel())];
  assert.equal(split.config, whole.config);
  assert.equal(split.vocabulary, whole.vocabulary);
  assert.equal([...split.checkpoint.tensors.keys()], [...whole.checkpoint.tensors.keys()]);
  for (const name of split.checkpoint.tensors.keys()) {
    const plain = name.replace(/\.weight$/, '');
    assert.equal(await valuesOf(split, plain), await valuesOf(whole, plain));
  }
});

gguf('error: GG24 parts alone, in the wrong order, of another number, or mixed', async () => {
  const code = 'gguf-split';
  const parts = splitModel();
  const refuseParts = (list: Uint8Array[], expected: Omit<ExpectedRefusal, 'code'>) =>
    expectRefusal(() => openParts(list), { code, ...expected });
  await refuseParts(parts.slice(0, 1), { where: 'split.count', message: 'one of 3 files' });
  await refuseParts(parts.slice(0, 2), { where: 'split.count', message: 'one of 2' });
  const swapped = [parts[0], parts[2], parts[1]];
  await refuseParts(swapped, { where: 'split.no', file: 'part-2', message: 'is file 3' });
  const whole = smallModel();
  await refuseParts([parts[0], whole, parts[2]], { file: 'part-2', message: 'a whole model' });
  const fewer = splitModel(([, , last]) => void last.tensors.pop());
  await refuseParts(fewer, { where: 'split.tensors.count', message: ['21', '20'] });
  const doubled = splitModel(([first, second]) => void second.tensors.push(first.tensors[1]));
  const twice = { code: 'gguf-duplicate', file: 'part-2', message: 'part-1' } as const;
  await expectRefusal(() => openParts(doubled), twice);
});

gguf.run();
