/** Filters the rows of the tensor table by name and verdict. */

import { byId } from './page.ts';

/** Starts the filter of a page that has the table. */
export function startTensorFilter(): void {
  if (document.getElementById('tensor-table') === null) return;
  const rows = [...byId('tensor-table', 'table').tBodies[0].rows];
  const faults = byId('tensor-faults', 'input');
  const filter = byId('tensor-filter', 'input');
  const apply = () => {
    const text = filter.value.trim().toLowerCase();
    for (const row of rows) {
      const isNamed = (row.cells[0].textContent ?? '').toLowerCase().includes(text);
      row.hidden = !isNamed || (faults.checked && row.className === 'within');
    }
    const shown = rows.filter((row) => !row.hidden).length;
    byId('tensor-count', 'span').textContent = `${shown} of ${rows.length}`;
  };
  for (const input of [faults, filter]) input.addEventListener('input', apply);
  // A link to a row that is filtered out shows it again.
  addEventListener('hashchange', () => {
    const target = rows.find((row) => `#${row.id}` === location.hash);
    if (target?.hidden !== true) return;
    faults.checked = false;
    filter.value = '';
    apply();
    target.scrollIntoView({ block: 'center' });
  });
  byId('tensor-controls', 'div').hidden = false;
  apply();
}
