import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  array,
  bool,
  dropPair,
  f32,
  pair,
  type RawGguf,
  SMALL,
  setPair,
  smallModel,
  string,
  u32,
  uint,
} from '../../support/gguf-files.ts';
import { openBytes, openEdited, refuseModel } from '../../support/gguf-models.ts';

const config = suite('gguf-model-config');

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

config('law: the configuration is that of the metadata', async () => {
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

config('law: 40 layers have ALiBi, any other number has rotary positions', async () => {
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

config('law: ids that the file leaves out are the published ones', async () => {
  const { config } = await openEdited((file) => {
    for (const name of ['bos', 'eos', 'padding']) dropPair(file, `tokenizer.ggml.${name}_token_id`);
  });
  const json = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>;
  assert.equal([json['pad_token_id'], json['bos_token_id'], json['eos_token_id']], [0, 1, 2]);
});

config('error: GG19 sizes that are none or contradict each other', async () => {
  const code = 'gguf-metadata';
  const keys = ['block_count', 'embedding_length', 'feed_forward_length', 'context_length'];
  for (const name of [...keys, 'attention.head_count']) {
    const where = `baichuan.${name}`;
    await refuseModel((file) => setPair(file, uint(where, 0)), { code, where, found: '0' });
    await refuseModel((file) => dropPair(file, where), { code, where, found: 'nothing' });
    await refuseModel((file) => setPair(file, string(where, '8')), { code, where, found: '"8"' });
    await refuseModel((file) => setPair(file, uint(where, 2 ** 31)), { code, where });
  }
  const set = (name: string, value: number) => (file: RawGguf) =>
    setPair(file, uint(`baichuan.${name}`, value));
  await refuseModel(set('attention.head_count', 3), {
    code,
    where: 'head_count',
    message: 'split',
  });
  await refuseModel(set('attention.head_count_kv', 1), {
    code,
    where: 'head_count_kv',
    found: '1',
  });
  await refuseModel(set('block_count', 3), { code, where: 'block_count', expected: 3, found: 2 });
  await refuseModel(set('block_count', 1), { code, where: 'block_count', expected: 1, found: 2 });
  const epsilon = 'baichuan.attention.layer_norm_rms_epsilon';
  for (const value of [0, -1, 2, Number.NaN]) {
    const edit = (file: RawGguf) => setPair(file, pair(epsilon, 'float32', f32(value)));
    await refuseModel(edit, { code, where: epsilon });
  }
});

const KV = 'baichuan.attention.head_count_kv';

config('law: heads of keys may be given for each layer, all equal', async () => {
  for (const type of ['int32', 'uint32'] as const) {
    const heads = new Array(SMALL.layers).fill(u32(SMALL.heads));
    const { config, checkpoint } = await openEdited((file) =>
      setPair(file, array(KV, type, heads)),
    );
    const json = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>;
    assert.is(json['num_attention_heads'], SMALL.heads);
    assert.equal(checkpoint.notices, (await openBytes(smallModel())).checkpoint.notices);
  }
});

config('error: heads of keys that differ, or are given for other layers', async () => {
  const { heads } = SMALL;
  for (const [type, items, shown] of [
    ['int32', [heads, 1], 'an array of 2 int32 (2, 1)'],
    ['uint32', [1, 1], 'an array of 2 uint32 (1, 1)'],
    ['int32', [heads], 'an array of 1 int32 (2)'],
    ['int32', [heads, heads, heads], 'an array of 3 int32 (2, 2, 2)'],
    ['uint32', new Array(9).fill(heads), 'an array of 9 uint32 (2, 2, 2, 2, 2, 2, 2, 2 …)'],
    ['int32', [], 'an array of 0 int32 ()'],
    ['float32', [heads, heads], 'an array of 2 float32'],
  ] as const) {
    const edit = (file: RawGguf) => setPair(file, array(KV, type, items.map(u32)));
    await refuseModel(edit, { code: 'gguf-metadata', where: KV, message: shown });
  }
});

config('law: the epsilon may be a float64, and is rounded to a float32', async () => {
  const epsilon = 'baichuan.attention.layer_norm_rms_epsilon';
  for (const [value, expected] of [
    [1e-6, 1e-6],
    [1e-5, 1e-5],
    [1e-6 * (1 + 2 ** -40), 1e-6],
  ]) {
    const bytes = new Uint8Array(Float64Array.of(value).buffer);
    const edit = (file: RawGguf) => setPair(file, pair(epsilon, 'float64', bytes));
    const { config } = await openEdited(edit);
    const json = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>;
    assert.is(json['rms_norm_eps'], expected);
  }
});

config('error: a value of another type is named with its type', async () => {
  const code = 'gguf-metadata';
  const epsilon = 'baichuan.attention.layer_norm_rms_epsilon';
  const double = (value: number) => new Uint8Array(Float64Array.of(value).buffer);
  for (const [one, shown] of [
    [string(epsilon, '1e-6'), '"1e-6" (string)'],
    [uint(epsilon, 1), '1 (uint32)'],
    [pair(epsilon, 'float64', double(2)), '2 (float64)'],
    [bool('baichuan.block_count', true), 'true (bool)'],
    [pair('baichuan.block_count', 'float32', f32(2.5)), '2.5 (float32)'],
    [string(KV, '2'), '"2" (string)'],
    [string('tokenizer.ggml.bos_token_id', '1'), '"1" (string)'],
  ] as const) {
    const where = String(one.key);
    await refuseModel((file) => setPair(file, one), { code, where, message: shown });
  }
});

config('error: settings that would change the result', async () => {
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
    await refuseModel((file) => setPair(file, one), { code, where: String(one.key) });
  }
});

config('law: the same settings at the values they have are accepted', async () => {
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

config.run();
