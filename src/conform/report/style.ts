/** The style sheet of reports: light and dark as the system says, no font or image from afar. */

import { type Markup, trusted } from './markup.ts';

const COLORS = `
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1c2330; --soft: #5b6675; --line: #dfe3e9;
  --faint: #eceff3; --link: #1f5fa8; --good: #1a7f4b; --good-page: #e5f5ec;
  --bad: #c22f2f; --bad-page: #fdeaea; --warn: #8a5a00; --warn-page: #fdf3dc;
  --norm: #7a5ba8; --attention: #2f6db3; --mlp: #b8681b; --stream: #26867a; --bar: #1c2330;
  --level-0: #eef1f5; --level-1: #d5e5f5; --level-2: #abcbe9; --level-3: #7eadda;
  --level-4: #5590c9; --level-5: #f0a58f; --level-6: #de6a52; --level-7: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1a2029; --text: #e4e8ee; --soft: #9aa5b4; --line: #313a47;
  --faint: #232b36; --link: #7db4f0; --good: #5fd39a; --good-page: #16301f;
  --bad: #ff8276; --bad-page: #3b1d1d; --warn: #f0c26a; --warn-page: #362a12;
  --norm: #b79ae6; --attention: #6aa9ee; --mlp: #eda45c; --stream: #55c7b8; --bar: #e4e8ee;
  --level-0: #242c37; --level-1: #21405f; --level-2: #2a5c8c; --level-3: #3a7bb8;
  --level-4: #5b9bd8; --level-5: #7d3f33; --level-6: #bf5240; --level-7: #ff7a66; } }`;

const LAYOUT = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC',
    'PingFang SC', 'Microsoft YaHei', sans-serif; }
main, header.top { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header.top { padding-top: 28px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 0 0 4px; }
h2 + p.about { margin-top: 0; }
p { margin: 6px 0; }
.about, figcaption, .soft { color: var(--soft); font-size: 13.5px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin: 16px 0; scroll-margin-top: 12px; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
code, .mono, td.number, .token { font-family: ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo,
  Consolas, 'Noto Sans Mono CJK SC', 'Noto Sans CJK SC', monospace; font-size: 13px; }
code { overflow-wrap: anywhere; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0;
  margin: 12px 0 0; font-size: 14px; }
.verdict { display: flex; gap: 16px; align-items: flex-start; padding-left: 14px;
  border-left: 6px solid var(--good); margin: 8px 0 18px; }
.verdict.fail { border-left-color: var(--bad); }
.verdict .word { font-size: 24px; font-weight: 700; color: var(--good); line-height: 1.25; }
h3 { font-size: 14px; margin: 18px 0 0; }
h3 + dl.facts { margin-top: 8px; }
.verdict.fail .word { color: var(--bad); }
.verdict .lead { font-size: 17px; margin: 2px 0 0; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr));
  gap: 10px 22px; margin: 14px 0 0; }
dl.facts div { min-width: 0; }
dl.facts .wide { grid-column: span 2; }
dt { color: var(--soft); font-size: 12.5px; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 18px; }
figure { margin: 0; min-width: 0; }
footer { max-width: 1120px; margin: 0 auto; padding: 4px 20px 40px; color: var(--soft);
  font-size: 13px; }
@media (max-width: 560px) { main, header.top { padding-inline: 10px; }
  section { padding: 14px 12px; } dl.facts .wide { grid-column: auto; } }`;

const PLOTS = `
svg.plot { display: block; width: 100%; height: auto; }
.scroll svg.plot { min-width: 680px; }
svg text { fill: var(--text); font-size: 12px; }
svg .tick, svg .axis { fill: var(--soft); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--faint); stroke-width: 1; }
.grid.zero { stroke: var(--line); stroke-dasharray: 2 3; }
path.bar { fill: none; stroke: var(--bar); stroke-width: 1.3; opacity: 0.75; }
.point { stroke: var(--card); stroke-width: 0.5; }
.point.norm { fill: var(--norm); } .point.attention { fill: var(--attention); }
.point.mlp { fill: var(--mlp); } .point.stream { fill: var(--stream); }
.point.beyond, .dot.beyond { fill: var(--bad); fill-opacity: 1; }
.halo { fill: none; stroke: var(--bad); stroke-width: 1.6; }
.dot { fill: var(--attention); fill-opacity: 0.5; }
.diagonal { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; }
.curve { fill: none; stroke-width: 2; } .curve.norm { stroke: var(--norm); }
.curve.attention { stroke: var(--attention); } .curve.mlp { stroke: var(--mlp); }
.curve.stream { stroke: var(--stream); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0;
  margin: 6px 0 0; color: var(--soft); font-size: 13px; }
.legend svg { height: 12px; vertical-align: -1px; }
.cell.axes, .cell.missing, .cell.not-recorded { fill: none; stroke: var(--line);
  stroke-dasharray: 2 2; }
.cell.axes, .cell.missing { stroke: var(--bad); }
${[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `.level-${n} { fill: var(--level-${n}); }`).join('\n')}`;

const TABLES = `
.scroll { overflow: auto; max-height: 520px; border: 1px solid var(--line); border-radius: 8px;
  margin-top: 10px; }
.scroll.plain { max-height: none; border: 0; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { position: sticky; top: 0; background: var(--card); text-align: left; color: var(--soft);
  font-weight: 600; font-size: 12.5px; box-shadow: inset 0 -1px var(--line); z-index: 1; }
th, td { padding: 4px 10px; white-space: nowrap; }
th.number { text-align: right; }
td { border-top: 1px solid var(--faint); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.words { white-space: normal; min-width: 260px; overflow-wrap: anywhere; }
tr:target td { background: var(--warn-page); }
tr.beyond td, tr.axes td, tr.missing td { background: var(--bad-page); }
tr.beyond:target td { background: var(--warn-page); }
.badge { display: inline-block; border-radius: 99px; padding: 0 9px; font-size: 12.5px;
  background: var(--faint); color: var(--soft); }
.badge.bad { background: var(--bad-page); color: var(--bad); font-weight: 600; }
.badge.good { background: var(--good-page); color: var(--good); }
.badge.warn { background: var(--warn-page); color: var(--warn); }
.token { background: var(--faint); border-radius: 4px; padding: 1px 5px; white-space: pre; }
.likeness { display: grid; grid-template-columns: 210px 1fr; gap: 4px 18px;
  align-items: baseline; margin: 10px 0 0; }
.likeness > div { display: grid; grid-template-columns: 1fr 62px; gap: 10px; align-items: center;
  text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.likeness code { font-weight: 600; margin-right: 6px; }
meter { width: 100%; height: 14px; }
@media (max-width: 640px) { .likeness { grid-template-columns: 1fr; } }
.likeness p { margin: 0; }`;

const CONTROLS = `
.controls { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 10px 0; }
.controls label { font-size: 13.5px; color: var(--soft); }
select, input, button { font: inherit; font-size: 14px; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; }
button { cursor: pointer; } button:hover { background: var(--faint); }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 18px; }
.maps figure:only-child { max-width: 520px; }
.heads { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 6px; }
.heads button { width: 72px; padding: 4px; text-align: center; font-size: 12px; }
.heads button[aria-pressed='true'] { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
.heads canvas { cursor: pointer; }
canvas { width: 100%; aspect-ratio: 1; image-rendering: pixelated; background: var(--faint);
  border-radius: 4px; display: block; cursor: crosshair; touch-action: none; }
.readout { min-height: 3.1em; font-size: 13.5px; margin-top: 10px; }
.scale { height: 9px; border-radius: 4px; margin-top: 8px; }
.scale-ends { display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; }
table.lens { width: auto; margin: 0 4px 4px 0; }
table.lens td, table.lens th { padding: 2px; text-align: center; }
table.lens th { padding: 2px 6px; }
table.lens th[scope='row'] { position: sticky; left: 0; text-align: right; z-index: 2; }
table.lens td { border: 0; }
table.lens .guess { display: block; width: 100%; min-width: 68px; border: 0; border-radius: 4px;
  padding: 2px 6px; white-space: pre; overflow: hidden; max-width: 120px; text-overflow: ellipsis;
  background: var(--faint); color: var(--text); cursor: pointer; }
table.lens .guess.p-4 { color: #0b1420; }
table.lens .guess[aria-pressed='true'] { outline: 2px solid var(--text); outline-offset: -1px; }
${[1, 2, 3, 4].map((n) => `table.lens .guess.p-${n} { background: var(--level-${n}); }`).join('\n')}
.guesses { display: grid; grid-template-columns: max-content 1fr max-content; gap: 4px 12px;
  align-items: center; max-width: 620px; margin-top: 8px; font-size: 13.5px; }
[hidden] { display: none !important; }
@media print { body { background: #fff; } .scroll { max-height: none; }
  .controls { display: none; } }`;

/** All rules. */
export const STYLE: Markup = trusted([COLORS, LAYOUT, PLOTS, TABLES, CONTROLS].join('\n'));
