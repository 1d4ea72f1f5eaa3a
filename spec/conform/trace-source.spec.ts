/** Opening traces: what is taken, and what hostile or damaged files do. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configOf, inferConfig, promptsOf, sizesOf } from '../../src/conform/trace-model.ts';
import { openTrace, readRow } from '../../src/conform/trace-source.ts';
import { BaichuanError } from '../../src/errors.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { GOLDENS } from '../support/goldens.ts';
import { float32Entry, safetensorsFile } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { goldenMetadata, goldenTensors, memoryTrace, traceBytes } from '../support/traces.ts';

const traces = suite('trace source');
const open = (bytes: Uint8Array) => openTrace(bufferSource('found.safetensors', bytes));

traces('law: 16-bit floats and every integer are read as the numbers they are', async () => {
  const header = {
    'model.layers.0.output': { dtype: 'BF16', shape: [1, 2], data_offsets: [0, 4] },
    'model.layers.1.output': { dtype: 'F16', shape: [1, 2], data_offsets: [4, 8] },
    input_ids: { dtype: 'I32', shape: [1, 1], data_offsets: [8, 12] },
  };
  const data = Uint8Array.of(0x80, 0x3f, 0x20, 0xc0, 0x00, 0x3c, 0x00, 0xc1, 7, 1, 0, 0);
  const trace = await open(safetensorsFile(header, data));
  const values = async (name: string) => {
    const entry = trace.entries.get(name);
    return entry === undefined ? [] : [...(await readRow(entry))];
  };
  assert.equal(await values('model.layers.0.output'), [1, -2.5]);
  assert.equal(await values('model.layers.1.output'), [1, -2.5]);
  assert.equal(await promptsOf(trace), [[263]]);
});

traces(
  'law: scores masked with the lowest float16 are masked, whatever they are stored as',
  async () => {
    const name = 'model.layers.0.self_attn.scores';
    for (const dtype of ['F16', 'F32'] as const) {
      const values = [1, -65504, 2, -3];
      const halves = Uint16Array.of(0x3c00, 0xfbff, 0x4000, 0xc200);
      const data = new Uint8Array((dtype === 'F16' ? halves : Float32Array.from(values)).buffer);
      const header = { [name]: { dtype, shape: [1, 2, 2], data_offsets: [0, data.length] } };
      const entry = (await open(safetensorsFile(header, data))).entries.get(name);
      assert.equal(entry && [...(await readRow(entry))], [1, Number.NEGATIVE_INFINITY, 2, -3]);
    }
  },
);

traces('law: rows of a batch are read one by one', async () => {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const trace = await memoryTrace(
    new Map([['model.layers.0.output', { shape: [2, 2, 2], values }]]),
  );
  const entry = trace.entries.get('model.layers.0.output');
  assert.equal([entry?.batch, entry?.shape], [2, [2, 2]]);
  assert.equal(entry && [...(await readRow(entry, 1))], [5, 6, 7, 8]);
});

for (const golden of GOLDENS.slice(0, 2)) {
  traces(`law: metadata gives the configuration back (${golden.name})`, async () => {
    const trace = await memoryTrace(goldenTensors(golden), goldenMetadata(golden));
    const { notices: _read, torchDtype: _dtype, ...config } = golden.config;
    const { notices: _told, torchDtype: _none, ...told } = configOf(trace) ?? golden.config;
    assert.equal(told, config);
  });

  traces(`law: without metadata the sizes follow from the shapes (${golden.name})`, async () => {
    const trace = await memoryTrace(goldenTensors(golden));
    const { hiddenSize, headDim, numAttentionHeads, intermediateSize, vocabSize } = golden.config;
    const { C, D, H, F, V, T } = sizesOf(trace);
    assert.equal(
      [C, D, H, F, V, T],
      [hiddenSize, headDim, numAttentionHeads, intermediateSize, vocabSize, 17],
    );
    const config = inferConfig(trace);
    assert.equal(
      [config?.position, config?.numHiddenLayers],
      [golden.config.position, golden.config.numHiddenLayers],
    );
  });
}

traces('law: the prompt may stand in the metadata', async () => {
  const tensors = new Map([
    ['model.layers.0.output', { shape: [1, 1], values: new Float32Array(1) }],
  ]);
  const trace = await memoryTrace(tensors, { prompt_ids: '[5, 77]' });
  assert.equal(await promptsOf(trace), [[5, 77]]);
  assert.is(await promptsOf(await memoryTrace(tensors)), undefined);
});

const ids = { dtype: 'I64', shape: [1], data_offsets: [4, 12] };
const bad: [string, Uint8Array, object][] = [
  [
    'a checkpoint instead of a trace',
    safetensorsFile({ 'a.weight': float32Entry([2], 0) }, 8),
    { code: 'trace-empty' },
  ],
  [
    'a tensor of too many axes',
    safetensorsFile({ logits: float32Entry([1, 1, 1, 1], 0) }, 4),
    { code: 'trace-tensor', where: 'logits' },
  ],
  [
    'attention maps without an axis',
    safetensorsFile({ 'model.layers.0.self_attn.probs': float32Entry([2, 2], 0) }, 16),
    { code: 'trace-tensor', message: '[H, T, S]' },
  ],
  [
    'activations as integers',
    safetensorsFile(
      { logits: { dtype: 'I32', shape: [1, 1], data_offsets: [0, 4] }, input_ids: ids },
      12,
    ),
    { code: 'trace-tensor', message: 'I32' },
  ],
  ['text', new TextEncoder().encode('not a trace, whatever its name'), {}],
  ['nothing', new Uint8Array(0), { code: 'safetensors-short' }],
];

for (const [title, bytes, refusal] of bad) {
  traces(`error: ${title} is refused`, async () => {
    const error = await open(bytes).catch((caught: unknown) => caught);
    assert.instance(error, BaichuanError);
    const { code } = error as BaichuanError;
    const expectation = { file: 'found.safetensors', code, ...refusal };
    const checked = await expectRefusal(
      () => open(bytes),
      expectation as Parameters<typeof expectRefusal>[1],
    );
    assert.is(checked.exitCode, 3);
  });
}

traces('error: every truncation of a trace is refused as a damaged file', async () => {
  const tensors = new Map([['logits', { shape: [1, 3], values: Float32Array.of(1, 2, 3) }]]);
  const bytes = traceBytes(tensors, { class: 'f32' });
  for (let length = 0; length < bytes.length; length++) {
    const error = await open(bytes.subarray(0, length)).catch((caught: unknown) => caught);
    assert.instance(error, BaichuanError, `${length} bytes`);
    assert.is((error as BaichuanError).exitCode, 3, `${length} bytes`);
  }
});

traces('error: metadata that says nonsense is refused where it is used', async () => {
  const tensors = new Map([['logits', { shape: [1, 3], values: Float32Array.of(1, 2, 3) }]]);
  for (const prompt of ['"5"', '[5, "7"]', '[1.5]', '{}', '[1e999]']) {
    const trace = await memoryTrace(tensors, { prompt_ids: prompt });
    const error = await promptsOf(trace).catch((caught: unknown) => caught);
    assert.instance(error, BaichuanError, prompt);
  }
  const trace = await memoryTrace(tensors, { config: '{"vocab_size": -1}' });
  assert.throws(() => configOf(trace), /config-/);
});

traces.run();
