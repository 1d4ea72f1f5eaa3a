/** `config.json` → `BaichuanConfig`, every field checked.
 *
 *  The class name and the key of the context length decide together which model it is:
 *    `BaiChuanForCausalLM` + `max_position_embeddings`   7B, rotary positions (RoPE)
 *    `BaichuanForCausalLM` + `model_max_length`          13B, linear biases (ALiBi)
 *  Source: configuration_baichuan.py of baichuan-inc/Baichuan-7B and of Baichuan-13B-Base. A value
 *  that is not implemented is an error, never a default. */

/** The two classes of the published code. Mind the capitals: the first is 7B, the second 13B. */
export type Architecture = 'BaiChuanForCausalLM' | 'BaichuanForCausalLM';

/** How a token knows where it stands. */
export type PositionEncoding = 'rope' | 'alibi';

/** Sizes and constants of a model; sizes count elements. */
export interface BaichuanConfig {
  readonly architecture: Architecture;
  readonly position: PositionEncoding;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** `hiddenSize / numAttentionHeads`. */
  readonly headDim: number;
  /** Positions the model was trained for; later ones are computed all the same. */
  readonly modelMaxLength: number;
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies; unused with ALiBi. */
  readonly ropeTheta: number;
  readonly padTokenId: number;
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  /** What the file says its weights were saved as; the weights themselves decide. */
  readonly torchDtype: 'float32' | 'float16' | 'bfloat16' | undefined;
  /** What was accepted though it was odd, one sentence each. */
  readonly notices: readonly string[];
}
