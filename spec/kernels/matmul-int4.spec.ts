/** int4 matrix products against their mirror, in every build that this runtime can run. */

import { suite } from 'uvu';
import { addIntegerLaws, INT4 } from '../support/integer-matmul.ts';

const spec = suite('matmul-int4');
addIntegerLaws(spec, INT4);
spec.run();
