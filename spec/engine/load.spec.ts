/** From files to a model, and every way in which files and configuration do not belong together. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load, openModel, openTokenizer } from '../../src/engine/load.ts';
import {
  checkpointFolder,
  type RawTensor,
  rawTensors,
  shardedFolder,
} from '../support/checkpoint-files.ts';
import { type RawPair, smallModel, string, uint } from '../support/gguf-files.ts';
import { GOLDENS, type Golden, idsOf, runner } from '../support/goldens.ts';
import { memoryFolder } from '../support/model-files.ts';
import { expectAborted, expectRefusal } from '../support/refusal.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const engine = suite('load');
const FIXTURES = new URL('../../fixtures/', import.meta.url);
const [alibi, rope] = GOLDENS as [Golden, Golden, Golden, Golden];
const BROKEN = 'model.layers.1.mlp.up_proj.weight';

for (const golden of GOLDENS) {
  engine(
    `law: a folder on disk gives the bits of its weights in memory (${golden.name})`,
    async () => {
      const ids = idsOf(golden.float32.get('input_ids'));
      const { run, kvCache } = await runner(golden, 'wasm');
      await using model = await load(new URL(`goldens/${golden.name}/`, FIXTURES));
      const { data, shape } = await model.forward(ids);
      assert.equal(shape, [ids.length, golden.config.vocabSize]);
      assert.equal(data, run([{ sequence: kvCache.open(), ids }]));
    },
  );
}

engine('law: bfloat16 shards give the bits of their exactly widened weights', async () => {
  const folder = new URL('checkpoints/rope-4heads-safetensors-bf16/', FIXTURES);
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const weights = new Map(files.flatMap((file) => [...readSafetensors(new URL(file, folder))]));
  const { run, kvCache } = await runner({ config: rope.config, weights }, 'wasm');
  const ids = idsOf(rope.float32.get('input_ids'));
  await using model = await load(folder);
  assert.equal((await model.forward(ids)).data, run([{ sequence: kvCache.open(), ids }]));
});

engine('law: opening reads headers only, and every file is closed again', async () => {
  const folder = checkpointFolder(alibi);
  const model = await openModel(folder);
  const weightsBytes = [...rawTensors(alibi).values()].reduce(
    (sum, { bytes }) => sum + bytes.length,
    0,
  );
  const read = folder.reads
    .filter((range) => range.startsWith('model.safetensors'))
    .reduce((sum, range) => sum + Number(range.split('+')[1]), 0);
  assert.ok(read < weightsBytes / 4, `${read} of ${weightsBytes} bytes were read`);
  await model.close();
  assert.is(folder.openCount(), 0);
  await (await load(folder)).close();
  assert.is(folder.openCount(), 0);
});

engine('law: rotary frequencies in a checkpoint are passed over', async () => {
  const withFrequencies = checkpointFolder(rope, (tensors) => {
    const name = 'model.layers.1.self_attn.rotary_emb.inv_freq';
    tensors.set(name, { dtype: 'F32', shape: [8], bytes: new Uint8Array(32) });
  });
  await using first = await load(checkpointFolder(rope));
  await using second = await load(withFrequencies);
  assert.equal((await first.forward([5, 9])).data, (await second.forward([5, 9])).data);
});

engine(
  'error: ST24 tensors called __proto__ or constructor are extra tensors like any other',
  async () => {
    for (const name of [
      '__proto__',
      'constructor',
      'toString',
      'model.layers.99.mlp.up_proj.weight',
    ]) {
      await expectRefusal(
        () =>
          openModel(
            checkpointFolder(alibi, (tensors) => {
              tensors.set(name, { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) });
            }),
          ),
        {
          code: 'model-extra',
          where: name,
          message: '1 tensors belong to no parameter',
          fix: 'config.json',
        },
      );
    }
  },
);

engine('law: ST27 NaN and infinite weights load, with one notice that counts them', async () => {
  const notices: string[] = [];
  const folder = checkpointFolder(alibi, (tensors) => {
    const { bytes } = tensors.get(BROKEN) as RawTensor;
    const values = new Float32Array(bytes.buffer);
    values.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 7);
  });
  await using _model = await load(folder, { onNotice: (notice) => notices.push(notice) });
  assert.is(notices.length, 1);
  assert.match(notices[0], new RegExp(`^${BROKEN} .*: 3 of \\d+ weights are NaN or infinite`));
});

engine('error: IX08 shards of two models are told apart from a wrong config.json', async () => {
  const second = (name: string) => name.includes('layers.1.') || name.includes('layers.2.');
  const folder = shardedFolder(alibi, second, (tensors) => {
    for (const [name, tensor] of tensors) {
      if (second(name)) tensor.shape = tensor.shape.toReversed();
      if (second(name) && tensor.shape.length === 1) tensor.shape = [1, ...tensor.shape];
    }
  });
  await expectRefusal(() => openModel(folder), {
    code: 'model-mix',
    where: 'model.layers.1',
    message: ['model-00001-of-00002.safetensors fit', 'not of one model'],
    fix: 'Download all shards of one model',
  });
});

engine(
  'error: CF06 a config.json that contradicts the tensors names the tensor and both shapes',
  async () => {
    await expectRefusal(
      () => openModel(checkpointFolder(alibi, undefined, { intermediate_size: 111 })),
      {
        code: 'model-shape',
        where: 'model.layers.0.mlp',
        message: ['[40, 111]', '[40, 112]'],
        fix: 'Use the config.json that came with these weights',
      },
    );
  },
);

engine('error: parameters that are missing are counted and named', async () => {
  const folder = checkpointFolder(alibi, (tensors) => tensors.delete(BROKEN));
  await expectRefusal(() => openModel(folder), {
    code: 'model-missing',
    where: BROKEN,
    message: '1 of 24 parameters are not in the checkpoint',
    fix: 'download every shard',
  });
  await expectRefusal(
    () => openModel(checkpointFolder(alibi, undefined, { num_hidden_layers: 512 })),
    {
      code: 'model-missing',
      message: /of 3587 parameters .* more/,
    },
  );
});

engine('error: weights of a type that is no float are refused by name', async () => {
  const folder = checkpointFolder(alibi, (tensors) => {
    const { shape } = tensors.get(BROKEN) as RawTensor;
    tensors.set(BROKEN, { dtype: 'I8', shape, bytes: new Uint8Array(shape[0] * shape[1]) });
  });
  await expectRefusal(() => openModel(folder), {
    code: 'model-dtype',
    where: BROKEN,
    message: 'I8 are not supported; F32, F16 and BF16 are',
    fix: 'Convert the checkpoint',
  });
});

engine('error: a failed opening leaves no file open', async () => {
  const folder = checkpointFolder(alibi, (tensors) => tensors.delete(BROKEN));
  await openModel(folder).catch(() => {});
  assert.is(folder.openCount(), 0);
});

engine('error: IX09 a folder without tokenizer.model fails only where text is needed', async () => {
  await using model = await load(checkpointFolder(alibi));
  assert.is((await model.forward([1, 2])).shape[0], 2);
  const expected = {
    code: 'directory-missing',
    where: 'tokenizer.model',
    fix: 'Copy it there',
  } as const;
  await expectRefusal(() => model.tokenizer(), expected);
  await expectRefusal(() => openTokenizer(checkpointFolder(alibi)), expected);
  await expectRefusal(() => load(checkpointFolder(alibi), { needsTokenizer: true }), expected);
});

engine('error: a folder without config.json names it', async () => {
  await expectRefusal(() => load(memoryFolder({ 'model.safetensors': new Uint8Array(8) })), {
    code: 'directory-missing',
    where: 'config.json',
  });
});

engine('error: a context length that is no number of positions', async () => {
  for (const contextLength of [0, -1, 1.5, Number.NaN, 2 ** 20 + 1]) {
    await expectRefusal(() => load(checkpointFolder(alibi), { contextLength }), {
      code: 'option-value',
      where: 'contextLength',
      fix: 'Pass an integer from 1 to 1048576.',
    });
  }
});

engine('error: an abort signal stops loading, and the files are closed', async () => {
  const folder = checkpointFolder(alibi);
  const signal = AbortSignal.abort();
  await expectAborted(load(folder, { signal }));
  const controller = new AbortController();
  const open = folder.open;
  folder.open = async (name) => {
    controller.abort();
    return open(name);
  };
  await expectAborted(load(folder, { signal: controller.signal }));
  assert.is(folder.openCount(), 0);
});

engine('law: the reference kernels hold the cache as float32, and say so when asked', async () => {
  const folder = new URL(`goldens/${alibi.name}/`, FIXTURES);
  const notices: string[] = [];
  const onNotice = (notice: string) => notices.push(notice);
  await using model = await load(folder, { kernels: 'reference', kvCache: 'int8', onNotice });
  assert.is(model.kvCache, 'f32');
  assert.equal(notices, ['The reference kernels hold the cache as float32.']);
  await using quiet = await load(folder, { kernels: 'reference', quantize: 'int4', onNotice });
  assert.is(quiet.kvCache, 'f32');
  assert.is(notices.length, 1);
});

/** A golden model, one element of one weight being replaced. */
function spoiledFolder(value: number) {
  return checkpointFolder(alibi, (tensors) => {
    const { bytes } = tensors.get(BROKEN) as RawTensor;
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4 * 7, value, true);
  });
}

for (const quantize of ['none', 'int8', 'int4', 'int8-channel', 'int4-channel'] as const) {
  for (const kernels of ['reference', 'wasm'] as const) {
    engine(`law: one NaN or infinity reaches every logit (${quantize}, ${kernels})`, async () => {
      for (const activations of ['exact', 'fast'] as const) {
        for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
          const options = { quantize, kernels, activations, onNotice: () => {} };
          await using model = await load(spoiledFolder(value), options);
          const { data } = await model.forward([5, 9, 11]);
          const finite = data.filter(Number.isFinite).length;
          assert.is(finite, 0, `${value}, ${activations}: ${finite} of ${data.length} are finite`);
        }
      }
    });
  }
}

engine('law: a finite weight in that place gives finite logits', async () => {
  await using model = await load(spoiledFolder(0.5), { quantize: 'int8' });
  assert.ok((await model.forward([5, 9, 11])).data.every(Number.isFinite));
});

engine('error: generation settings in a GGUF file that are none', async () => {
  const key = 'baichuan_ts.generation_config';
  const open = (value: RawPair) => {
    const bytes = smallModel((file) => void file.pairs.push(value));
    return openModel(memoryFolder({ 'model.gguf': bytes }));
  };
  const where = 'folder/model.gguf';
  for (const [text, code, file] of [
    ['{"top_k": ', 'json-syntax', `${where} (${key})`],
    ['[]', 'generation-config', `${where} (${key})`],
    ['{"user_token_id": 260}', 'generation-config', `${where} (${key})`],
    [`{${' '.repeat(2 ** 20)}}`, 'gguf-text', where],
  ] as const) {
    await expectRefusal(() => open(string(key, text)), { code, file });
  }
  await expectRefusal(() => open(uint(key, 7)), { code: 'gguf-metadata', message: '7 (uint32)' });
  const { generationConfig } = await open(string(key, '{"top_k": 7}'));
  assert.is(generationConfig.options.topK, 7);
});

engine.run();
