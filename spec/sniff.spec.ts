import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BaichuanError } from '../src/errors.ts';
import { type SniffOptions, sniffForeignFormat } from '../src/sniff.ts';

const test = suite('sniff');

/** Bytes written as a text of one character each. */
function sniff(text: string, options: Partial<SniffOptions> = {}): BaichuanError | undefined {
  const head = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const settings = { file: 'x.bin', expectedFormat: 'a safetensors file', size: head.length };
  return sniffForeignFormat(head, { ...settings, ...options });
}

const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:0123abcd\nsize 9976576152\n';

test('error: a Git LFS pointer is named with its oid and size, and how to get the file', () => {
  const error = sniff(LFS);
  assert.is(error?.code, 'io-lfs');
  assert.is(error?.file, 'x.bin');
  assert.is(error?.where, 'byte 0');
  assert.match(error?.message ?? '', /sha256:0123abcd of 9976576152 bytes/);
  assert.match(error?.message ?? '', `pointer of ${LFS.length} bytes`);
  assert.match(error?.fix ?? '', /git lfs pull/);
});

test('error: a Git LFS pointer that is cut off is still named', () => {
  assert.match(sniff(LFS.slice(0, 45))?.message ?? '', /oid unknown of unknown bytes/);
});

const PAGES = [
  '<!DOCTYPE html>\n<html>',
  '\n  <html lang="zh">',
  '<?xml version="1.0"?><Error>',
  '\u00ef\u00bb\u00bf<!doctype html>',
  '{"error":"Invalid credentials"}',
  '{\n  "version": "1.0"',
  '[{"id": 1}]',
  'Entry not found',
  'Invalid username or password.',
];
for (const page of PAGES) {
  test(`error: a page that begins ${JSON.stringify(page)} is shown by its first bytes`, () => {
    const error = sniff(page + ' '.repeat(300));
    assert.is(error?.code, 'io-html');
    assert.is(error?.where, 'byte 0');
    assert.match(error?.message ?? '', JSON.stringify(page.slice(0, 12)).slice(1, 8));
    assert.ok((error?.message ?? '').length < 400);
    assert.match(error?.fix ?? '', /Download the file again/);
  });
}

test('law: where JSON is expected a JSON text is no page', () => {
  assert.is(sniff('{"architectures": []}', { acceptsJson: true }), undefined);
  assert.is(sniff('<html>', { acceptsJson: true })?.code, 'io-html');
});

const MAGICS: [string, string][] = [
  ['gzip', '\u001f\u008b\u0008\u0000'],
  ['zip', 'PK\u0003\u0004\u002d\u0000'],
  ['7z', '7z\u00bc\u00af\u0027\u001c'],
  ['GGUF', 'GGUF\u0003\u0000\u0000\u0000'],
  ['GGML', 'lmgg\u0001'],
  ['pickle', '\u0080\u0002}q\u0000'],
  ['safetensors', '\u0008\u0000\u0000\u0000\u0000\u0000\u0000\u0000{      }'],
];
for (const [name, head] of MAGICS) {
  test(`error: ${name} is named, unless the caller accepts it`, () => {
    const error = sniff(head, { expectedFormat: 'a SentencePiece model' });
    assert.is(error?.code, 'io-magic');
    assert.is(error?.where, 'byte 0');
    assert.match(error?.message ?? '', `this is a ${name} file, not a SentencePiece model.`);
    assert.match(error?.fix ?? '', /convert this file first/);
    assert.is(sniff(head, { accepts: [name] }), undefined);
  });
}

test('error: an empty file has the code of the caller', () => {
  const error = sniff('', { emptyCode: 'tokenizer-empty' });
  assert.is(error?.code, 'tokenizer-empty');
  assert.is(error?.found, 0);
  assert.match(error?.fix ?? '', /Download/);
  assert.is(sniff('')?.code, 'io-magic');
});

test('law: bytes that look like none of them are left to the reader', () => {
  for (const head of ['\n\u000e\n\u0005<unk>', '\u0000\u0000', 'a text', '<unk>', '\u0080\u0002']) {
    assert.is(sniff(head), undefined);
  }
  // A length past the end of the file is no safetensors header.
  assert.is(sniff('\u0009\u0000\u0000\u0000\u0000\u0000\u0000\u0000{      }'), undefined);
});

test.run();
