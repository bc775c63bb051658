/**
 * Shows the compiled model at work in the terminal: one picture of each shape with the model's answer beside it, then
 * how often it is right and how long one answer takes.
 *
 *     node examples/shapes/classify.ts [ARTIFACT_DIR] [--seed N]
 */
import { parseArgs, styleText } from "node:util";
import { findArtifact, loadArtifact, type ShapesModel } from "./artifact.ts";
import { classes, draw, type Random, seeded, side } from "./draw.ts";

type Style = Parameters<typeof styleText>[0];

const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values, positionals } = parseArgs({ options: { seed: { type: "string" } }, allowPositionals: true });
const seed = Number(values.seed ?? 1);
const folder = findArtifact(positionals[0]);
if (folder === undefined || !Number.isInteger(seed)) {
  if (!Number.isInteger(seed)) process.stderr.write(`--seed takes a whole number, not ${values.seed}\n`);
  process.exitCode = 2;
} else {
  const model = await loadArtifact(folder);
  const random = seeded(seed);
  for (const label of classes.keys()) show(model, label, random);
  summary(model, random);
}

/** The picture at half size: two rows of it in each line of text. */
function blocks(picture: Float32Array): string[] {
  const dark = (x: number, y: number): boolean => {
    const at = y * 2 * side + x * 2;
    return picture[at] + picture[at + 1] + picture[at + side] + picture[at + side + 1] > 1.4;
  };
  return Array.from({ length: side / 4 }, (_, row) =>
    Array.from({ length: side / 2 }, (_, x) => {
      const [upper, lower] = [dark(x, row * 2), dark(x, row * 2 + 1)];
      return upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }).join(""),
  );
}

function show(model: ShapesModel, label: number, random: Random): void {
  const picture = draw(label, random);
  const { probabilities } = model.run({ image: picture });
  const guess = topOf(probabilities);
  const verdict =
    guess === label
      ? paint("green", `✓ ${classes[guess]}`)
      : paint("red", `✗ ${classes[guess]}`) + paint("dim", `, drawn as a ${classes[label]}`);
  const bars = classes.map((name, place) => {
    const percent = `${(100 * probabilities[place]).toFixed(1)} %`.padStart(8);
    const line = `${name.padEnd(9)}${bar(probabilities[place], 24)}${percent}`;
    return place === guess ? line : paint("dim", line);
  });
  const beside = ["", verdict, "", ...bars];
  for (const [place, line] of blocks(picture).entries()) say(` ${paint("cyan", line)}    ${beside[place] ?? ""}`);
  say("");
}

/** Eighths of a cell, so that small differences are seen. */
function bar(share: number, cells: number): string {
  const eighths = Math.round(share * cells * 8);
  const rest = eighths % 8;
  return ("█".repeat(Math.floor(eighths / 8)) + (rest === 0 ? "" : "▏▎▍▌▋▊▉"[rest - 1])).padEnd(cells);
}

function summary(model: ShapesModel, random: Random): void {
  const pictures = Array.from({ length: 500 }, (_, place) => draw(place % classes.length, random));
  let right = 0;
  const times: number[] = [];
  for (const [place, image] of pictures.entries()) {
    const startedMs = performance.now();
    const { probabilities } = model.run({ image });
    times.push(performance.now() - startedMs);
    if (topOf(probabilities) === place % classes.length) right++;
  }
  times.sort((a, b) => a - b);
  const micros = (share: number): string => `${(1000 * times[Math.floor(share * times.length)]).toFixed(0)} µs`;
  say(`${right} of ${pictures.length} fresh pictures right (${((100 * right) / pictures.length).toFixed(1)} %).`);
  say(`One answer takes ${micros(0.5)} in the median, ${micros(0.95)} at the 95th percentile.`);
}

function topOf(probabilities: Float32Array): number {
  return probabilities.indexOf(Math.max(...probabilities));
}
