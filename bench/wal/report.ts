/** The tables of the measurements and the floors they are held to. */

import { median } from "../kernels/interleaved.ts";
import { table } from "../table.ts";
import type { Turn } from "./contender.ts";
import type { RecoveryResult } from "./recovery.ts";

export interface Row {
  readonly title: string;
  readonly results: readonly Result[];
}

export interface Result {
  readonly name: string;
  readonly turns: readonly Turn[];
  /** A peer is a ready alternative; raw is only what the device can do. */
  readonly kind: "holdfast" | "raw" | "peer";
}

export interface Floor {
  readonly what: string;
  readonly value: number;
  readonly atLeast: number;
}

/** Records per second over all turns. The median of turns would hide what a contender pays only now and then. */
function rateOf({ turns }: Result): number {
  return 1_000 * (sum(turns, "records") / sum(turns, "elapsedMs"));
}

/** Round by round, and of that the median: a device that is slow for a while is so for all contenders of a round. */
function timesAsFast(one: Result, other: Result): number {
  const rate = ({ records, elapsedMs }: Turn): number => records / elapsedMs;
  return median(one.turns.map((turn, round) => rate(turn) / rate(other.turns[round]!)));
}

export function rowReport({ title, results }: Row): string[] {
  const raw = results.find(({ kind }) => kind === "raw");
  const best = bestPeer(results);
  const head = ["", "records/s", "slowest..fastest turn", "times raw", "times best peer", "syncs/s", "records/sync"];
  const rows = results.map((result) => {
    const rate = rateOf(result);
    const rates = result.turns.map(({ records, elapsedMs }) => (1_000 * records) / elapsedMs);
    const known = result.turns[0]?.syncs !== undefined;
    const syncs = sum(result.turns, "syncs");
    return [
      result.name,
      rate.toFixed(0),
      `${Math.min(...rates).toFixed(0)}..${Math.max(...rates).toFixed(0)}`,
      raw === undefined ? "" : timesAsFast(result, raw).toFixed(2),
      best === undefined ? "" : timesAsFast(result, best).toFixed(2),
      known ? ((1_000 * syncs) / sum(result.turns, "elapsedMs")).toFixed(0) : "",
      known ? (sum(result.turns, "records") / syncs).toFixed(1) : "",
    ];
  });
  return ["", title, ...table(head, rows)];
}

/** How a contender stands to the raw one, or to the best peer, of the same row. */
export function ratio(row: Row, name: string, to: "raw" | "peer"): number {
  const other = to === "peer" ? bestPeer(row.results) : row.results.find(({ kind }) => kind === "raw");
  const own = row.results.find((result) => result.name === name);
  return own === undefined || other === undefined ? Number.NaN : timesAsFast(own, other);
}

export function recoveryReport(results: readonly RecoveryResult[]): string[] {
  const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  return [
    "",
    "Recovery: a cleanly closed log, every entry given out once while it is opened, a fresh process for each line.",
    ...table(
      ["", "entries", "MB", "ms", "MB/s", "entries/s", "peak MB above baseline", "after a quarter"],
      results.map((result) => [
        result.format,
        String(result.entries),
        megabytes(result.logBytes),
        result.elapsedMs.toFixed(0),
        recoveryRate(result).toFixed(0),
        ((1_000 * result.entries) / result.elapsedMs).toFixed(0),
        megabytes(result.peakBytes),
        megabytes(result.quarterPeakBytes),
      ]),
    ),
  ];
}

/** Megabytes (10^6) of log per second. */
export function recoveryRate({ logBytes, elapsedMs }: RecoveryResult): number {
  return logBytes / 1_000 / elapsedMs;
}

/** A floor that was not measured is missed. */
export function floorReport(floors: readonly Floor[]): string[] {
  return [
    "",
    "Floors",
    ...floors.map(
      ({ what, value, atLeast }) =>
        `${value >= atLeast ? "held  " : "MISSED"}  ${what}: ${value.toFixed(2)}, at least ${atLeast}`,
    ),
  ];
}

function bestPeer(results: readonly Result[]): Result | undefined {
  return results.filter(({ kind }) => kind === "peer").sort((a, b) => rateOf(b) - rateOf(a))[0];
}

function sum(turns: readonly Turn[], figure: keyof Turn): number {
  return turns.reduce((total, turn) => total + (turn[figure] ?? 0), 0);
}
