// The page: a photo in, its outline and measures out.

import { makeMask, measure } from "./mask.js";
import { openModel } from "./model.js";
import { WORDS } from "./words.js";

const MAX_SIDE = 1400; // of the photo on screen, in pixels
const OUTLINE = [0, 255, 170];
const TINT = 0.18; // share of the outline's colour inside it

const $ = (id) => document.getElementById(id);
const state = { language: startLanguage(), status: ["loading"] };

function startLanguage() {
  const wanted = new URLSearchParams(location.search).get("lang") ?? navigator.language;
  return wanted.startsWith("zh") ? "zh" : "en";
}

const say = (key, ...values) => {
  const text = WORDS[state.language][key];
  return typeof text === "function" ? text(...values) : text;
};

function setStatus(...status) {
  state.status = status;
  $("status").textContent = say(...status);
}

function translate() {
  document.documentElement.lang = state.language;
  document.title = say("title");
  for (const element of document.querySelectorAll("[data-say]")) {
    element.textContent = say(element.dataset.say);
  }
  $("result").setAttribute("aria-label", say("result"));
  setStatus(...state.status);
  if (state.found) show();
}

async function take(file) {
  if (!file || !state.model) return;
  setStatus("working");
  await new Promise(requestAnimationFrame); // lets the browser show it
  try {
    state.found = await state.model.segment(file);
  } catch (error) {
    console.warn(error);
    setStatus("unreadable", file.name);
    return;
  }
  state.name = file.name.replace(/\.[^.]*$/, "") || "photo";
  show();
  const where = state.model.provider === "webgpu" ? "GPU" : "CPU";
  setStatus("found", Math.round(state.found.milliseconds), where);
  $("start").hidden = true;
  $("outcome").hidden = false;
}

function show() {
  const { probability, width, height } = state.found;
  const threshold = Number($("threshold").value);
  $("chosen").textContent = threshold.toFixed(2);
  state.mask = makeMask(probability, state.model.contract, threshold, width, height);
  const measures = measure(state.mask);
  draw();
  list(measures);
  const warnings = [!measures.area && "none", measures.touches && "touches"].filter(Boolean);
  $("warnings").textContent = warnings.map((key) => say(key)).join(" ");
  $("download").disabled = !measures.area;
}

function draw() {
  const { bitmap, width, height } = state.found;
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const canvas = $("result");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const photo = context.getImageData(0, 0, canvas.width, canvas.height);
  const inside = (x, y) => {
    const [column, row] = [Math.floor((x + 0.5) / scale), Math.floor((y + 0.5) / scale)];
    if (column < 0 || row < 0 || column >= width || row >= height) return 0;
    return state.mask.pixels[row * width + column];
  };
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      if (!inside(x, y)) continue;
      const edge = !(inside(x - 2, y) && inside(x + 2, y) && inside(x, y - 2) && inside(x, y + 2));
      const share = edge ? 1 : TINT;
      const at = 4 * (y * canvas.width + x);
      OUTLINE.forEach((value, colour) => {
        photo.data[at + colour] += share * (value - photo.data[at + colour]);
      });
    }
  }
  context.putImageData(photo, 0, 0);
}

function list({ area, share, equivalent, largest }) {
  const mm = Number($("scale").value);
  const length = (pixels) => (mm > 0 ? `${(pixels * mm).toFixed(2)} mm` : `${pixels.toFixed(1)} px`);
  const digits = new Intl.NumberFormat(state.language);
  const rows = {
    area: mm > 0 ? `${(area * mm * mm).toFixed(2)} mm²` : `${digits.format(area)} px²`,
    share: `${(100 * share).toFixed(1)} %`,
    equivalent: length(equivalent),
    largest: length(largest),
  };
  $("measures").replaceChildren(
    ...Object.entries(rows).flatMap(([key, value]) => {
      const [term, figure] = [document.createElement("dt"), document.createElement("dd")];
      [term.textContent, figure.textContent] = [say(key), value];
      return [term, figure];
    }),
  );
}

async function download() {
  const { pixels, width, height } = state.mask;
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  new Uint32Array(image.data.buffer).forEach((_, at, values) => {
    values[at] = pixels[at] ? 0xffffffff : 0xff000000;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  link.download = `${state.name}_segmentation.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function restart() {
  $("start").hidden = false;
  $("outcome").hidden = true;
  $("threshold").value = state.model.contract.threshold;
  setStatus("ready");
}

for (const id of ["photo", "camera"]) {
  $(id).addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = ""; // so that the same photo can be taken again
  });
}
addEventListener("paste", ({ clipboardData }) => take(clipboardData.files[0]));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
$("threshold").addEventListener("input", show);
$("scale").addEventListener("input", show);
$("download").addEventListener("click", download);
$("another").addEventListener("click", restart);
$("language").addEventListener("click", () => {
  state.language = state.language === "en" ? "zh" : "en";
  translate();
});

translate();
try {
  state.model = await openModel();
  for (const id of ["photo", "camera"]) $(id).disabled = false;
  restart();
} catch (error) {
  console.error(error);
  setStatus("failed");
}
navigator.serviceWorker?.register("./worker.js").catch(console.warn);
