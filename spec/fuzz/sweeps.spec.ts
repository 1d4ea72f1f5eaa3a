/** Small valid files of every kind: each truncation, and each single bit flipped. Whole PyTorch
 *  files are in spec/formats/torch.spec.ts, which also says what may change in them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ggufTarget } from '../support/fuzz/gguf.ts';
import {
  configTarget,
  generationConfigTarget,
  jsonTarget,
  shardIndexTarget,
} from '../support/fuzz/json.ts';
import { pickleTarget } from '../support/fuzz/pickle.ts';
import { safetensorsTarget } from '../support/fuzz/safetensors.ts';
import { everyFlip, everyTruncation, expectAccepted } from '../support/fuzz/sweep.ts';
import type { FuzzTarget } from '../support/fuzz/target.ts';
import { tokenizerTarget } from '../support/fuzz/tokenizer.ts';
import { zipTarget } from '../support/fuzz/zip.ts';
import {
  type RawGguf,
  SMALL,
  setPair,
  smallModel,
  smallPairs,
  tensorOf,
  uint,
} from '../support/gguf-files.ts';
import { countingBytes, float32Entry, safetensorsFile, utf8 } from '../support/model-files.ts';
import { pickle } from '../support/pickle-code.ts';
import { parameterCode, stateDict, tensorCode, wholeView } from '../support/torch-file.ts';
import { zipFile } from '../support/zip-file.ts';
import { buildModel, TYPE } from '../tokenizer/model-builder.ts';

const sweeps = suite('fuzz/sweeps');

const state = stateDict({
  'a.weight': tensorCode({ ...wholeView('BF16', '0', [2, 3]), strides: [1, 2] }),
  'a.bias': parameterCode(tensorCode(wholeView('F32', '1', [2]))),
});

const archive = zipFile([
  { name: 'm/a', data: countingBytes(5), padding: 3 },
  { name: 'm/é', data: countingBytes(2), zip64: true },
]).bytes;

/** One layer, without a vocabulary, and with three rows where there would be 260. */
const gguf = smallModel((file: RawGguf) => {
  file.pairs = smallPairs().filter(({ key }) => !/^tokenizer/.test(String(key)));
  setPair(file, uint('baichuan.block_count', 1));
  file.tensors = file.tensors.filter(({ name }) => !String(name).startsWith('blk.1.'));
  for (const name of ['token_embd', 'output']) {
    const tensor = tensorOf(file, name);
    tensor.axes = [SMALL.C, 3];
    tensor.data = tensor.data.slice(0, 4 * SMALL.C * 3);
  }
});

/** Bytes of the header of the model; behind it are floats, of which every pattern is one. */
const GGUF_HEADER = gguf.length - 4 * (4 * 64 + 3 * 96 + 3 * 8 + 2 * 24);

const config = {
  architectures: ['BaichuanForCausalLM'],
  model_type: 'baichuan',
  ...{ vocab_size: 7, hidden_size: 64, intermediate_size: 3, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, model_max_length: 4096, rms_norm_eps: 1e-6, hidden_act: 'silu' },
};

interface Sweep {
  readonly target: FuzzTarget;
  readonly bytes: Uint8Array;
  /** Bytes whose bits are flipped; all unless told. */
  readonly flipped?: number;
  /** Whether a part may be whole, too, as a list of fields is. */
  readonly mayShorten?: boolean;
}

const json = (value: unknown) => utf8(JSON.stringify(value));

const SWEEPS: readonly Sweep[] = [
  {
    target: safetensorsTarget,
    bytes: safetensorsFile(
      { __metadata__: { format: 'pt' }, a: float32Entry([2, 3], 0), 世: float32Entry([], 24) },
      28,
    ),
  },
  { target: zipTarget, bytes: archive },
  { target: pickleTarget, bytes: pickle(state).bytes },
  { target: { ...pickleTarget, name: 'pickle 4' }, bytes: pickle(state, 4).bytes },
  { target: ggufTarget, bytes: gguf, flipped: GGUF_HEADER },
  {
    target: tokenizerTarget,
    bytes: buildModel({
      pieces: [
        { piece: 'a' },
        { piece: '世' },
        { piece: 'a世', score: -1 },
        { piece: '<h2>', type: TYPE.userDefined },
      ],
    }),
    mayShorten: true,
  },
  { target: jsonTarget, bytes: json([1, -2.5e3, 'é\n', { b: null }, true]) },
  { target: configTarget, bytes: json(config) },
  { target: generationConfigTarget, bytes: json({ eos_token_id: [2], top_p: 0.5, top_k: 5 }) },
  {
    target: shardIndexTarget,
    bytes: json({ metadata: { total_size: 8 }, weight_map: { a: 'b-1.bin', c: 'b-2.bin' } }),
  },
];

for (const { target, bytes, flipped, mayShorten = false } of SWEEPS) {
  sweeps(`law: every truncation of a ${target.name} file is refused well`, async () => {
    await expectAccepted(target, bytes);
    const whole: number[] = [];
    const { refused } = await everyTruncation(target, bytes, (length) => whole.push(length));
    assert.ok(refused.size > 0);
    if (!mayShorten) assert.equal(whole, [], 'accepted');
  });

  sweeps(
    `law: every flipped bit of a ${target.name} file is refused well, or read well`,
    async () => {
      const { accepted, refused } = await everyFlip(target, bytes, () => {}, flipped);
      assert.ok(refused.size >= 2, [...refused.keys()].join(', '));
      assert.ok(accepted < 8 * (flipped ?? bytes.length));
    },
  );
}

sweeps.run();
