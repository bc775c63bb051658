/**
 * The page: a canvas to draw on, the model's answer while it is drawn. The ink is the canvas's alpha, so that light
 * and dark paper make no difference to what the model is given.
 */
import { classes, draw, side } from "./draw.js";

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const paper = canvas.getContext("2d", { willReadFrequently: true });
const seen = byId("seen").getContext("2d");
const pen = byId("pen");
const verdict = byId("verdict");
const block = canvas.width / side;

/** Outlines in a box of 24. */
const icons = {
  circle: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z",
  square: "M4.5 4.5h15v15h-15z",
  triangle: "M12 4 21 19.5H3z",
  cross: "M5 5l14 14M19 5 5 19",
  line: "M4.5 19.5l15-15",
};

let model;

const rows = classes.map((name) => {
  const row = document.createElement("li");
  row.innerHTML =
    `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${icons[name]}"/></svg><span>${name}</span>` +
    `<span class="track"><span class="fill"></span></span><span class="percent">–</span>`;
  byId("bars").append(row);
  return { row, fill: row.querySelector(".fill"), percent: row.querySelector(".percent") };
});

/** The drawing as the model takes it: the mean ink of each block of pixels. */
function pixels() {
  const { data } = paper.getImageData(0, 0, canvas.width, canvas.height);
  const image = new Float32Array(side * side);
  for (let y = 0; y < canvas.height; y++) {
    const row = Math.floor(y / block) * side;
    for (let x = 0; x < canvas.width; x++) {
      image[row + Math.floor(x / block)] += data[(y * canvas.width + x) * 4 + 3];
    }
  }
  return image.map((sum) => sum / (255 * block * block));
}

function classify(image) {
  return model.run({ image }).probabilities;
}

/** Shows what the model answers to an image, or waits for a drawing where there is no ink. */
function answer(image) {
  const blank = image.every((ink) => ink === 0);
  byId("invitation").hidden = !blank;
  const picture = seen.createImageData(side, side);
  for (let place = 0; place < image.length; place++) picture.data[place * 4 + 3] = Math.round(255 * image[place]);
  seen.putImageData(picture, 0, 0);
  if (model === undefined) return;
  const probabilities = blank ? undefined : classify(image);
  const top = probabilities?.indexOf(Math.max(...probabilities));
  for (const [place, { row, fill, percent }] of rows.entries()) {
    const share = probabilities?.[place] ?? 0;
    row.classList.toggle("top", place === top);
    fill.style.transform = `scaleX(${share})`;
    percent.textContent = blank ? "–" : `${(100 * share).toFixed(1)} %`;
  }
  verdict.classList.toggle("waiting", blank);
  say(blank ? "Waiting for your pen" : `${probabilities[top] < 0.6 ? "Perhaps a" : "A"} ${classes[top]}`);
}

/** A status is read aloud whenever it is set: only when it changes. */
function say(text) {
  if (verdict.textContent !== text) verdict.textContent = text;
}

let waiting = false;

/** At most one answer a frame, however fast the pen is. */
function answerSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    answer(pixels());
  });
}

function stroke(from, to) {
  paper.lineWidth = canvas.width / 15;
  paper.lineCap = "round";
  paper.lineJoin = "round";
  paper.beginPath();
  paper.moveTo(from.x, from.y);
  paper.lineTo(to.x, to.y);
  paper.stroke();
  answerSoon();
}

function clear() {
  paper.clearRect(0, 0, canvas.width, canvas.height);
  answerSoon();
}

/** Puts a picture on the canvas, one block for each of its pixels, and answers to its exact values. */
function show(image) {
  paper.clearRect(0, 0, canvas.width, canvas.height);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      paper.fillStyle = `rgb(0 0 0 / ${image[y * side + x]})`;
      paper.fillRect(x * block, y * block, block, block);
    }
  }
  answer(image);
}

const placeOf = (event) => {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * canvas.width) / box.width,
    y: ((event.clientY - box.top) * canvas.height) / box.height,
  };
};

let last;

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  pen.hidden = true;
  last = placeOf(event);
  stroke(last, last);
});

canvas.addEventListener("pointermove", (event) => {
  if (last === undefined || !event.isPrimary) return;
  const steps = event.getCoalescedEvents?.() ?? [];
  for (const one of steps.length > 0 ? steps : [event]) {
    const next = placeOf(one);
    stroke(last, next);
    last = next;
  }
});

for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (event.isPrimary) last = undefined;
  });
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const held = new Set();
const point = { x: canvas.width / 2, y: canvas.height / 2 };

canvas.addEventListener("keydown", (event) => {
  if (event.key === "Escape") clear();
  else if (event.key === " ") {
    if (!event.repeat && pen.classList.toggle("down")) stroke(point, point);
  } else if (event.key in arrows) {
    held.add(event.key);
    movePen(event.shiftKey ? block / 4 : block);
  } else return;
  event.preventDefault();
  placePen();
});
canvas.addEventListener("keyup", (event) => held.delete(event.key));
canvas.addEventListener("focus", () => {
  if (canvas.matches(":focus-visible")) placePen();
});
canvas.addEventListener("blur", () => {
  held.clear();
  pen.classList.remove("down");
  pen.hidden = true;
});

/** Arrows held together go aslant. */
function movePen(step) {
  const from = { ...point };
  for (const key of held) {
    point.x = Math.max(block, Math.min(canvas.width - block, point.x + arrows[key][0] * step));
    point.y = Math.max(block, Math.min(canvas.height - block, point.y + arrows[key][1] * step));
  }
  if (pen.classList.contains("down")) stroke(from, point);
}

function placePen() {
  pen.hidden = false;
  pen.style.left = `${(100 * point.x) / canvas.width}%`;
  pen.style.top = `${(100 * point.y) / canvas.height}%`;
}

byId("clear").addEventListener("click", clear);
byId("example").addEventListener("click", () => show(draw(Math.floor(Math.random() * classes.length), Math.random)));

const duration = (ms) => (ms < 1 ? `${(1000 * ms).toFixed(0)} µs` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`);

/** The median of several short batches, long enough for a coarse clock. */
function timePerAnswer() {
  const image = draw(0, Math.random);
  const batches = Array.from({ length: 15 }, () => {
    const startedMs = performance.now();
    let runs = 0;
    let elapsedMs = 0;
    for (; elapsedMs < 4; elapsedMs = performance.now() - startedMs) {
      for (let one = 0; one < 16; one++) classify(image);
      runs += 16;
    }
    return elapsedMs / runs;
  });
  return batches.sort((a, b) => a - b)[7];
}

/** Bytes of the model's files that this page has read. */
function modelBytes() {
  return performance
    .getEntriesByType("resource")
    .filter(({ name }) => /\.(wasm|weights)$/.test(name))
    .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
}

const ready = (async () => {
  try {
    const startedMs = performance.now();
    const { load } = await import("./shapes.mjs");
    model = await load();
    byId("loaded").textContent = duration(performance.now() - startedMs);
    byId("size").textContent = `${(modelBytes() / 1000).toFixed(1)} kB`;
    byId("time").textContent = duration(timePerAnswer());
    answer(pixels());
  } catch (error) {
    say(`The model could not be loaded: ${error.message}`);
    throw error;
  }
})();

/** For the browser's console, and for tests: the answer of this very page to 1,024 values of ink. */
globalThis.shapes = { ready, classify, pixels, show };
