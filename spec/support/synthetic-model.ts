/** Models of any shape with made-up weights, as folders in memory. */

import { parseConfig } from '../../src/config.ts';
import { parameterShapes } from '../../src/model/weights.ts';
import { rawSafetensors } from './checkpoint-files.ts';
import { type MemoryFolder, memoryFolder, utf8 } from './model-files.ts';
import { randomSource } from './random.ts';

export interface SyntheticShape {
  readonly position: 'alibi' | 'rope';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
}

/** A folder of bfloat16 weights: norms about 1, the others of a spread that keeps activations and
 *  logits of the order of 1. */
export function syntheticFolder(shape: SyntheticShape): MemoryFolder {
  const text = configOf(shape);
  const config = parseConfig(utf8(text), { file: 'config.json' });
  let seed = 1;
  const tensors = new Map(
    [...parameterShapes(config)].map(([name, lengths]) => {
      const count = lengths.reduce((product, length) => product * length, 1);
      const random = randomSource(seed++);
      const values =
        lengths.length === 1
          ? random.signed(count, 0.2).map((value) => 1 + value)
          : random.signed(count, Math.sqrt(3 / lengths[1]));
      return [name, { dtype: 'BF16', shape: [...lengths], bytes: upperHalves(values) }];
    }),
  );
  return memoryFolder({ 'config.json': text, 'model.safetensors': rawSafetensors(tensors) });
}

/** A config.json of these sizes. */
export function configOf({ position, ...sizes }: SyntheticShape): string {
  const length = position === 'alibi' ? 'model_max_length' : 'max_position_embeddings';
  return JSON.stringify({
    architectures: [position === 'alibi' ? 'BaichuanForCausalLM' : 'BaiChuanForCausalLM'],
    model_type: 'baichuan',
    hidden_act: 'silu',
    vocab_size: sizes.vocabSize,
    hidden_size: sizes.hiddenSize,
    intermediate_size: sizes.intermediateSize,
    num_hidden_layers: sizes.numHiddenLayers,
    num_attention_heads: sizes.numAttentionHeads,
    [length]: 4096,
    rms_norm_eps: 1e-6,
    pad_token_id: 0,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  });
}

/** Float32 cut to bfloat16. */
function upperHalves(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer);
  const halves = Uint16Array.from(bits, (word) => word >>> 16);
  return new Uint8Array(halves.buffer);
}
