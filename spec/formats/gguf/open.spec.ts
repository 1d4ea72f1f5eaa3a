import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { openGguf } from '../../../src/formats/gguf/open.ts';
import {
  dropPair,
  type RawGguf,
  SMALL,
  SMALL_PIECES,
  setPair,
  smallModel,
  smallPairs,
  string,
  uint,
} from '../../support/gguf-files.ts';
import { FILE, openBytes, openEdited, refuseModel } from '../../support/gguf-models.ts';
import { SOURCE_KINDS } from '../../support/model-files.ts';

const gguf = suite('gguf-open');

gguf('law: the kind of source and the size of its pieces make no difference', async () => {
  const bytes = smallModel();
  const contentOf = async (model: Awaited<ReturnType<typeof openBytes>>) => {
    const content: unknown[] = [model.config, model.vocabulary];
    for (const [name, tensor] of model.checkpoint.tensors) {
      content.push(name, tensor.dtype, await tensor.read(0, tensor.byteLength));
    }
    return content;
  };
  const expected = await contentOf(await openBytes(bytes));
  for (const make of Object.values(SOURCE_KINDS)) {
    const model = await openGguf([await make(FILE, bytes)]);
    assert.equal(await contentOf(model), expected);
    await model.checkpoint.close();
  }
});

gguf('law: closing the checkpoint closes its file, and so does a failure to open', async () => {
  const closed: string[] = [];
  const watched = (name: string, bytes: Uint8Array) => {
    const inner = bufferSource(name, bytes);
    return { ...inner, close: async () => void closed.push(name) };
  };
  const { checkpoint } = await openGguf([watched('good', smallModel())]);
  await checkpoint.close();
  await openGguf([watched('bad', smallModel().slice(0, -1))]).catch(() => undefined);
  assert.equal(closed, ['good', 'bad']);
});

gguf('law: GG26 a chat template is not used, and that is said', async () => {
  const template = '{% for i in range(10**9) %}{{ cycler.__init__.__globals__ }}{% endfor %}';
  const { checkpoint } = await openEdited((file) => {
    file.pairs.push(string('tokenizer.chat_template', template));
  });
  assert.match(checkpoint.notices.join('\n'), /chat template, which is not used/);
});

gguf('law: a file without a vocabulary opens without one', async () => {
  const { vocabulary } = await openEdited((file) => {
    file.pairs = file.pairs.filter(({ key }) => !String(key).startsWith('tokenizer.'));
  });
  assert.is(vocabulary, undefined);
});

gguf('error: GG18 other architectures', async () => {
  const code = 'gguf-architecture';
  const where = 'general.architecture';
  for (const name of ['llama', 'baichuan2', 'Baichuan', '']) {
    const edit = (file: RawGguf) => setPair(file, string('general.architecture', name));
    await refuseModel(edit, { code, where, found: JSON.stringify(name), expected: 'baichuan' });
  }
  await refuseModel((file) => dropPair(file, where), { code, where, found: 'nothing' });
  const number = (file: RawGguf) => setPair(file, uint('general.architecture', 3));
  await refuseModel(number, { code, where, found: '3' });
});

gguf('error: GG21 a vocabulary whose parts do not fit', async () => {
  const code = 'gguf-vocabulary';
  const longer = smallPairs([...SMALL_PIECES, { piece: 'cd', score: -1, type: 1 }]);
  for (const name of ['tokens', 'scores', 'token_type']) {
    const key = `tokenizer.ggml.${name}`;
    const other = longer.find((one) => one.key === key);
    assert.ok(other);
    await refuseModel((file) => setPair(file, other), { code, message: '261' });
    const where = key;
    await refuseModel((file) => setPair(file, uint(key, 1)), {
      code,
      where,
      message: 'an array of',
    });
    if (name !== 'tokens') await refuseModel((file) => dropPair(file, key), { code, where });
  }
  const gpt = (file: RawGguf) => setPair(file, string('tokenizer.ggml.model', 'gpt2'));
  await refuseModel(gpt, { code, where: 'tokenizer.ggml.model', message: 'SentencePiece' });
  const far = (file: RawGguf) => setPair(file, uint('tokenizer.ggml.bos_token_id', SMALL.V));
  await refuseModel(far, { code, where: 'bos_token_id', message: '0 to 259' });
  const flag = (file: RawGguf) => setPair(file, uint('tokenizer.ggml.add_space_prefix', 0));
  await refuseModel(flag, { code, where: 'add_space_prefix', message: 'true or false' });
});

gguf.run();
