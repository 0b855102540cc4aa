// Files to pixels: decodes an image and squashes it to a square, as inference.images.pixels does.
//
// The resize is OpenCV's, step by step in float32: the canvas's own changes outlines (IoU down to 0.992).

const STRIP = 256; // rows that are read from the canvas at once: a whole photo may not fit into one

/**
 * @param {Blob} file an image in any format that the browser reads; EXIF orientation is applied.
 * @param {number} size side of the square in pixels.
 * @returns {Promise<{pixels: Uint8Array, width: number, height: number, bitmap: ImageBitmap}>}
 *   size * size * 3 values, RGB, and the image as it is.
 */
export async function readImage(file, size) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image",
    colorSpaceConversion: "none", // as OpenCV, which ignores colour profiles
    premultiplyAlpha: "none",
  });
  const { width, height } = bitmap;
  const shrunk = { width: Math.min(width, size), height: Math.min(height, size) };
  const shrinker = new Shrinker(width, height, shrunk.width, shrunk.height);
  const canvas = new OffscreenCanvas(width, Math.min(height, STRIP));
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  for (let top = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.clearRect(0, 0, width, STRIP);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    const { data } = context.getImageData(0, 0, width, rows);
    for (let row = 0; row < rows; row++) shrinker.take(data, row * width * 4);
  }
  return { pixels: enlarge(shrinker.pixels, shrunk, size), width, height, bitmap };
}

/** OpenCV's INTER_AREA for bytes, one row of RGBA after the other: `take` every row, then use `pixels`. */
export class Shrinker {
  constructor(width, height, toWidth, toHeight) {
    this.pixels = new Uint8Array(toWidth * toHeight * 3);
    const [x, y] = [scaleOf(width, toWidth), scaleOf(height, toHeight)];
    const whole = Number.isInteger(x) && Number.isInteger(y);
    const steps = whole
      ? new WholeSteps(x, y, toWidth, this.pixels)
      : new PartSteps(spread(width, toWidth, x), spread(height, toHeight, y), toWidth, this.pixels);
    this.take = (data, at) => steps.take(data, at);
  }
}

/** How many source pixels make one; a whole number if it is within rounding of one. */
function scaleOf(from, to) {
  const scale = 1 / (to / from);
  return Math.abs(scale - Math.round(scale)) < Number.EPSILON ? Math.round(scale) : scale;
}

/** Shrinking by whole numbers: sums of bytes. */
class WholeSteps {
  constructor(x, y, toWidth, pixels) {
    Object.assign(this, { x, y, toWidth, pixels, row: 0, sums: new Int32Array(toWidth * 3) });
    this.share = Math.fround(1 / (x * y));
  }

  take(data, at) {
    const { x, y, toWidth, sums } = this;
    for (let to = 0; to < toWidth; to++) {
      for (let step = 0; step < x; step++, at += 4) {
        for (let colour = 0; colour < 3; colour++) sums[3 * to + colour] += data[at + colour];
      }
    }
    if (++this.row % y) return;
    const out = (this.row / y - 1) * toWidth * 3;
    for (let place = 0; place < sums.length; place++) {
      this.pixels[out + place] =
        x === 2 && y === 2 ? (sums[place] + 2) >> 2 : toByte(Math.fround(sums[place] * this.share));
    }
    sums.fill(0);
  }
}

/** Shrinking by other numbers: pixels that straddle a border count on both sides, by their shares. */
class PartSteps {
  constructor(columns, rows, toWidth, pixels) {
    Object.assign(this, { columns, rows, pixels, row: 0, entry: 0, out: 0 });
    this.line = new Float32Array(toWidth * 3);
    this.sums = new Float32Array(toWidth * 3);
  }

  take(data, at) {
    const { columns, rows, line, sums } = this;
    line.fill(0);
    for (let entry = 0; entry < columns.from.length; entry++) {
      const source = at + 4 * columns.from[entry];
      const to = 3 * columns.to[entry];
      const share = columns.share[entry];
      line[to] = line[to] + Math.fround(data[source] * share);
      line[to + 1] = line[to + 1] + Math.fround(data[source + 1] * share);
      line[to + 2] = line[to + 2] + Math.fround(data[source + 2] * share);
    }
    // A row that straddles a border has two entries, one after the other.
    for (; this.entry < rows.from.length && rows.from[this.entry] === this.row; this.entry++) {
      if (rows.to[this.entry] !== this.out) this.write();
      const share = rows.share[this.entry];
      for (let place = 0; place < sums.length; place++) {
        sums[place] = sums[place] + Math.fround(line[place] * share);
      }
    }
    this.row++;
    if (this.entry === rows.from.length) this.write();
  }

  write() {
    const start = this.out * this.sums.length;
    if (start >= this.pixels.length) return;
    for (let place = 0; place < this.sums.length; place++) {
      this.pixels[start + place] = toByte(this.sums[place]);
    }
    this.sums.fill(0);
    this.out++;
  }
}

/** Which pixels of a side go into which of a shorter one, and by what share: OpenCV's computeResizeAreaTab. */
function spread(from, to, scale) {
  const entries = { from: [], to: [], share: [] };
  const add = (source, target, share) => {
    entries.from.push(source);
    entries.to.push(target);
    entries.share.push(Math.fround(share));
  };
  for (let target = 0; target < to; target++) {
    const [begin, end] = [target * scale, target * scale + scale];
    const cell = Math.min(scale, from - begin);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(begin), last);
    if (first - begin > 1e-3) add(first - 1, target, (first - begin) / cell);
    for (let source = first; source < last; source++) add(source, target, 1 / cell);
    if (end - last > 1e-3) add(last, target, Math.min(end - last, 1, cell) / cell);
  }
  return entries;
}

/** OpenCV's INTER_LINEAR for bytes: 11 bits of fixed point, from (width, height) to a square. */
export function enlarge(pixels, { width, height }, size) {
  if (width === size && height === size) return pixels;
  const [x, y] = [columns(width, size), rows(height, size)];
  const line = (row) => {
    const sums = new Int32Array(size * 3);
    for (let to = 0; to < size; to++) {
      for (let colour = 0; colour < 3; colour++) {
        const [a, b] = [x.first[to], x.second[to]].map((at) => pixels[(row * width + at) * 3 + colour]);
        sums[3 * to + colour] = a * fixed(1 - x.part[to]) + b * fixed(x.part[to]);
      }
    }
    return sums;
  };
  const out = new Uint8Array(size * size * 3);
  for (let to = 0; to < size; to++) {
    const [upper, lower] = [line(y.first[to]), line(y.second[to])];
    const [above, below] = [fixed(1 - y.part[to]), fixed(y.part[to])];
    for (let place = 0; place < size * 3; place++) {
      const sum = ((above * (upper[place] >> 4)) >> 16) + ((below * (lower[place] >> 4)) >> 16);
      out[to * size * 3 + place] = Math.min(255, Math.max(0, (sum + 2) >> 2));
    }
  }
  return out;
}

const fixed = (share) => toNearest(Math.fround(share) * 2048);

/** The two rows of an image that each row of another lies between, and how far it is to the second. */
export function rows(from, to) {
  const scale = 1 / (to / from);
  const [first, second, part] = [new Int32Array(to), new Int32Array(to), new Float32Array(to)];
  for (let target = 0; target < to; target++) {
    const place = Math.fround((target + 0.5) * scale - 0.5);
    const low = Math.floor(place);
    first[target] = Math.min(Math.max(low, 0), from - 1);
    second[target] = Math.min(Math.max(low + 1, 0), from - 1);
    part[target] = Math.fround(place - low);
  }
  return { first, second, part };
}

/** The same of columns. Beyond the edges, rows are a mean of twice the same row, columns plain copies. */
export function columns(from, to) {
  const { first, second, part } = rows(from, to);
  return { first, second, part: part.map((share, at) => (first[at] < second[at] ? share : 0)) };
}

/** Rounds halves to even numbers, as processors do. */
function toNearest(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const toByte = (value) => Math.min(255, Math.max(0, toNearest(value)));
