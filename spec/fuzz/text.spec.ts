/** JSON, and the formats whose headers are JSON, as no one wrote them. */
import { suite } from 'uvu';
import { addFuzzLaws } from '../support/fuzz/laws.ts';

const text = suite('fuzz/text');

addFuzzLaws(text, 'text');

text.run();
