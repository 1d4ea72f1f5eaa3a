/** The public surface of `baichuan-ts`: re-exports only. */

export { type BaichuanConfig, CONFIG_PRESETS, countParameters, parseConfig } from './config.ts';
export {
  CLAIMS,
  type ClaimName,
  type ClaimVerdict,
  type ComparedTrace,
  type ConformBackend,
  type ConformReference,
  type ConformReport,
  type ConformRequests,
  type PrefillRequest,
  type RequestedMessage,
} from './conform/claims/claim.ts';
export { conformReportToJson, conformReportToText } from './conform/claims/conform-report.ts';
export { llamaBackend } from './conform/claims/llama-backend.ts';
export { openServer } from './conform/claims/openai-server.ts';
export {
  parseRequests,
  REQUESTS_FILE,
  requestsToJson,
  TRACES_FOLDER,
} from './conform/claims/request-files.ts';
export { makeRequests } from './conform/claims/requests.ts';
export { runClaims } from './conform/claims/run-claims.ts';
export { scoreBar } from './conform/claims/score-bar.ts';
export { traceBytes } from './conform/claims/trace-bytes.ts';
export { openTraceFolder } from './conform/claims/trace-folder.ts';
export {
  type BackendComparison,
  compareBackends,
  compareWithModel,
  type ModelToCompare,
} from './conform/compare-backends.ts';
export type { CompareOptions, FirstDifference, TensorVerdict } from './conform/compare-traces.ts';
export type { Diagnosis } from './conform/diagnose.ts';
export {
  TINY_MODELS,
  type TinyModel,
  type TinyTensor,
  tinyWeights,
} from './conform/kit/tiny-model.ts';
export { createMemoryTrace, type MemoryTrace } from './conform/memory-trace.ts';
export { type CompareReportInput, compareReport } from './conform/report/compare-report.ts';
export { computedTrace } from './conform/report/computed-trace.ts';
export {
  type ConformPage,
  type ConformPageOptions,
  createConformPage,
} from './conform/report/conform-page.ts';
export {
  type TraceReport,
  type TraceReportInput,
  traceReport,
} from './conform/report/trace-report.ts';
export { comparisonToSummary } from './conform/report-summary.ts';
export { comparisonToJson, comparisonToText } from './conform/report-text.ts';
export { traceMetadata } from './conform/trace-metadata.ts';
export { configToJson } from './conform/trace-model.ts';
export { openTrace, type TraceSource } from './conform/trace-source.ts';
export {
  type Conversion,
  type ConvertPass,
  convertToGguf,
  convertToSafetensors,
  type FolderFile,
  type FolderSink,
} from './convert/convert.ts';
export {
  CONVERT_FORMATS,
  CONVERT_TYPES,
  type ConvertOptions,
  type ConvertType,
} from './convert/convert-options.ts';
export { embeddedModel } from './engine/embedded.ts';
export {
  checkEngineOptions,
  type EngineChoice,
  type EngineOptions,
  type KernelsModule,
  withOptionsOfFile,
} from './engine/engine-options.ts';
export {
  complete,
  type GenerateOptions,
  generate,
  type PreparedPrompt,
  type Prompt,
  preparePrompt,
  runPrompt,
} from './engine/generate.ts';
export { readGgufVocabulary } from './engine/gguf-vocabulary.ts';
export type {
  BatchOptions,
  ForwardOptions,
  LanguageModel,
  LanguageModelSequence,
  Logits,
  TraceOptions,
} from './engine/language-model.ts';
export {
  type LoadOptions,
  load,
  type ModelSource,
  type OpenedModel,
  type OpenOptions,
  openModel,
  openTokenizer,
} from './engine/load.ts';
export { type MemoryPlan, type PlanOptions, planMemory } from './engine/plan.ts';
export type { LoadProgress } from './engine/progress.ts';
export type { TraceRun, TraceSink } from './engine/recorder.ts';
export { type TraceFileOptions, writeTrace } from './engine/trace-file.ts';
export { parseChecksums, type StreamingHash, type VerifiedFile } from './engine/verify-files.ts';
export { type Verification, type VerifyOptions, verifyModel } from './engine/verify-model.ts';
export type { VerifiedTensor } from './engine/verify-tensors.ts';
export { QUANTIZATIONS, type Quantization } from './engine/weight-formats.ts';
export { BaichuanError, ERROR_CODES, type ErrorCode, EXIT_CODES, quote } from './errors.ts';
export {
  type ByteSink,
  type ByteSource,
  blobSource,
  bufferSource,
  type MemorySink,
  memorySink,
  type PlacedByteSink,
} from './formats/byte-source.ts';
export type {
  BlockType,
  Checkpoint,
  ElementType,
  StoredTensor,
  StoredType,
} from './formats/checkpoint.ts';
export {
  baichuanMetadata,
  type GgufVocabulary,
  type ModelSizes,
} from './formats/gguf/baichuan-metadata.ts';
export {
  exportGguf,
  type GgufExportOptions,
  type GgufModel,
  ggufTensors,
} from './formats/gguf/export.ts';
export type { WritableType } from './formats/gguf/ggml-types.ts';
export { type GgufModelFile, openGguf } from './formats/gguf/open.ts';
export { type Spellings, spellingsOf } from './formats/gguf/spellings.ts';
export { type GgufTensorToWrite, writeGguf } from './formats/gguf/writer.ts';
export {
  type Folder,
  type HuggingFaceFolder,
  openHuggingFaceFolder,
} from './formats/hugging-face-folder.ts';
export { openSafetensors } from './formats/safetensors.ts';
export { type TensorToWrite, writeSafetensors } from './formats/safetensors-writer.ts';
export { writeTorch } from './formats/torch/writer.ts';
export { buildChatPrompt, type ChatMessage, type ChatPrompt } from './generate/chat-prompt.ts';
export type { GeneratedToken } from './generate/generate.ts';
export { collectText, type GeneratedText, type TextEvent } from './generate/generate-text.ts';
export { type GenerationOptions, resolveOptions } from './generate/options.ts';
export { parameterShapes } from './model/weights.ts';
export { httpFolder } from './platform/http-folder.ts';
export type { HttpOptions } from './platform/http-request.ts';
export {
  checkVocabulary,
  type EncodedPiece,
  type EncodeOptions,
  loadTokenizer,
  type StreamDecoder,
  type Tokenizer,
} from './tokenizer/index.ts';
export { type ArithmeticClass, isArithmeticClass } from './verify/bars.ts';
export { expectMatches, type Trace, type TraceTensor, tapFilter } from './verify/trace.ts';
