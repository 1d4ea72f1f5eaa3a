/** Shows the likeliest tokens of the cell of the logit lens that is chosen. */

import type { LensData, LensGuess } from '../data.ts';
import { byId } from './page.ts';

/** Starts the lens: cells are buttons, and arrow keys go from one to the next. */
export function startLens(data: LensData): void {
  const table = byId('lens-table', 'table');
  const cells = [...table.querySelectorAll<HTMLButtonElement>('button.guess')];
  const width = data.tokens.length;
  const choose = (index: number) => {
    cells.forEach((cell, i) => {
      cell.tabIndex = i === index ? 0 : -1;
      cell.setAttribute('aria-pressed', String(i === index));
    });
    show(data, Math.floor(index / width), index % width);
  };
  cells.forEach((cell, index) => {
    cell.addEventListener('click', () => choose(index));
  });
  table.addEventListener('keydown', (event) => {
    const steps: Record<string, number> = {
      ...{ ArrowUp: -width, ArrowDown: width, ArrowLeft: -1, ArrowRight: 1 },
    };
    const by = steps[event.key];
    const index = event.target instanceof HTMLButtonElement ? cells.indexOf(event.target) : -1;
    const next = cells[index + (by ?? 0)];
    if (by === undefined || index < 0 || next === undefined) return;
    event.preventDefault();
    next.focus();
    choose(index + by);
  });
  // The answer of the whole model to the whole prompt.
  choose(cells.length - 1);
  const region = table.parentElement;
  if (region !== null) region.scrollLeft = region.scrollWidth;
}

function show({ layers, tokens, guesses }: LensData, row: number, position: number): void {
  byId('lens-place', 'p').textContent = `After ${tokens[position]}, read from ${layers[row]}:`;
  const list = byId('lens-guesses', 'div');
  list.replaceChildren(...guesses[row][position].flatMap(guessElements));
}

function guessElements({ token, probability }: LensGuess): HTMLElement[] {
  const name = document.createElement('span');
  name.className = 'token';
  name.textContent = token;
  const bar = document.createElement('meter');
  bar.max = 1;
  bar.value = probability;
  bar.ariaLabel = `probability of ${token}`;
  const number = document.createElement('span');
  number.className = 'mono';
  number.textContent = `${(100 * probability).toFixed(2)} %`;
  return [name, bar, number];
}
