/** Elementary functions of our own, the same bits on every JavaScript engine: `Math.exp`,
 *  `Math.sin`, `Math.cos`, `Math.log` and `Math.pow` are not, and are used nowhere in `src/`. */
export { exp } from './exp.ts';
export { exp32 } from './exp32.ts';
export { log } from './log.ts';
export { pow } from './pow.ts';
export { cos, sin } from './sin-cos.ts';
