// node segment.mjs model.onnx photo.png mask.png
// npm install onnxruntime-web pngjs

import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { PNG } from "pngjs";

const [model, photo, target] = process.argv.slice(2);
const file = readFileSync(model);
const contract = JSON.parse(readEntry(file, "contract"));
const { size } = contract;

const image = PNG.sync.read(readFileSync(photo)); // RGBA
const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
const pixels = new ort.Tensor("uint8", squash(image, size), [1, size, size, 3]);
const { probability } = await session.run({ image: pixels });

const mask = new PNG({ width: image.width, height: image.height });
for (let y = 0; y < mask.height; y++) {
  for (let x = 0; x < mask.width; x++) {
    const value = sample(probability.data, size, x, y, mask) > contract.threshold ? 255 : 0;
    mask.data.set([value, value, value, 255], 4 * (y * mask.width + x));
  }
}
if (contract.largest_region) keepLargest(mask);
if (contract.fill_holes) fillHoles(mask);
writeFileSync(target, PNG.sync.write(mask, { colorType: 0 }));

/** An entry of an ONNX file's metadata, which the JavaScript API does not show: key, length, value. */
function readEntry(bytes, key) {
  const tags = Buffer.from([0x0a, key.length, ...Buffer.from(key), 0x12]);
  let at = bytes.indexOf(tags) + tags.length;
  let length = 0;
  for (let shift = 0, byte = 128; byte & 128; shift += 7) {
    byte = bytes[at++];
    length |= (byte & 127) << shift;
  }
  return bytes.toString("utf8", at, at + length);
}

/** The image as size * size RGB values, each the mean of the pixels that it covers. */
function squash({ data, width, height }, size) {
  const [across, down] = [cover(width, size), cover(height, size)];
  const out = new Uint8Array(size * size * 3);
  for (let at = 0; at < out.length; at++) {
    const [row, column, colour] = [Math.floor(at / size / 3), Math.floor(at / 3) % size, at % 3];
    let sum = 0;
    for (const [y, high] of down[row]) {
      for (const [x, wide] of across[column]) sum += high * wide * data[4 * (y * width + x) + colour];
    }
    out[at] = Math.round(sum);
  }
  return out;
}

/** Which pixels of a side each of `size` covers, and by what share; bilinear where it is enlarged. */
function cover(side, size) {
  const scale = side / size;
  return Array.from({ length: size }, (_, to) => {
    if (scale < 1) {
      const place = Math.min(Math.max((to + 0.5) * scale - 0.5, 0), side - 1);
      const low = Math.min(Math.floor(place), Math.max(side - 2, 0));
      return side > 1 ? [[low, 1 - (place - low)], [low + 1, place - low]] : [[0, 1]];
    }
    const [begin, end] = [to * scale, Math.min((to + 1) * scale, side)];
    const covered = [];
    for (let at = Math.floor(begin); at < end - 1e-9; at++) {
      covered.push([at, (Math.min(at + 1, end) - Math.max(at, begin)) / scale]);
    }
    return covered;
  });
}

/** The map of probabilities, bilinear, at pixel (x, y) of an image of width * height. */
function sample(map, size, x, y, { width, height }) {
  const split = (at, side) => {
    const place = Math.min(Math.max(((at + 0.5) * size) / side - 0.5, 0), size - 1);
    const low = Math.min(Math.floor(place), size - 2);
    return [low, place - low];
  };
  const [[left, right], [top, bottom]] = [split(x, width), split(y, height)];
  const row = (at) => map[at * size + left] * (1 - right) + map[at * size + left + 1] * right;
  return row(top) * (1 - bottom) + row(top + 1) * bottom;
}

/** The regions of a value, lists of pixels; diagonal neighbours are joined if `diagonal`. */
function findRegions({ data, width, height }, value, diagonal) {
  const seen = new Uint8Array(width * height);
  const regions = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start] || data[4 * start] !== value) continue;
    const region = [start];
    seen[start] = 1;
    for (let next = 0; next < region.length; next++) {
      const [x, y] = [region[next] % width, Math.floor(region[next] / width)];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if ((!diagonal && dx && dy) || x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue;
          const at = (y + dy) * width + x + dx;
          if (!seen[at] && data[4 * at] === value) region.push(at), (seen[at] = 1);
        }
      }
    }
    regions.push(region);
  }
  return regions;
}

function paint({ data }, region, value) {
  for (const at of region) data.fill(value, 4 * at, 4 * at + 3);
}

function keepLargest(mask) {
  const regions = findRegions(mask, 255, true);
  const largest = regions.reduce((best, region) => (region.length > best.length ? region : best), []);
  for (const region of regions) if (region !== largest) paint(mask, region, 0);
}

function fillHoles(mask) {
  const { width, height } = mask;
  const atEdge = (at) => at < width || at >= width * (height - 1) || at % width === 0 || (at + 1) % width === 0;
  for (const region of findRegions(mask, 0, false)) if (!region.some(atEdge)) paint(mask, region, 255);
}
