/** Tokenizers and GGUF models, as no one wrote them. */
import { suite } from 'uvu';
import { addFuzzLaws } from '../support/fuzz/laws.ts';

const model = suite('fuzz/model');

addFuzzLaws(model, 'model');

model.run();
