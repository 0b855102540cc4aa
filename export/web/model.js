// The model file in ONNX Runtime Web: opened, and checked against what Python computes with it.

import { readImage } from "./pixels.js";

const WEBASSEMBLY = { wasm: "ort-wasm-simd-threaded", webgpu: "ort-wasm-simd-threaded.asyncify" };
const TOLERANCE = 1e-3; // largest difference of a probability from Python's; WASM differs by about 2e-6

/**
 * Opens the model: on the GPU where there is WebGPU and it computes what it should, else on the CPU.
 *
 * @param {{gpu?: boolean}} options gpu: false keeps to the CPU.
 * @returns {Promise<Model>}
 * @throws {Error} if neither computes what Python does.
 */
export async function openModel({ gpu = true } = {}) {
  const [description, bytes] = await Promise.all([
    load("model.json").then((response) => response.json()),
    load("model.onnx").then((response) => response.arrayBuffer()),
  ]);
  const adapter = gpu && (await navigator.gpu?.requestAdapter().catch(() => null));
  for (const provider of adapter ? ["webgpu", "wasm"] : ["wasm"]) {
    try {
      const model = new Model(await start(provider, bytes), description, provider);
      if ((await model.differ()) <= TOLERANCE) return model;
      console.warn(`${provider}: computes something else than the model file says`);
    } catch (error) {
      console.warn(`${provider}: ${error.message}`);
    }
  }
  throw new Error("this browser cannot run the model");
}

async function load(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response;
}

async function start(provider, bytes) {
  const ort = await import(`./runtime/ort.${provider}.min.js`);
  const path = new URL(`./runtime/${WEBASSEMBLY[provider]}`, import.meta.url).href;
  ort.env.wasm.wasmPaths = { mjs: `${path}.js`, wasm: `${path}.wasm` };
  // Threads need headers that only some servers send.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  const session = await ort.InferenceSession.create(bytes.slice(0), {
    executionProviders: [provider],
    logSeverityLevel: 3,
  });
  return { session, Tensor: ort.Tensor };
}

export class Model {
  /** @param description what model.json holds: the contract, and a check. */
  constructor({ session, Tensor }, { contract, check, name }, provider) {
    Object.assign(this, { session, Tensor, contract, check, name, provider });
  }

  /**
   * @param {Uint8Array} pixels size * size * 3 values, RGB.
   * @returns {Promise<Float32Array>} size * size probabilities of lesion.
   */
  async run(pixels) {
    const { size } = this.contract;
    const image = new this.Tensor("uint8", pixels, [1, size, size, 3]);
    const { probability } = await this.session.run({ image });
    return probability.data;
  }

  /** Runs the image of the check: the largest difference from the probabilities that Python found. */
  async differ() {
    const { size } = this.contract;
    const pixels = new Uint8Array(size * size * 3);
    for (let at = 0; at < pixels.length; at++) pixels[at] = checkValue(at, size);
    const found = await this.run(pixels);
    const differences = this.check.map(([at, expected]) => Math.abs(found[at] - expected));
    return differences.some(Number.isNaN) ? Infinity : Math.max(...differences);
  }

  /** Decodes an image file and finds its probabilities. */
  async segment(file) {
    const image = await readImage(file, this.contract.size);
    const begin = performance.now();
    const probability = await this.run(image.pixels);
    return { ...image, probability, milliseconds: performance.now() - begin };
  }
}

/** A value of the check's image: a dark disc on skin, in whole numbers, as export.to_web draws it. */
function checkValue(at, size) {
  const [pixel, colour] = [Math.floor(at / 3), at % 3];
  const [x, y] = [pixel % size, Math.floor(pixel / size)];
  const inside = (2 * x - size) ** 2 + (2 * y - size) ** 2 < size * size / 4;
  return (inside ? [110, 70, 60] : [220, 180, 160])[colour] + ((7 * x + 13 * y) % 16);
}
