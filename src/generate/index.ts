/** Generation: options, logits processors, sampling, the loop, and chat prompts. */
export {
  buildChatPrompt,
  type ChatMessage,
  type ChatPrompt,
  type ChatPromptOptions,
  type ChatRoles,
  type ChatTokenizer,
} from './chat-prompt.ts';
export { type FinishReason, type GeneratedToken, generateTokens } from './generate.ts';
export {
  collectText,
  type GeneratedText,
  generateText,
  type TextEvent,
  type TextTokenizer,
  type Usage,
} from './generate-text.ts';
export {
  EMPTY_GENERATION_CONFIG,
  type GenerationConfig,
  type GenerationDefaults,
  parseGenerationConfig,
} from './generation-config.ts';
export { HUGGING_FACE_NAMES } from './option-ranges.ts';
export {
  type GenerationOptions,
  type ModelFacts,
  type ResolvedOptions,
  resolveOptions,
} from './options.ts';
export {
  applyTemperature,
  keepMinP,
  keepTopK,
  keepTopP,
  type ProcessorOptions,
  penalizeRepetition,
  processLogits,
} from './processors.ts';
export { makeRandom, type Random } from './random.ts';
export { argMax } from './ranking.ts';
export { logprobs, sampleToken, type TokenLogprob } from './sampler.ts';
export type { AppendOptions, ModelSequence } from './sequence.ts';
export { makeStopMatcher, type StopMatcher, type StopResult } from './stop-strings.ts';
