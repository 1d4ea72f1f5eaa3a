import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { type ConvertOptions, openModel, openTokenizer } from '../../src/index.ts';
import type { QuantizedType } from '../../src/tensor/quantized.ts';
import { checkpointFolder } from '../support/checkpoint-files.ts';
import { goldenPath } from '../support/command.ts';
import {
  convertedFiles,
  convertedFolder,
  convertedGguf,
  ropeFolder,
} from '../support/conversions.ts';
import { GOLDENS, type Golden } from '../support/goldens.ts';
import { contentOf, memoryFolder, utf8 } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const convert = suite('convert');

/** Sizes that are no multiples of 32: 40 and 112. */
const alibi = GOLDENS.find(({ name }) => name === 'alibi-5heads') as Golden;

async function tensorsOf(folder: Folder) {
  const { checkpoint, close } = await openModel(folder);
  try {
    return await contentOf(checkpoint);
  } finally {
    await close();
  }
}

convert('law: floats keep every bit, in one file or in shards', async () => {
  const source = checkpointFolder(alibi);
  const expected = await tensorsOf(source);
  for (const maxShardBytes of [undefined, 100_000, 1]) {
    const files = await convertedFiles(source, { maxShardBytes });
    const shards = Object.keys(files).filter((name) => name.endsWith('.safetensors'));
    if (maxShardBytes === undefined) assert.equal(shards, ['model.safetensors']);
    if (maxShardBytes === 1) assert.is(shards.length, Object.keys(expected).length);
    if (maxShardBytes === 100_000) {
      assert.ok(shards.length > 1 && shards.length < 20);
      for (const name of shards) assert.ok(files[name].length < 100_000 + 4096, name);
    }
    assert.is('model.safetensors.index.json' in files, shards.length > 1);
    assert.equal(await tensorsOf(await convertedFolder(source, { maxShardBytes })), expected);
  }
});

convert(
  'law: configuration, generation settings and tokenizer are copied byte by byte',
  async () => {
    const source = ropeFolder();
    const files = await convertedFiles(source);
    for (const name of ['config.json', 'generation_config.json', 'tokenizer.model']) {
      const original = await source.open(name);
      assert.equal([...files[name]], [...(await original.read(0, original.size))], name);
    }
  },
);

for (const type of ['f32', 'f16', 'bf16'] as const) {
  convert(`law: type ${type} makes all weights that, and config.json says so`, async () => {
    const [source, wide] = [ropeFolder(), { f32: 4, f16: 2, bf16: 2 }[type]];
    const { checkpoint, config } = await openModel(await convertedFolder(source, { type }));
    const name = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[type];
    assert.is(config.torchDtype, name);
    for (const { dtype, shape, byteLength } of checkpoint.tensors.values()) {
      assert.is(dtype, type.toUpperCase());
      assert.is(
        byteLength,
        shape.reduce((a, b) => a * b, wide),
      );
    }
    // What bfloat16 holds near 1 is exact in all three, but for float16's least numbers.
    const again = await convertedFolder(await convertedFolder(source, { type }), { type: 'bf16' });
    if (type !== 'f16') assert.equal(await tensorsOf(again), await tensorsOf(source));
  });
}

const LOSSLESS: readonly ConvertOptions[] = [
  { type: 'f32' },
  { type: 'f16' },
  { type: 'bf16' },
  { quantize: 'int8' },
  { quantize: 'int4' },
];

for (const options of LOSSLESS) {
  const title = JSON.stringify(options);
  convert(`law: ${title} to GGUF and back to safetensors keeps every bit`, async () => {
    const first = await convertedFolder(ropeFolder(), options);
    const gguf = await convertedGguf(first);
    const back = await convertedFolder(gguf);
    assert.equal(await tensorsOf(back), await tensorsOf(first));
    const { config } = await openModel(back);
    const { config: before } = await openModel(first);
    // GGUF has eps as float32, and no type of what the quantized weights were before.
    const sizes = ({ notices: _, torchDtype, rmsNormEps, ...rest }: typeof config) => ({
      ...rest,
      rmsNormEps: Math.fround(rmsNormEps),
      torchDtype: options.quantize === undefined ? torchDtype : undefined,
    });
    assert.equal(sizes(config), sizes(before));
  });
}

convert('law: generation settings go through GGUF byte by byte, and count there', async () => {
  // As published with Baichuan-13B-Chat, with a key that changes nothing and odd white space.
  const text = `\t{"user_token_id": 195, "assistant_token_id": 196, "max_new_tokens": 2048,
    "temperature": 0.3, "top_k": 5, "top_p": 0.85, "repetition_penalty": 1.1, "do_sample": true,
    "transformers_version": "世"}\r\n`;
  const name = 'generation_config.json';
  const files = await convertedFiles(ropeFolder());
  const source = memoryFolder({ ...files, [name]: utf8(text) });
  const [before, gguf] = [await openModel(source), await convertedGguf(source)];
  const after = await openModel(gguf);
  assert.equal(after.generationConfig, before.generationConfig);
  const { temperature, topK, topP, repetitionPenalty } = after.generationConfig.options;
  assert.equal([temperature, topK, topP, repetitionPenalty], [0.3, 5, 0.85, 1.1]);
  assert.is(after.generationConfig.assistantTokenId, 196);
  for (const options of [{}, { type: 'q8_0' }] as const) {
    const back = await convertedFiles(await convertedGguf(gguf, options));
    assert.equal([...back[name]], [...utf8(text)]);
  }
  const { [name]: _, ...bare } = files;
  assert.not(name in (await convertedFiles(await convertedGguf(memoryFolder(bare)))));
});

convert('law: GGUF holds norms as float32, which f16 and bf16 do not round', async () => {
  const name = 'model.norm.weight';
  const files = await convertedFiles(ropeFolder(), { type: 'f32' });
  const { buffer, byteOffset } = files['model.safetensors'];
  const view = new DataView(buffer, byteOffset);
  const length = Number(view.getBigUint64(0, true));
  const header = new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 8, length));
  const [begin] = JSON.parse(header)[name].data_offsets;
  view.setFloat32(8 + length + begin, 1 / 3, true);
  const source = memoryFolder(files);
  for (const type of ['f16', 'bf16'] as const) {
    const found = await tensorsOf(await convertedGguf(source, { type }));
    assert.equal(found[name], (await tensorsOf(source))[name], type);
    assert.is(found['lm_head.weight'].dtype, type.toUpperCase());
    const rounded = await tensorsOf(await convertedFolder(source, { type }));
    assert.is(rounded[name].dtype, type.toUpperCase());
    const back = await tensorsOf(
      await convertedFolder(await convertedGguf(ropeFolder(), { type })),
    );
    assert.is(back[name].dtype, 'BF16');
  }
});

convert(
  'law: the tokenizer of a GGUF file becomes a tokenizer.model with the same ids',
  async () => {
    const gguf = await convertedGguf(ropeFolder());
    const [original, back] = [
      await openTokenizer(ropeFolder()),
      await openTokenizer(await convertedFolder(gguf)),
    ];
    for (const text of ['一丁 a\u0000é', '丁丂七丄丅', '  x', '😀']) {
      assert.equal(back.encode(text), original.encode(text));
    }
    for (let id = 0; id < original.vocabSize; id++) {
      assert.is(back.idToPiece(id), original.idToPiece(id));
      assert.is(back.pieceType(id), original.pieceType(id));
      assert.is(back.pieceScore(id), original.pieceScore(id));
    }
  },
);

convert(
  'law: q8_0 and q4_0 are rounded as llama.cpp does, otherwise than int8 and int4',
  async () => {
    for (const [type, quantize] of [
      ['q8_0', 'int8'],
      ['q4_0', 'int4'],
    ] as const) {
      const theirs = await tensorsOf(await convertedGguf(ropeFolder(), { type }));
      const ours = await tensorsOf(await convertedGguf(ropeFolder(), { quantize }));
      const name = 'model.layers.1.mlp.up_proj.weight';
      assert.is(theirs[name].dtype, ours[name].dtype);
      assert.not.equal(theirs[name].bytes, ours[name].bytes);
      // In llama.cpp's files the embedding and the head are of the type asked for.
      assert.is(theirs['lm_head.weight'].dtype, type.toUpperCase());
      assert.is(ours['lm_head.weight'].dtype, 'Q8_0');
    }
  },
);

convert('law: integers that are quantized a second time are said once', async () => {
  const folder = await convertedFolder(ropeFolder(), { quantize: 'int8' });
  const notices: string[] = [];
  await convertedFiles(folder, { quantize: 'int4' }, { onNotice: (n) => void notices.push(n) });
  assert.is(notices.length, 1);
  assert.match(notices[0], /^10 tensors are quantized a second time .*W_pack.weight from Q8_0/);
});

convert('law: progress counts to its total, in every format', async () => {
  for (const run of [convertedFiles, convertedGguf]) {
    const seen: number[] = [];
    let total = 0;
    await run(
      ropeFolder(),
      {},
      {
        onProgress: ({ phase, bytes, totalBytes }) => {
          assert.is(phase, 'convert');
          seen.push(bytes);
          total = totalBytes;
        },
      },
    );
    assert.equal(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.is(seen.at(-1), total);
  }
});

convert('error: a stop ends it between two blocks', async () => {
  for (const run of [convertedFiles, convertedGguf]) {
    for (const after of [0, 1, 5]) {
      let blocks = 0;
      const controller = new AbortController();
      if (after === 0) controller.abort();
      const onProgress = () => {
        blocks += 1;
        if (blocks === after) controller.abort();
      };
      const pass = { signal: controller.signal, onProgress };
      const error = await run(ropeFolder(), {}, pass).catch((caught: unknown) => caught);
      assert.instance(error, BaichuanError);
      assert.is((error as BaichuanError).code, 'aborted');
      assert.is(blocks, after);
    }
  }
});

convert('error: options that contradict each other or the format', async () => {
  const refuse = (
    options: ConvertOptions,
    where: string,
    run = convertedFiles as typeof convertedGguf | typeof convertedFiles,
  ) =>
    expectRefusal(() => run(ropeFolder(), options), {
      code: where.startsWith('!') ? 'option-unsupported' : 'option-value',
      where: where.replace('!', ''),
    });
  await refuse({ type: 'f16', quantize: 'int4' }, '--type');
  await refuse({ type: 'q8_0' }, '--type');
  await refuse({ type: 'q4_0' }, '--type');
  await refuse({ type: 'int4' as 'f16' }, '--type');
  await refuse({ quantize: 'int5' as QuantizedType }, 'quantize');
  await refuse({ maxShardBytes: 0 }, 'maxShardBytes');
  await refuse({ maxShardBytes: Number.NaN }, 'maxShardBytes');
  await refuse({ quantize: 'int4-channel' }, '!--quantize', convertedGguf);
  const folder = await convertedFolder(ropeFolder(), { quantize: 'int4-channel' });
  await expectRefusal(() => convertedGguf(folder), {
    code: 'option-unsupported',
    where: 'W_pack',
    fix: '--type f16',
  });
});

convert('error: a weight beyond float16 is not made infinite', async () => {
  const source = checkpointFolder(alibi, (tensors) => {
    const norm = tensors.get('model.norm.weight');
    if (norm !== undefined) new DataView(norm.bytes.buffer).setFloat32(8, 70_000, true);
  });
  const action = () => convertedFiles(source, { type: 'f16' });
  await expectRefusal(action, { code: 'model-overflow', fix: 'bf16' });
});

convert('error: a GGUF file needs a tokenizer', async () => {
  await expectRefusal(() => convertedGguf(goldenPath('rope-4heads')), {
    code: 'directory-missing',
    where: 'tokenizer.model',
  });
});

convert.run();
