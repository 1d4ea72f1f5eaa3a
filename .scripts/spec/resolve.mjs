/** Module resolution in a spec process: `uvu` means the recording one, except to itself. */

const RECORDER = new URL('./uvu.mjs', import.meta.url).href;

/** @type {import('node:module').ResolveHook} */
export function resolve(specifier, context, nextResolve) {
  if (specifier === 'uvu' && context.parentURL !== RECORDER) {
    return { url: RECORDER, format: 'module', shortCircuit: true };
  }
  return nextResolve(specifier, context);
}
