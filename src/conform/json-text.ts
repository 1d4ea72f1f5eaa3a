/** JSON of values with numbers that JSON does not have: they are the texts `NaN`, `Infinity` and
 *  `-Infinity`. */

/** The JSON text of a value. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, field) =>
    typeof field === 'number' && !Number.isFinite(field) ? String(field) : field,
  );
}
