/** The tables of the measurements and the floors they are held to. */
import { table } from "../table.ts";
import { type ArtifactSize, codeBytes, type Size } from "./artifact-size.ts";
import type { ColdStart } from "./cold-start.ts";
import type { Timing } from "./interleaved.ts";

export interface ModelResult {
  readonly model: string;
  readonly steady: { readonly relaxed: Timing; readonly strict: Timing; readonly peer: Timing };
  /** In units of the tolerance. */
  readonly difference: number;
  readonly size: ArtifactSize;
  readonly cold: { readonly holdfast: ColdStart; readonly peer: ColdStart; readonly node: ColdStart };
}

export interface Results {
  readonly node: string;
  readonly engine: string;
  readonly peer: string;
  readonly models: readonly ModelResult[];
}

const fasterModels = ["light_resnet50", "mobilenetv2", "encoder-tiny"];
const smallModel = "light_squeezenet";
const smallBytes = 64 * 1024;

export function report(results: Results): string {
  const { models } = results;
  return [
    "",
    `Holdfast beside ${results.peer} (wasm, one thread), Node ${results.node}, V8 ${results.engine}.`,
    "",
    "One run, ms: median (fastest), in turns in one process; ratio = how many times faster than the peer.",
    ...table(
      ["model", "relaxed", "strict", "peer", "ratio", "strict ratio", "runs", "difference"],
      models.map(steadyRow),
    ),
    "difference: largest between the answers, in units of the tolerance (relative 1e-3, absolute 1e-5); at most 1.",
    "",
    "A fresh process up to its first output, ms: median (fastest), and its peak memory.",
    ...table(
      ["model", "holdfast", "peer", "ratio", "node alone", "ratio less node", "peak MB", "peer's peak MB"],
      models.map(coldRow),
    ),
    "",
    "Bytes of an artifact (gzip). One of the two modules is loaded.",
    ...table(["model", "module", "relaxed module", "wrapper", "weights"], models.map(sizeRow)),
    "",
    "Floors",
    ...models.flatMap(floors),
  ].join("\n");
}

function steadyRow({ model, steady: { relaxed, strict, peer }, difference }: ModelResult): string[] {
  return [
    model,
    ...[relaxed, strict, peer].map(time),
    (peer.medianMs / relaxed.medianMs).toFixed(2),
    (peer.medianMs / strict.medianMs).toFixed(2),
    `${relaxed.runs}/${strict.runs}/${peer.runs}`,
    difference.toPrecision(2),
  ];
}

function coldRow({ model, cold: { holdfast, peer, node } }: ModelResult): string[] {
  const megabytes = ({ peakBytes }: ColdStart): string => (peakBytes / 2 ** 20).toFixed(0);
  return [
    model,
    time(holdfast),
    time(peer),
    (peer.medianMs / holdfast.medianMs).toFixed(1),
    time(node),
    ((peer.medianMs - node.medianMs) / (holdfast.medianMs - node.medianMs)).toFixed(1),
    megabytes(holdfast),
    megabytes(peer),
  ];
}

function sizeRow({ model, size }: ModelResult): string[] {
  const both = ({ raw, gzip }: Size): string => `${raw} (${gzip})`;
  return [model, both(size.strictModule), both(size.relaxedModule), both(size.wrapper), String(size.weights)];
}

function time({ medianMs, minMs }: { readonly medianMs: number; readonly minMs: number }): string {
  const digits = medianMs < 10 ? 3 : 1;
  return `${medianMs.toFixed(digits)} (${minMs.toFixed(digits)})`;
}

function floors({ model, steady: { relaxed, strict, peer }, difference, size, cold }: ModelResult): string[] {
  const atLeast = (what: string, value: number, floor: number): string =>
    `${value >= floor ? "held  " : "MISSED"}  ${model}: ${what} ${value.toFixed(2)}, at least ${floor}`;
  const atMost = (what: string, value: number, most: number): string =>
    `${value <= most ? "held  " : "MISSED"}  ${model}: ${what} ${value}, at most ${most}`;
  const speed = fasterModels.includes(model) ? 1.5 : 1;
  const lines = [
    atMost("difference of answers", Number(difference.toPrecision(2)), 1),
    atLeast("times as fast, relaxed", peer.medianMs / relaxed.medianMs, speed),
    atLeast("times as fast, strict", peer.medianMs / strict.medianMs, 1),
  ];
  if (model !== smallModel) return lines;
  return [
    ...lines,
    atMost("bytes without weights", codeBytes(size), smallBytes),
    atLeast("times as fast to the first output", cold.peer.medianMs / cold.holdfast.medianMs, 10),
  ];
}
