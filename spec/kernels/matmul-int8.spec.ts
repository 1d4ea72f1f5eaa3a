/** int8 matrix products against their mirror, in every build that this runtime can run. */

import { suite } from 'uvu';
import { addIntegerLaws, INT8 } from '../support/integer-matmul.ts';

const spec = suite('matmul-int8');
addIntegerLaws(spec, INT8);
spec.run();
