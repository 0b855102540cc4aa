// From probabilities to a mask at the image's own size, as inference.masks.postprocess does.

import { columns, rows } from "./pixels.js";

/**
 * @param {Float32Array} probability size * size values in [0, 1].
 * @param {{size: number, largest_region: boolean, fill_holes: boolean}} contract
 * @param {number} threshold a pixel is lesion if its probability is above it.
 * @returns {{pixels: Uint8Array, width: number, height: number}} 0 or 1, at the image's own size; bilinear as OpenCV's, in float32.
 */
export function makeMask(probability, contract, threshold, width, height) {
  const { size } = contract;
  const [x, y] = [columns(size, width), rows(size, height)];
  const pixels = new Uint8Array(width * height);
  const limit = Math.fround(threshold);
  const lines = [-1, -1].map((row) => ({ row, values: new Float32Array(width) }));
  const stretch = (row, spare) => {
    // Neighbouring rows of the mask lie between the same two rows of the map.
    const known = lines.find((line) => line.row === row);
    if (known) return known.values;
    const line = lines.find((other) => other.row !== spare);
    line.row = row;
    for (let to = 0; to < width; to++) {
      const [a, b] = [probability[row * size + x.first[to]], probability[row * size + x.second[to]]];
      const left = Math.fround(a * Math.fround(1 - x.part[to]));
      line.values[to] = left + Math.fround(b * x.part[to]);
    }
    return line.values;
  };
  for (let to = 0; to < height; to++) {
    const upper = stretch(y.first[to], y.second[to]);
    const lower = stretch(y.second[to], y.first[to]);
    const [above, below] = [Math.fround(1 - y.part[to]), y.part[to]];
    for (let column = 0; column < width; column++) {
      const sum = Math.fround(upper[column] * above) + Math.fround(lower[column] * below);
      if (Math.fround(sum) > limit) pixels[to * width + column] = 1;
    }
  }
  const mask = { pixels, width, height };
  if (contract.largest_region) keepLargestRegion(mask);
  if (contract.fill_holes) fillHoles(mask);
  return mask;
}

/** Keeps the largest 8-connected region; of two equally large ones the upper, then the one further left. */
function keepLargestRegion({ pixels, width, height }) {
  const runs = findRuns(pixels, width, height, 1);
  const regions = joinRuns(runs, height, 1);
  const areas = new Map();
  runs.forEach(({ start, end }, at) => {
    areas.set(regions[at], (areas.get(regions[at]) ?? 0) + end - start);
  });
  const largest = [...areas].reduce((best, other) => (other[1] > best[1] ? other : best), [-1, 0])[0];
  runs.forEach(({ row, start, end }, at) => {
    if (regions[at] !== largest) pixels.fill(0, row * width + start, row * width + end);
  });
}

/** Fills holes: 4-connected regions of background that do not reach the image's edge. */
function fillHoles({ pixels, width, height }) {
  const runs = findRuns(pixels, width, height, 0);
  const regions = joinRuns(runs, height, 0);
  const outside = new Set();
  runs.forEach(({ row, start, end }, at) => {
    if (row === 0 || row === height - 1 || start === 0 || end === width) outside.add(regions[at]);
  });
  runs.forEach(({ row, start, end }, at) => {
    if (!outside.has(regions[at])) pixels.fill(1, row * width + start, row * width + end);
  });
}

/** The runs of a value, in the order of reading: {row, start, end}, end not included. */
function findRuns(pixels, width, height, value) {
  const runs = [];
  for (let row = 0; row < height; row++) {
    const line = pixels.subarray(row * width, (row + 1) * width);
    for (let start = line.indexOf(value); start >= 0; ) {
      const other = line.indexOf(1 - value, start);
      const end = other < 0 ? width : other;
      runs.push({ row, start, end });
      start = other < 0 ? -1 : line.indexOf(value, end);
    }
  }
  return runs;
}

/** Joins runs of neighbouring rows that touch; `diagonal` is 1 if corners count. Each one's first run. */
function joinRuns(runs, height, diagonal) {
  const parent = runs.map((_, at) => at);
  const find = (at) => {
    while (parent[at] !== at) at = parent[at] = parent[parent[at]];
    return at;
  };
  let [above, before] = [0, 0]; // the first run of the row above that can touch; of this row
  runs.forEach(({ row, start, end }, at) => {
    if (at === 0 || runs[at - 1].row !== row) [above, before] = [before, at];
    while (above < before && (runs[above].row < row - 1 || runs[above].end + diagonal <= start)) above++;
    for (let other = above; other < before && runs[other].start < end + diagonal; other++) {
      const [a, b] = [find(at), find(other)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  });
  return parent.map((_, at) => find(at));
}

/**
 * Measures of a mask in pixels, as inference.masks.morphometry has them.
 *
 * @returns {{area: number, share: number, equivalent: number, largest: number, touches: boolean}}
 *   area; its share of the frame; diameter of the disc of the same area; largest diameter; whether the
 *   lesion reaches the edge of the frame.
 */
export function measure({ pixels, width, height }) {
  const runs = findRuns(pixels, width, height, 1);
  const area = runs.reduce((sum, { start, end }) => sum + end - start, 0);
  const ends = runs.flatMap(({ row, start, end }) => [[start, row], [end - 1, row]]);
  const corners = hull(ends);
  let largest = 0;
  for (const [ax, ay] of corners) {
    for (const [bx, by] of corners) largest = Math.max(largest, Math.hypot(ax - bx, ay - by));
  }
  const touches = runs.some(
    ({ row, start, end }) => row === 0 || row === height - 1 || start === 0 || end === width,
  );
  return {
    area,
    share: area / pixels.length,
    equivalent: 2 * Math.sqrt(area / Math.PI),
    largest: area ? largest + 1 : 0,
    touches,
  };
}

/** Corners of the convex hull of points sorted by row (Andrew's monotone chain). */
function hull(points) {
  const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  const chain = (ordered) => {
    const kept = [];
    for (const point of ordered) {
      while (kept.length > 1 && turn(kept.at(-2), kept.at(-1), point) <= 0) kept.pop();
      kept.push(point);
    }
    return kept;
  };
  const sorted = [...points].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  return [...chain(sorted), ...chain(sorted.reverse())];
}
