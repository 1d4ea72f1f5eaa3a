import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { checkVocabulary, loadTokenizer, MAX_MODEL_BYTES } from '../../src/tokenizer/index.ts';
import { type ExpectedRefusal, expectRefusal, processorMs } from '../support/refusal.ts';
import { readModel, tokenizers } from './fixtures.ts';
import {
  BPE,
  type BuiltPiece,
  BYTE_FALLBACK,
  BYTE_PIECES,
  type Bytes,
  buildModel,
  bytesField,
  floatField,
  NO_PREFIX,
  pieceField,
  readingBounds,
  TYPE,
  utf8,
  varintField,
} from './model-builder.ts';

const test = suite('tokenizer/model-proto');

const FILE = 'models/tokenizer.model';

async function expectLoadRefusal(bytes: Uint8Array, expected: ExpectedRefusal): Promise<void> {
  const action = () => loadTokenizer(bytes, { file: FILE });
  await expectRefusal(action, { file: FILE, ...readingBounds(bytes), ...expected });
}

function withPieces(...pieces: BuiltPiece[]): Uint8Array {
  return buildModel({ pieces });
}

const FOREIGN: [string, string | Bytes, Partial<ExpectedRefusal>][] = [
  ['an empty file', [], { code: 'tokenizer-empty', message: 'empty', fix: 'Download' }],
  [
    'a Git LFS pointer',
    'version https://git-lfs.github.com/spec/v1\noid sha256:ab12\nsize 2001107\n',
    { code: 'io-lfs', message: ['sha256:ab12', '2001107'], fix: 'git lfs pull' },
  ],
  ['a web page', '<!DOCTYPE html><html>', { code: 'io-html', message: '<!DOCTYPE html>' }],
  ['tokenizer.json', '{\n  "version": "1.0"}', { code: 'io-html', message: 'a JSON text' }],
  ['an archive', 'PK\u0003\u0004 and so on', { code: 'io-magic', message: 'zip' }],
];

for (const [name, content, expected] of FOREIGN) {
  test(`error: TK01 ${name} in place of the model is named`, async () => {
    const bytes = Uint8Array.from(typeof content === 'string' ? utf8(content) : content);
    await expectLoadRefusal(bytes, { code: 'io-magic', where: 'byte 0', ...expected });
  });
}

test('error: TK02 a model that ends too soon is refused at every length', () => {
  const model = readModel('plain');
  for (let length = 1; length < 400; length++) {
    try {
      loadTokenizer(model.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof BaichuanError, `${length} bytes: ${error}`);
      continue;
    }
    assert.unreachable(`${length} bytes were accepted`);
  }
});

const TYPES = ['', 'UNIGRAM', 'BPE', 'WORD', 'CHAR', '5'];
for (const type of [1, 3, 4, 5]) {
  test(`error: TK03 the model type ${TYPES[type]} is refused by its name`, async () => {
    await expectLoadRefusal(buildModel({ trainer: varintField(3, type) }), {
      code: 'tokenizer-type',
      where: 'trainer_spec.model_type',
      found: TYPES[type],
      fix: '--model_type=bpe',
    });
  });
}

test('error: TK03 a model that names no type is UNIGRAM, as the schema says', async () => {
  const expected = { code: 'tokenizer-type', message: 'UNIGRAM' } as const;
  await expectLoadRefusal(buildModel({ trainer: [] }), expected);
});

test('error: TK04 a model without pieces is refused', async () => {
  await expectLoadRefusal(Uint8Array.from(bytesField(2, BPE)), {
    code: 'tokenizer-count',
    where: 'pieces',
    found: 0,
    fix: 'checkpoint',
  });
});

test('error: TK04 a model of more than 200,000 pieces is refused before it is kept', async () => {
  const bytes = new Uint8Array(2 * (2 ** 20 + 1));
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 8 + 2;
  await expectLoadRefusal(bytes, {
    code: 'tokenizer-count',
    where: 'byte 400000',
    expected: 200_000,
  });
});

test('error: TK04 more pieces than rows of the model are refused, fewer noticed', async () => {
  const { user } = tokenizers;
  await expectRefusal(() => checkVocabulary(user, 1399, { file: FILE, rowsOf: 'vocab_size' }), {
    code: 'tokenizer-mismatch',
    file: FILE,
    where: 'vocab_size',
    message: ['1400 pieces', '1399 rows'],
    fix: 'came with this checkpoint',
  });
  assert.is(checkVocabulary(user, 1400), undefined);
  const notice = checkVocabulary(user, 1402, { file: FILE, rowsOf: 'vocab_size' }) ?? '';
  assert.match(notice, /models\/tokenizer.model has 1400 pieces/);
  assert.match(notice, /vocab_size 1402 rows: ids 1400…1401/);
});

const PIECES: [string, BuiltPiece][] = [
  ['an empty piece', { piece: '' }],
  ['a piece that is there already', { piece: '<s>' }],
  ['a piece of 1,025 bytes', { piece: 'a'.repeat(1025) }],
  ['a piece that is not UTF-8', { piece: [0x61, 0xff] }],
  ['a piece that is an overlong form', { piece: [0xc0, 0x80] }],
  ['a piece that is a surrogate', { piece: [0xed, 0xa0, 0x80] }],
];
for (const [name, piece] of PIECES) {
  test(`error: TK05 ${name} is refused with its id`, async () => {
    await expectLoadRefusal(withPieces({ piece: 'a' }, piece, { piece: 'b' }), {
      code: 'tokenizer-piece',
      where: /^piece 4$/,
      fix: 'the one of the checkpoint',
    });
  });
}

const SCORES: [string, BuiltPiece][] = [
  ['NaN', { piece: 'a', score: Number.NaN }],
  ['+∞', { piece: 'a', score: Number.POSITIVE_INFINITY }],
  ['−∞', { piece: 'a', score: Number.NEGATIVE_INFINITY }],
];
for (const [name, piece] of SCORES) {
  test(`error: TK06 the score ${name} is refused with the piece's id`, async () => {
    const expected = { code: 'tokenizer-score', where: 'piece 3', message: 'score' } as const;
    await expectLoadRefusal(withPieces(piece), expected);
  });
}

for (const type of [0, 7]) {
  test(`error: TK06 the piece type ${type} is refused with the piece's id`, async () => {
    const expected = {
      code: 'tokenizer-score',
      where: 'piece 3',
      message: `type ${type}`,
    } as const;
    await expectLoadRefusal(withPieces({ piece: 'a', type }), expected);
  });
}

test('error: TK07 byte fallback needs all 256 bytes, and bytes need byte fallback', async () => {
  const trainer = [...BPE, ...BYTE_FALLBACK];
  const missing = buildModel({ pieces: BYTE_PIECES.slice(1), trainer });
  await expectLoadRefusal(missing, { code: 'tokenizer-bytes', where: 'pieces', found: 255 });
  const stray = { code: 'tokenizer-bytes', where: 'piece 3', message: 'byte_fallback' } as const;
  await expectLoadRefusal(buildModel({ pieces: BYTE_PIECES }), stray);
  const misspelled = buildModel({ pieces: [{ piece: '<0xfg>', type: TYPE.byte }], trainer });
  await expectLoadRefusal(misspelled, { ...stray, message: '<0xNN>' });
});

test('error: TK08 none or two unknown pieces, or BOS of another type, are refused', async () => {
  const noUnknown = Uint8Array.from([
    ...pieceField({ piece: 'a' }),
    ...bytesField(2, BPE),
    ...bytesField(3, NO_PREFIX),
  ]);
  const code = 'tokenizer-special';
  await expectLoadRefusal(noUnknown, { code, where: 'pieces', message: 'no unknown' });
  const two = withPieces({ piece: 'a', type: TYPE.unknown });
  await expectLoadRefusal(two, { code, where: 'piece 3', message: 'piece 0' });
  for (const field of [46, 47]) {
    const trainer = [...BPE, ...bytesField(field, utf8('a'))];
    const model = buildModel({ pieces: [{ piece: 'a' }], trainer });
    await expectLoadRefusal(model, { code, where: 'piece 3', message: 'normal' });
  }
});

test('error: TK09 a character map, whole or corrupt, is refused and not left out', async () => {
  const map = bytesField(2, [1, 2, 3]);
  const message = '3 bytes';
  const code = 'tokenizer-normalizer';
  const fix = 'identity normalization';
  const where = 'normalizer_spec.precompiled_charsmap';
  await expectLoadRefusal(buildModel({ normalizer: map }), { code, where, message, fix });
  const denormalizer = buildModel({ rest: bytesField(5, map) });
  await expectLoadRefusal(denormalizer, { code, where: `de${where}`, message, fix });
});

test('error: spaces behind words are refused', async () => {
  await expectLoadRefusal(buildModel({ trainer: [...BPE, ...varintField(24, 1)] }), {
    code: 'tokenizer-normalizer',
    where: 'trainer_spec.treat_whitespace_as_suffix',
    fix: 'spaces before words',
  });
});

test('error: a field that this reader does not know is refused wherever it stands', async () => {
  const unknown = varintField(60, 1);
  const models = [
    buildModel({ rest: unknown }),
    buildModel({ trainer: [...BPE, ...unknown] }),
    buildModel({ normalizer: [...NO_PREFIX, ...unknown] }),
    buildModel({ rest: bytesField(5, unknown) }),
    buildModel({ rest: bytesField(4, unknown) }),
    buildModel({ rest: bytesField(4, bytesField(1, unknown)) }),
    buildModel({ rest: bytesField(1, [...bytesField(1, utf8('b')), ...unknown]) }),
  ];
  for (const model of models) {
    const expected = { code: 'tokenizer-field', where: /^byte \d+$/, found: 60 } as const;
    await expectLoadRefusal(model, { ...expected, fix: 'SentencePiece' });
  }
});

test('error: a name of a special piece that is not UTF-8 is refused', async () => {
  const trainer = [...BPE, ...bytesField(46, [0xff])];
  const expected = { code: 'tokenizer-special', where: 'byte', message: 'field 46' } as const;
  await expectLoadRefusal(buildModel({ trainer }), expected);
});

test('error: a model that fails its own self test is refused', async () => {
  const sample = (expected: string): Bytes =>
    bytesField(4, bytesField(1, [...bytesField(1, utf8('ab')), ...bytesField(2, utf8(expected))]));
  const pieces = [{ piece: 'a' }, { piece: 'b' }];
  loadTokenizer(buildModel({ pieces, rest: sample('a b') }));
  await expectLoadRefusal(buildModel({ pieces, rest: sample('ab') }), {
    code: 'tokenizer-self-test',
    where: 'self_test_data.samples[0]',
    message: ['"a b"', '"ab"'],
    fix: 'damaged',
  });
});

test('error: a file of more than 64 MiB, and pieces too long to cut, are refused', async () => {
  const large = new Uint8Array(MAX_MODEL_BYTES + 1).fill(10);
  await expectLoadRefusal(large, {
    code: 'tokenizer-limit',
    where: 'size',
    fix: 'not its weights',
    // Some engines count the bytes of the input itself as late as here.
    withinBytes: 3 * MAX_MODEL_BYTES,
  });
  const long = Array.from({ length: 70 }, (_, index) => ({
    piece: 'a'.repeat(1000) + String(index).padStart(3, '0'),
  }));
  await expectLoadRefusal(withPieces(...long), { code: 'tokenizer-limit', where: 'pieces' });
});

test('law: whatever is done to a model file, it loads or is refused by name, and soon', () => {
  const model = readModel('unknown');
  const change = fc.record({ at: fc.nat(model.length - 1), byte: fc.nat(255) });
  const tail = fc.constantFrom<Bytes>([], BPE, floatField(1, 1), bytesField(2, BPE), [0x0a]);
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      tail,
      (changes, cut, end) => {
        const length = cut % 3 === 0 ? cut % model.length : model.length;
        const bytes = Uint8Array.from([...model.subarray(0, length), ...end]);
        for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
        const started = processorMs();
        try {
          const tokenizer = loadTokenizer(bytes);
          tokenizer.decode(tokenizer.encode('the river 你好 \n<s>'));
        } catch (error) {
          assert.ok(error instanceof BaichuanError, String(error));
        }
        assert.ok(processorMs() - started < 2000);
      },
    ),
    { seed: 1, numRuns: 400 },
  );
});

test.run();
