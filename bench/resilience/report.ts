/** The tables of what a guard costs. */
import { median } from "../kernels/interleaved.ts";
import { table } from "../table.ts";
import type { Figures } from "./alone.ts";
import type { Contender } from "./contender.ts";

export interface Timed {
  readonly contender: Contender;
  /** Nanoseconds per call, one a round. */
  readonly times: readonly number[];
}

export interface TimedResult {
  readonly name: string;
  readonly kind: string;
  readonly role: string;
  readonly medianNs: number;
  readonly fastestNs: number;
  /** Above the bare call of the same round. */
  readonly overheadNs: number;
  /** That overhead as a multiple of the reference's, round by round; of the whole time where overhead means nothing. */
  readonly ofReference: number;
}

/** `by` is what is compared with the reference. */
export function summarise(row: readonly Timed[], by: "overhead" | "time"): TimedResult[] {
  const reference = row.find(({ contender }) => contender.role === "reference");
  const compared = (one: Timed): readonly number[] => (by === "time" ? one.times : overheads(one, row));
  return row.map((one) => ({
    name: one.contender.name,
    kind: one.contender.kind,
    role: one.contender.role,
    medianNs: median(one.times),
    fastestNs: Math.min(...one.times),
    overheadNs: median(overheads(one, row)),
    ofReference:
      reference === undefined
        ? Number.NaN
        : median(compared(one).map((value, round) => value / compared(reference)[round]!)),
  }));
}

function overheads({ contender, times }: Timed, row: readonly Timed[]): number[] {
  const bare = row.find((other) => other.contender.role === "bare" && other.contender.kind === contender.kind);
  return times.map((time, round) => time - (bare?.times[round] ?? Number.NaN));
}

export function timedReport(
  title: string,
  results: readonly TimedResult[],
  by: "overhead" | "time",
  alone: ReadonlyMap<string, Figures>,
): string[] {
  const head = ["", "ns/call", "fastest", "overhead ns", `${by} of cockatiel's`];
  if (alone.size > 0) head.push("alone, ns/call", "alone, overhead");
  const rows = results.map((result) => {
    const { name, role, medianNs, fastestNs, overheadNs, ofReference } = result;
    const isBare = role === "bare";
    const cells = [name, nanoseconds(medianNs), nanoseconds(fastestNs)];
    cells.push(isBare ? "" : nanoseconds(overheadNs), isBare ? "" : ofReference.toFixed(3));
    const figures = alone.get(name);
    if (alone.size > 0)
      cells.push(cell(figures?.ns, nanoseconds), isBare ? "" : cell(figures?.overheadNs, nanoseconds));
    return cells;
  });
  return ["", title, ...table(head, rows)];
}

/** One line a contender, one column a figure. */
export function figuresReport(
  title: string,
  columns: Readonly<Record<string, { readonly key: string; readonly digits: number }>>,
  lines: ReadonlyMap<string, Figures>,
): string[] {
  const rows = [...lines].map(([name, figures]) => [
    name,
    ...Object.values(columns).map(({ key, digits }) => cell(figures[key], (value) => value.toFixed(digits))),
  ]);
  return ["", title, ...table(["", ...Object.keys(columns)], rows)];
}

function nanoseconds(value: number): string {
  return value.toFixed(1);
}

function cell(value: number | undefined, show: (value: number) => string): string {
  return value === undefined ? "" : show(value);
}
