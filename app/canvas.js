// The canvas on which a mask is corrected: brush, eraser, undo, zoom, and a scale by two clicks.
// In: props.picture, the photo; props.value, JSON: the mask, the photo's own size, the strokes, the words.
// Out: the event "input" with all strokes, and "select" with the two ends of a known length; both in pixels
// of the photo, so that neither the screen nor the zoom has a say in where a stroke lies.

const COLOUR = "rgb(0, 255, 170)";
const tools = element.querySelector(".tools");
const view = element.querySelector(".view");
const canvas = element.querySelector("canvas");
const picture = new Image();
const model = new Image();
const layer = document.createElement("canvas");
const ring = document.createElement("canvas");

let given = { width: 1, height: 1, words: {} };
let strokes = [];
let past = []; // what the strokes were before each change, for undo
let stroke = null; // the one that is being painted
let ends = []; // of the known length
let tool = "brush";
let cursor = null;

function field(tag, attributes, text) {
  const made = Object.assign(document.createElement(tag), attributes);
  if (text) made.textContent = text;
  return made;
}

function labelled(word, input) {
  const label = field("label", {}, given.words[word] + " ");
  label.append(input);
  return label;
}

const radius = field("input", { type: "range", min: 1, max: 100, value: 25 });
const zoom = field("input", { type: "range", min: 1, max: 6, step: 0.5, value: 1 });
const length = field("input", { type: "number", min: 0.1, max: 1000, step: 0.1, value: 10 });

function layOut() {
  const buttons = ["brush", "eraser", "ruler", "undo", "clear"].map((name) => {
    const button = field("button", { type: "button", name }, given.words[name]);
    if (name === "undo") button.disabled = !past.length;
    else if (name === "clear") button.disabled = !strokes.length;
    else button.setAttribute("aria-pressed", String(tool === name));
    button.onclick = () => {
      if (name === "undo") undo();
      else if (name === "clear") change([]);
      else tool = name;
      layOut();
      draw();
    };
    return button;
  });
  const focused = tools.contains(document.activeElement) ? document.activeElement.name : "";
  tools.replaceChildren(...buttons);
  tools.append(tool === "ruler" ? labelled("length", length) : labelled("radius", radius));
  tools.append(labelled("zoom", zoom));
  if (focused) tools.querySelector(`[name=${focused}]`)?.focus();
  canvas.setAttribute("aria-label", given.words.canvas || "");
}

// The radius in pixels of the photo: from half a pixel to a tenth of its shorter side.
function brushRadius() {
  return Math.max(0.5, (radius.value / 100) ** 2 * 0.1 * Math.min(given.width, given.height) * 2);
}

function scale() {
  return canvas.width / given.width;
}

function trace(context, { points, radius }) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = Math.max(1, 2 * radius * scale());
  context.beginPath();
  points.forEach(([x, y], number) => {
    const place = [(x + 0.5) * scale(), (y + 0.5) * scale()];
    if (!number) context.moveTo(...place);
    context.lineTo(...place);
  });
  context.stroke();
}

function draw() {
  const { width, height } = canvas;
  if (!picture.complete || !model.complete || !width) return;
  for (const each of [layer, ring]) Object.assign(each, { width, height });
  const mask = layer.getContext("2d");
  mask.drawImage(model, 0, 0, width, height);
  mask.strokeStyle = COLOUR;
  for (const each of stroke ? [...strokes, stroke] : strokes) {
    mask.globalCompositeOperation = each.adds ? "source-over" : "destination-out";
    trace(mask, each);
  }
  const line = Math.max(1, Math.round(width / 450));
  const border = ring.getContext("2d");
  for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]])
    border.drawImage(layer, x * line, y * line);
  border.globalCompositeOperation = "destination-out";
  border.drawImage(layer, 0, 0);
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.drawImage(picture, 0, 0, width, height);
  context.globalAlpha = 0.25;
  context.drawImage(layer, 0, 0);
  context.globalAlpha = 1;
  context.drawImage(ring, 0, 0);
  drawMarks(context, line);
}

function drawMarks(context, line) {
  for (const [colour, wider] of [["black", 2], ["white", 0]]) {
    context.strokeStyle = colour;
    context.lineWidth = line + wider;
    context.beginPath();
    for (const [x, y] of ends) {
      context.moveTo((x + 0.5) * scale() + 4 * line, (y + 0.5) * scale());
      context.arc((x + 0.5) * scale(), (y + 0.5) * scale(), 4 * line, 0, 7);
    }
    if (ends.length === 2) {
      context.moveTo(...ends[0].map((place) => (place + 0.5) * scale()));
      context.lineTo(...ends[1].map((place) => (place + 0.5) * scale()));
    }
    context.stroke();
    if (!cursor || tool === "ruler") continue;
    context.beginPath();
    context.arc(...cursor.map((place) => (place + 0.5) * scale()), brushRadius() * scale(), 0, 7);
    context.stroke();
  }
}

// Where the pointer is, in pixels of the photo.
function locate(event) {
  const frame = canvas.getBoundingClientRect();
  const x = ((event.clientX - frame.left) / frame.width) * given.width - 0.5;
  const y = ((event.clientY - frame.top) / frame.height) * given.height - 0.5;
  return [Math.round(x), Math.round(y)];
}

function begin(place) {
  if (tool !== "ruler") {
    stroke = { adds: tool === "brush", radius: brushRadius(), points: [place] };
    return;
  }
  ends = ends.length === 2 ? [place] : [...ends, place];
  sendScale();
}

function change(next) {
  past.push(strokes);
  send(next);
}

function send(next) {
  strokes = next;
  stroke = null;
  layOut();
  draw();
  trigger("input", { strokes });
}

function sendScale() {
  if (ends.length === 2) trigger("select", { ends, millimetres: Number(length.value) });
}

function undo() {
  if (past.length) send(past.pop());
}

canvas.onpointerdown = (event) => {
  if (!event.isPrimary || event.button) return;
  canvas.setPointerCapture(event.pointerId);
  begin(locate(event));
  draw();
};
canvas.onpointermove = (event) => {
  if (!event.isPrimary) return;
  cursor = locate(event);
  const last = stroke?.points.at(-1);
  if (last && Math.hypot(cursor[0] - last[0], cursor[1] - last[1]) >= Math.max(1, stroke.radius / 4))
    stroke.points.push(cursor);
  draw();
};
canvas.onpointerup = () => stroke && change([...strokes, stroke]);
canvas.onpointercancel = () => {
  stroke = null; // two fingers zoom
  draw();
};
canvas.onpointerleave = () => {
  cursor = null;
  draw();
};
canvas.onkeydown = (event) => {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = event.shiftKey ? 1 : Math.max(1, Math.round(brushRadius()));
  cursor ||= [Math.round(given.width / 2), Math.round(given.height / 2)];
  if (event.key in ways) {
    const sides = [given.width, given.height];
    cursor = cursor.map((place, axis) =>
      Math.min(sides[axis] - 1, Math.max(0, place + step * ways[event.key][axis])));
  } else if (event.key === " ") {
    begin(cursor);
    if (stroke) change([...strokes, stroke]);
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
  else return;
  event.preventDefault();
  draw();
};
length.onchange = sendScale;
zoom.oninput = () => {
  const [x, y] = [view.scrollLeft + view.clientWidth / 2, view.scrollTop + view.clientHeight / 2];
  const before = canvas.clientWidth;
  canvas.style.width = `${100 * zoom.value}%`;
  const grown = canvas.clientWidth / before;
  view.scrollTo(x * grown - view.clientWidth / 2, y * grown - view.clientHeight / 2);
};
picture.onload = model.onload = () => {
  Object.assign(canvas, { width: picture.naturalWidth, height: picture.naturalHeight });
  draw();
};

function receive() {
  element.querySelector(".canvas").hidden = !props.value;
  if (!props.value) return;
  given = JSON.parse(props.value);
  strokes = given.strokes;
  if (picture.src !== props.picture) {
    picture.src = props.picture;
    ends = [];
    past = [];
  }
  model.src = given.mask;
  layOut();
}

watch(["value", "picture"], receive);
receive();
