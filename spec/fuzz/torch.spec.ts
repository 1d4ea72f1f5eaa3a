/** Archives, pickles and the state dicts in them, as no one wrote them. */
import { suite } from 'uvu';
import { addFuzzLaws } from '../support/fuzz/laws.ts';

const torch = suite('fuzz/torch');

addFuzzLaws(torch, 'torch');

torch.run();
