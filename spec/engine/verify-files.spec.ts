import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { verifyModel } from '../../src/index.ts';
import { openFolder } from '../../src/platform/node-folder.ts';
import { createSha256 } from '../../src/platform/sha256.ts';
import { torchCheckpoint } from '../support/checkpoint-files.ts';
import { convertedFiles, ropeFolder } from '../support/conversions.ts';
import { GOLDENS } from '../support/goldens.ts';
import { memoryFolder, utf8 } from '../support/model-files.ts';
import { scratchPath } from '../support/scratch-files.ts';

const verify = suite('verify-files');

const files = await convertedFiles(ropeFolder());
const check = async (source: Folder) => {
  const { problems, files: found } = await verifyModel(source, { createSha256 });
  const names = found.map(({ name }) => name);
  return { names, problems: problems.map(({ code, file }) => `${code} ${file}`) };
};

verify('law: .bin files of other programs are hashed, and checked where they are zip', async () => {
  const others = { 'words.bin': utf8('words'), 'x.pt': utf8(''), 'pytorch_model.bin': utf8('P') };
  const { names, problems } = await check(memoryFolder({ ...files, ...others }));
  assert.equal(problems, []);
  assert.ok(Object.keys(others).every((name) => names.includes(name)));
  const [golden] = GOLDENS;
  const cut = { 'training_args.bin': torchCheckpoint(golden).slice(0, 5000) };
  const found = await check(memoryFolder({ ...files, ...cut }));
  assert.equal(found.problems, ['zip-eocd folder/training_args.bin']);
});

verify('error: the weights of the model are zip files, whatever else hinders opening', async () => {
  const { problems } = await check(memoryFolder({ 'pytorch_model.bin': utf8('words') }));
  assert.equal(problems, ['directory-missing folder', 'zip-eocd folder/pytorch_model.bin']);
});

verify('law: a folder that has the name of a file is passed over', async () => {
  const path = scratchPath('with-folder');
  mkdirSync(join(path, 'x.bin'), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  const { names, problems } = await check(openFolder(path));
  assert.equal(problems, []);
  assert.equal(names, Object.keys(files).sort());
});

verify.run();
