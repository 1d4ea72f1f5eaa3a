/** Draws the attention maps of the chosen head, and reads out the cell that is pointed at. */

import type { AttentionData } from '../data.ts';
import { byId, css } from './page.ts';

type Side = 'expected' | 'found' | 'difference';
const SIDES: readonly Side[] = ['expected', 'found', 'difference'];

type Color = readonly [number, number, number];

/** Colours of a scale, from its low end to its high end. */
const SCALES = {
  light: {
    probability: ['#f4f6f9', '#9cc3e6', '#3b7fc4', '#123f7a', '#0b1e3d'],
    difference: ['#123f7a', '#5590c9', '#b9d3ec', '#f4f6f9', '#f3bfae', '#de6a52', '#8e1b14'],
  },
  dark: {
    probability: ['#1d2530', '#214d78', '#3a82c0', '#8cc4ee', '#f2f8ff'],
    difference: ['#8cc4ee', '#3a82c0', '#22405c', '#1d2530', '#5d2f28', '#c95c49', '#ffb3a4'],
  },
};

/** Starts the maps of a page. */
export function startMaps(data: AttentionData): void {
  const maps = new Map<Side, Uint8Array>();
  for (const side of SIDES) {
    const text = data[side];
    if (text !== undefined) maps.set(side, bytesOf(text));
  }
  const state = { chosen: data.chosen, cell: undefined as number | undefined };
  const layers = byId('attention-layer', 'select');
  const heads = byId('attention-head', 'select');
  const draw = () => {
    for (const [side, bytes] of maps) {
      const canvas = byId(`map-${side}`, 'canvas');
      drawMap(canvas, { side, bytes, cells: data.cells, head: state.chosen });
      frameCell(canvas, data.cells, state.cell);
    }
    byId('attention-readout', 'p').textContent = readout(data, maps, state);
  };
  const choose = (index: number) => {
    state.chosen = (index + data.places.length) % data.places.length;
    const [layer, head] = data.places[state.chosen];
    layers.value = String(layer);
    fillHeads(heads, data, layer);
    heads.value = String(head);
    draw();
    drawHeads(data, maps, state.chosen, choose);
  };
  const find = (layer: number, head?: number) =>
    data.places.findIndex(([l, h]) => l === layer && (head === undefined || h === head));
  layers.addEventListener('change', () => {
    const layer = Number(layers.value);
    // The same head of the other layer, where it is embedded.
    const same = find(layer, Number(heads.value));
    choose(same < 0 ? find(layer) : same);
  });
  heads.addEventListener('change', () => choose(find(Number(layers.value), Number(heads.value))));
  const step = (by: number) => () => choose(state.chosen + by);
  byId('attention-previous', 'button').addEventListener('click', step(-1));
  byId('attention-next', 'button').addEventListener('click', step(1));
  for (const side of maps.keys()) {
    listen(byId(`map-${side}`, 'canvas'), data.cells, state, draw);
  }
  paintScales();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    paintScales();
    choose(state.chosen);
  });
  choose(data.chosen);
}

interface State {
  chosen: number;
  cell: number | undefined;
}

function fillHeads(select: HTMLSelectElement, { places }: AttentionData, layer: number): void {
  const options = places
    .filter(([other]) => other === layer)
    .map(([, head]) => new Option(String(head), String(head)));
  select.replaceChildren(...options);
}

/** Pointer and arrow keys move the cell that is read out. */
function listen(canvas: HTMLCanvasElement, cells: number, state: State, draw: () => void): void {
  const move = (row: number, column: number) => {
    const inside = (x: number) => Math.max(0, Math.min(cells - 1, x));
    state.cell = inside(row) * cells + inside(column);
    draw();
  };
  canvas.addEventListener('pointermove', (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * cells);
    move(row, Math.floor(((event.clientX - box.left) / box.width) * cells));
  });
  canvas.addEventListener('keydown', (event) => {
    const steps: Record<string, readonly [number, number]> = {
      ...{ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
    };
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const cell = state.cell ?? 0;
    move(Math.floor(cell / cells) + by[0], (cell % cells) + by[1]);
  });
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

interface HeadMap {
  readonly side: Side;
  /** Of all heads. */
  readonly bytes: Uint8Array;
  readonly cells: number;
  readonly head: number;
}

/** Fills a canvas with the map of a head, in squares large enough for a frame around one. */
function drawMap(canvas: HTMLCanvasElement, map: HeadMap, pixels = 480): void {
  const { side, bytes, cells, head } = map;
  const zoom = Math.max(1, Math.ceil(pixels / cells));
  canvas.width = cells * zoom;
  canvas.height = cells * zoom;
  const context = canvas.getContext('2d');
  if (context === null) return;
  const colors = colorTable(side === 'difference' ? 'difference' : 'probability');
  const start = head * cells * cells;
  for (let cell = 0; cell < cells * cells; cell++) {
    context.fillStyle = colors[bytes[start + cell]];
    const [row, column] = [Math.floor(cell / cells), cell % cells];
    context.fillRect(column * zoom, row * zoom, zoom, zoom);
  }
}

function frameCell(canvas: HTMLCanvasElement, cells: number, cell: number | undefined): void {
  const context = canvas.getContext('2d');
  if (context === null || cell === undefined) return;
  const zoom = canvas.width / cells;
  const [row, column] = [Math.floor(cell / cells), cell % cells];
  context.strokeStyle = css('--text');
  context.lineWidth = 2;
  context.strokeRect(column * zoom + 1, row * zoom + 1, zoom - 2, zoom - 2);
}

/** Small maps of all heads of the layer that is shown, to choose from. */
function drawHeads(
  { places, cells }: AttentionData,
  maps: ReadonlyMap<Side, Uint8Array>,
  chosen: number,
  choose: (index: number) => void,
): void {
  const side = SIDES.findLast((candidate) => maps.has(candidate));
  const bytes = side && maps.get(side);
  if (side === undefined || bytes === undefined) return;
  const heads = byId('attention-heads', 'div');
  const buttons = places.flatMap(([layer, head], index) => {
    if (layer !== places[chosen][0]) return [];
    const button = document.createElement('button');
    const canvas = document.createElement('canvas');
    drawMap(canvas, { side, bytes, cells, head: index }, 64);
    button.type = 'button';
    button.append(canvas, String(head));
    button.ariaLabel = `head ${head}`;
    button.ariaPressed = String(index === chosen);
    button.addEventListener('click', () => {
      choose(index);
      // The buttons are new: the focus stays with the head.
      heads.querySelector<HTMLElement>('[aria-pressed="true"]')?.focus();
    });
    return [button];
  });
  heads.replaceChildren(...buttons);
}

/** A colour for every byte. */
function colorTable(scale: 'probability' | 'difference'): string[] {
  const stops = stopsOf(scale).map(parseColor);
  return Array.from({ length: 256 }, (_, byte) => {
    const at = (byte / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    const mix = (channel: 0 | 1 | 2) =>
      Math.round(
        stops[low][channel] + (at - low) * (stops[low + 1][channel] - stops[low][channel]),
      );
    return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`;
  });
}

function stopsOf(scale: 'probability' | 'difference'): readonly string[] {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  return SCALES[isDark ? 'dark' : 'light'][scale];
}

function parseColor(text: string): Color {
  const channel = (at: number) => Number.parseInt(text.slice(at, at + 2), 16);
  return [channel(1), channel(3), channel(5)];
}

function paintScales(): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-scale]')) {
    const scale = element.dataset['scale'] === 'difference' ? 'difference' : 'probability';
    element.style.background = `linear-gradient(to right, ${stopsOf(scale).join(', ')})`;
  }
}

/** What the cell that is pointed at says. */
function readout(data: AttentionData, maps: ReadonlyMap<Side, Uint8Array>, state: State): string {
  const { cells, block, places, labels } = data;
  const [layer, head] = places[state.chosen];
  const place = `Layer ${layer}, head ${head}`;
  if (state.cell === undefined) return `${place}.`;
  const [row, column] = [Math.floor(state.cell / cells), state.cell % cells];
  const at = state.chosen * cells * cells + state.cell;
  const values = [...maps].map(([side, bytes]) =>
    side === 'difference' ? differenceWords(bytes[at]) : `${side} ${probabilityWords(bytes[at])}`,
  );
  const name = (index: number) => `${labels[index]} (${index * block})`;
  return `${place}: ${name(row)} looks at ${name(column)}: ${values.join(', ')}.`;
}

function probabilityWords(byte: number): string {
  const p = (byte / 255) * (byte / 255);
  return `≈ ${p.toFixed(3)}`;
}

function differenceWords(byte: number): string {
  if (byte === 128) return 'the same bits';
  const n = Math.abs(byte - 128);
  const exponent = Math.min(0, Math.round((n - 127) / 14));
  const sign = byte < 128 ? '−' : '+';
  return n === 1 ? 'difference at most 10^−9' : `difference about ${sign}10^${exponent}`;
}
