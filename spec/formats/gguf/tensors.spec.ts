import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RawGguf, SMALL, smallModel, smallValue, tensorOf } from '../../support/gguf-files.ts';
import { FILE, openBytes, refuseModel, valuesOf } from '../../support/gguf-models.ts';
import { expectRefusal } from '../../support/refusal.ts';

const tensors = suite('gguf-tensors');

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
    for (let index = 0; index < C; index++) {
      const [head, within] = [Math.floor(index / d), index % d];
      const [s, j] = [Math.floor(within / (d / 2)), within % (d / 2)];
      row(tensor, head * d + 2 * j + s);
    }
  }
  for (let index = 0; index < C; index++) row(value, index);
  return rows;
}

tensors('law: tensors have the names, shapes and values of the checkpoint', async () => {
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

tensors('law: any part of a tensor is that part of its bytes', async () => {
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

tensors('error: GG20 tensors that are missing, given twice, or of another shape', async () => {
  const code = 'model-missing';
  for (const name of ['token_embd', 'blk.1.attn_k', 'blk.0.ffn_up', 'output_norm', 'output']) {
    const where = `${name}.weight`;
    const edit = (file: RawGguf) => {
      file.tensors = file.tensors.filter((tensor) => tensor.name !== where);
    };
    await refuseModel(edit, { code, where, fix: 'Download' });
  }
  for (const axes of [
    [4, 16],
    [16, 4],
    [2, 2, 16],
  ]) {
    const edit = (file: RawGguf) => void Object.assign(tensorOf(file, 'blk.1.attn_q'), { axes });
    const found = `[${axes.toReversed().join(', ')}]`;
    const where = 'blk.1.attn_q';
    await refuseModel(edit, { code: 'model-shape', where, expected: '[8, 8]', found });
  }
  const twice = (file: RawGguf) => {
    file.tensors.push({ ...file.tensors[0], name: 'lm_head.weight' });
  };
  await refuseModel(twice, { code: 'gguf-duplicate', where: 'lm_head', message: 'two names' });
});

tensors.run();
