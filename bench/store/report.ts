/** Tables of what was measured: ours, each peer, and how many times as good ours is; below 1 it says LOSS. */
import { table } from "../table.ts";
import { median } from "../vector/report.ts";

export interface Line {
  readonly name: string;
  readonly isOwn: boolean;
  /** Shown and compared with, but not the same promise: never the best peer. */
  readonly isAside?: boolean;
  /** One number a round. */
  readonly values: readonly number[];
}

export interface Row {
  readonly title: string;
  readonly unit: string;
  /** Neither: shown, and nothing is said of who is better. */
  readonly better: "more" | "less" | "neither";
  readonly lines: readonly Line[];
}

/** What goes into the file for programs: the row, and each ratio by name. */
export interface RowResult extends Row {
  readonly ratios: readonly { readonly own: string; readonly peer: string; readonly ratio: number }[];
  readonly againstBest: readonly { readonly own: string; readonly peer: string; readonly ratio: number }[];
}

/** Round by round, and of that the median: what slows the machine for a while slows all of a round. */
function timesAsGood({ better }: Row, own: Line, peer: Line): number {
  return median(
    own.values.map((value, round) => {
      const other = peer.values[round]!;
      return better === "more" ? value / other : other / value;
    }),
  );
}

export function resultOf(row: Row): RowResult {
  if (row.better === "neither") return { ...row, ratios: [], againstBest: [] };
  const own = row.lines.filter(({ isOwn }) => isOwn);
  const peers = row.lines.filter(({ isOwn }) => !isOwn);
  const best = bestOf(
    row,
    peers.filter(({ isAside }) => isAside !== true),
  );
  const compare = (one: Line, peer: Line) => {
    return { own: one.name, peer: peer.name, ratio: timesAsGood(row, one, peer) };
  };
  return {
    ...row,
    ratios: own.flatMap((one) => peers.map((peer) => compare(one, peer))),
    againstBest: best === undefined ? [] : own.map((one) => compare(one, best)),
  };
}

function bestOf(row: Row, lines: readonly Line[]): Line | undefined {
  const sorted = lines.toSorted((a, b) => median(a.values) - median(b.values));
  return row.better === "more" ? sorted.at(-1) : sorted[0];
}

export function rowReport(row: RowResult): string[] {
  const own = row.better === "neither" ? [] : row.lines.filter(({ isOwn }) => isOwn);
  const cells = row.lines.map((line) => [
    `  ${line.name}${line.isAside === true ? " *" : ""}`,
    figure(median(line.values)),
    `${figure(Math.min(...line.values))}..${figure(Math.max(...line.values))}`,
    ...own.map(({ name }) => verdict(row.ratios.find((one) => one.own === name && one.peer === line.name)?.ratio)),
  ]);
  const best = row.againstBest[0]?.peer;
  const last = own.map(({ name }) => verdict(row.againstBest.find((one) => one.own === name)?.ratio));
  const head = [row.title, row.unit, "lowest..highest", ...own.map(({ name }) => `${name} is`)];
  const rows =
    best === undefined || own.length === 0 ? cells : [...cells, [`  the best peer: ${best}`, "", "", ...last]];
  return [...table(head, rows), ""];
}

function verdict(ratio: number | undefined): string {
  return ratio === undefined ? "" : `${ratio.toFixed(2)} x${ratio < 1 ? " LOSS" : ""}`;
}

function figure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
