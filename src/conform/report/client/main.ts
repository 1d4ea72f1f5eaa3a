/** The script of a report: reads the embedded data and starts what the page has. */

import type { ReportData } from '../data.ts';
import { startLens } from './lens.ts';
import { startMaps } from './maps.ts';
import { startTensorFilter } from './tensors.ts';

const text = document.getElementById('report-data')?.textContent ?? '{}';
const data = JSON.parse(text) as ReportData;
startTensorFilter();
if (data.attention !== undefined) startMaps(data.attention);
if (data.lens !== undefined) startLens(data.lens);
