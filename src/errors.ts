/** Every refusal of this library is a `BaichuanError`: what is wrong, where, and how to mend it.
 *
 *  The `code` is stable: programs may switch on it. Its kind decides the exit code of the command
 *  line. Text that comes from a file or a user is shown through `quote`, never raw. */

/** What a code says about the fault, and the exit code of the command line that goes with it. */
export const EXIT_CODES = {
  check: 1,
  usage: 2,
  model: 3,
  unsupported: 4,
  integrity: 5,
  resources: 6,
  io: 7,
  /** A fault of this library: 1 would say that a check failed. The number of sysexits.h. */
  defect: 70,
  interrupted: 130,
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;

/** Every code, in alphabetical order within its family, with its kind. */
export const ERROR_CODES = {
  // Callers: arguments of functions and options of commands.
  aborted: 'interrupted',
  'attention-mask': 'usage',
  'chat-message': 'usage',
  'cache-position': 'usage',
  'context-length': 'resources',
  'generation-option': 'usage',
  'input-line': 'usage',
  'internal-error': 'defect',
  'option-unknown': 'usage',
  'option-unsupported': 'unsupported',
  'option-value': 'usage',
  'prompt-empty': 'usage',
  'out-of-memory': 'resources',
  'sequence-busy': 'usage',
  'sequence-closed': 'usage',
  'shape-mismatch': 'usage',
  'tensor-released': 'usage',
  'text-encoding': 'usage',
  'token-id': 'usage',
  'worker-failed': 'resources',
  'worker-lost': 'resources',

  // Files, whatever their format.
  'checksum-list': 'usage',
  'checksum-mismatch': 'integrity',
  'directory-missing': 'model',
  'format-unsupported': 'unsupported',
  'io-changed': 'io',
  'io-closed': 'io',
  'io-exists': 'io',
  'io-failed': 'io',
  'io-html': 'model',
  'io-lfs': 'model',
  'io-magic': 'model',
  'io-no-ranges': 'unsupported',
  'io-no-space': 'io',
  'io-not-a-file': 'io',
  'io-not-found': 'io',
  'io-range': 'io',

  // JSON.
  'json-depth': 'model',
  'json-duplicate-key': 'model',
  'json-size': 'model',
  'json-syntax': 'model',
  'json-utf8': 'model',

  // safetensors.
  'safetensors-count': 'model',
  'safetensors-dim': 'model',
  'safetensors-dtype': 'model',
  'safetensors-duplicate': 'model',
  'safetensors-field': 'model',
  'safetensors-header-cap': 'model',
  'safetensors-header-empty': 'model',
  'safetensors-header-length': 'model',
  'safetensors-hole': 'model',
  'safetensors-metadata': 'model',
  'safetensors-name': 'model',
  'safetensors-offset': 'model',
  'safetensors-overflow': 'model',
  'safetensors-overlap': 'model',
  'safetensors-rank': 'model',
  'safetensors-root': 'model',
  'safetensors-scales': 'model',
  'safetensors-short': 'model',
  'safetensors-size': 'model',
  'safetensors-trailing': 'model',
  'safetensors-truncated': 'model',
  'safetensors-utf8': 'model',

  // PyTorch's .bin: the zip file, the pickle in it, and the state dict that this describes.
  'pickle-global': 'model',
  'pickle-length': 'model',
  'pickle-limit': 'model',
  'pickle-opcode': 'model',
  'pickle-stack': 'model',
  'pickle-syntax': 'model',
  'pickle-type': 'model',
  'torch-count': 'model',
  'torch-endian': 'unsupported',
  'torch-extent': 'model',
  'torch-format': 'unsupported',
  'torch-int8': 'unsupported',
  'torch-key': 'model',
  'torch-persistent-id': 'model',
  'torch-pickle': 'model',
  'torch-state-dict': 'unsupported',
  'torch-storage': 'model',
  'torch-tensor': 'unsupported',
  'torch-version': 'unsupported',
  'zip-ambiguous': 'model',
  'zip-compressed': 'unsupported',
  'zip-count': 'model',
  'zip-crc': 'integrity',
  'zip-disk': 'unsupported',
  'zip-entry': 'model',
  'zip-eocd': 'model',
  'zip-flags': 'unsupported',
  'zip-limit': 'model',
  'zip-mismatch': 'model',
  'zip-name': 'model',
  'zip-overlap': 'model',
  'zip-zip64': 'model',
  // GGUF.
  'gguf-alignment': 'model',
  'gguf-architecture': 'unsupported',
  'gguf-array': 'model',
  'gguf-big-endian': 'unsupported',
  'gguf-block': 'model',
  'gguf-bool': 'model',
  'gguf-count': 'model',
  'gguf-dim': 'model',
  'gguf-dtype': 'unsupported',
  'gguf-duplicate': 'model',
  'gguf-finite': 'model',
  'gguf-key': 'model',
  'gguf-limit': 'model',
  'gguf-magic': 'model',
  'gguf-metadata': 'model',
  'gguf-name': 'model',
  'gguf-offset': 'model',
  'gguf-rank': 'model',
  'gguf-split': 'model',
  'gguf-text': 'model',
  'gguf-truncated': 'model',
  'gguf-type': 'model',
  'gguf-version': 'unsupported',
  'gguf-vocabulary': 'model',

  // Shard index of a Hugging Face folder.
  'index-duplicate': 'model',
  'index-field': 'model',
  'index-missing-shard': 'model',
  'index-path': 'model',
  'index-symlink': 'model',
  'index-tensor': 'model',

  // config.json and generation_config.json.
  'config-activation': 'unsupported',
  'config-architecture': 'unsupported',
  'config-limit': 'model',
  'config-field': 'model',
  'config-missing': 'model',
  'config-unsupported': 'unsupported',
  'generation-config': 'model',
  'logits-not-finite': 'model',

  // The tensors of a checkpoint against its configuration.
  'model-closed': 'usage',
  'model-dtype': 'unsupported',
  'model-extra': 'model',
  'model-missing': 'model',
  'model-mix': 'model',
  'model-overflow': 'check',
  'model-shape': 'model',
  'tensor-not-finite': 'integrity',
  'tokenizer-mismatch': 'model',

  // Traces and their comparison.
  'trace-class': 'usage',
  'trace-empty': 'model',
  'trace-metadata': 'model',
  'trace-model': 'usage',
  'trace-prompt': 'usage',
  'trace-shape': 'usage',
  'trace-tensor': 'model',
  'trace-vocabulary': 'usage',

  // Whole conformance runs: what is asked, what was answered, and whoever answers.
  'backend-failed': 'resources',
  'backend-missing': 'unsupported',
  'backend-timeout': 'io',
  'conform-answers': 'model',
  'conform-requests': 'model',
  'server-answer': 'integrity',
  'server-closed': 'io',
  'server-prompt': 'check',
  'server-redirect': 'io',
  'server-size': 'io',
  'server-status': 'io',
  'server-timeout': 'io',
  'server-unreachable': 'io',
  'server-unsupported': 'unsupported',
  'server-url': 'usage',

  // tokenizer.model.
  'protobuf-wire': 'model',
  'tokenizer-bytes': 'model',
  'tokenizer-count': 'model',
  'tokenizer-empty': 'model',
  'tokenizer-field': 'unsupported',
  'tokenizer-limit': 'model',
  'tokenizer-normalizer': 'unsupported',
  'tokenizer-piece': 'model',
  'tokenizer-score': 'model',
  'tokenizer-self-test': 'integrity',
  'tokenizer-special': 'model',
  'tokenizer-type': 'unsupported',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** What is wrong, with what was expected and found: one sentence ending in a full stop. */
  what: string;
  /** What to do about it: one imperative sentence ending in a full stop. */
  fix: string;
  /** The file concerned, as the caller named it. */
  file?: string | undefined;
  /** The place in it: tensor name, JSON pointer, byte offset, option, argument. */
  where?: string | undefined;
  expected?: string | number | undefined;
  found?: string | number | undefined;
  cause?: unknown;
}

/** The one error class of this library. `message` reads `code: file: where: what fix`. */
export class BaichuanError extends Error {
  override readonly name = 'BaichuanError';
  readonly code: ErrorCode;
  readonly what: string;
  readonly fix: string;
  readonly file: string | undefined;
  readonly where: string | undefined;
  readonly expected: string | number | undefined;
  readonly found: string | number | undefined;

  constructor(code: ErrorCode, details: ErrorDetails) {
    const { what, fix, file, where, expected, found, cause } = details;
    const place = [code, file, where].filter((part) => part !== undefined);
    super(`${place.join(': ')}: ${what} ${fix}`, { cause });
    this.code = code;
    this.what = what;
    this.fix = fix;
    this.file = file;
    this.where = where;
    this.expected = expected;
    this.found = found;
  }

  /** Exit code of the command line for this fault. */
  get exitCode(): number {
    return EXIT_CODES[ERROR_CODES[this.code]];
  }

  /** The same fields as the message, for `--json`. */
  toJSON(): Record<string, unknown> {
    const { code, message, what, fix, file, where, expected, found } = this;
    return { code, message, file, where, what, expected, found, fix };
  }
}

/** The longest untrusted text that a message shows, in characters. */
const QUOTE_LIMIT = 120;

/** Untrusted text made safe to print: escaped like JSON, control characters and line ends too,
 *  cut to 120 characters. */
export function quote(text: string): string {
  const cut = text.length > QUOTE_LIMIT ? `${text.slice(0, QUOTE_LIMIT)}…` : text;
  const escaped = JSON.stringify(cut);
  // JSON leaves DEL, C1 controls, bidirectional overrides and line separators as they are.
  return escaped.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    escapeUnit,
  );
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
