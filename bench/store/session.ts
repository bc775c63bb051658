/** What the parts of a run share: who is measured, how long, and where the figures go. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/index.ts";
import type { Contender, Items, KeyValueStore, OpenOptions, Ways } from "./contender.ts";
import { type Line, type Row, resultOf, rowReport } from "./report.ts";
import { inTurns } from "./rounds.ts";

export interface Session {
  readonly contenders: readonly Contender[];
  /** How many items; the parts about many take five times as many, vectors a quarter. */
  readonly count: number;
  readonly items: Items;
  readonly rounds: number;
  /** Of each line, in each round. */
  readonly turnMs: number;
  /** Empty at first; who makes something in it removes it. */
  readonly folder: string;
  readonly without: readonly string[];
  say(line: string): void;
  keep(kind: string, value: unknown): void;
}

export function report(session: Session, row: Row): void {
  const result = resultOf(row);
  for (const line of rowReport(result)) session.say(line);
  session.keep("rows", result);
}

export interface OpenContender {
  readonly contender: Contender;
  readonly store: KeyValueStore;
}

/** Opens all, loads what they are to hold, and closes and removes them after the work. */
export async function withStores(
  session: Session,
  contenders: readonly Contender[],
  options: OpenOptions,
  work: (open: readonly OpenContender[]) => Promise<void>,
): Promise<void> {
  const folder = join(session.folder, "stores");
  const open: OpenContender[] = [];
  try {
    for (const [place, contender] of contenders.entries()) {
      const own = join(folder, String(place));
      mkdirSync(own, { recursive: true });
      const store = await contender.open(own, options);
      open.push({ contender, store });
      await Object.values(store.load)[0]!(session.items);
      if (options.keepsInMemory !== true) await store.settle();
    }
    await work(open);
  } finally {
    for (const { store } of open) await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface WayTurn {
  readonly name: string;
  readonly isOwn: boolean;
  readonly isAside?: boolean;
  /** What was done, in units a second. */
  readonly turn: () => Promise<number>;
}

/** One line for each way of each contender. */
export function linesFor<Run>(
  open: readonly OpenContender[],
  waysOf: (store: KeyValueStore) => Ways<Run>,
  turn: (run: Run, of: OpenContender) => Promise<number>,
): WayTurn[] {
  return open.flatMap((one) =>
    Object.entries(waysOf(one.store)).map(([way, run]) => ({
      name: `${one.contender.name}, ${way}`,
      isOwn: one.contender.isOwn,
      turn: () => turn(run, one),
    })),
  );
}

/** Each once to warm up, then all in turns. */
export async function measureLines(session: Session, lines: readonly WayTurn[]): Promise<Line[]> {
  for (const { turn } of lines) await turn();
  const values = await inTurns(
    lines.map(({ turn }) => turn),
    session.rounds,
  );
  return lines.map(({ turn: _, ...line }, place) => ({ ...line, values: values[place]! }));
}

/** Units a second: `work` says how many units it did, and is repeated until the turn is over. */
export async function rateOf(turnMs: number, work: () => number | Promise<number>): Promise<number> {
  const start = systemClock.monotonicMs();
  let done = 0;
  do {
    const some = work();
    done += typeof some === "number" ? some : await some;
  } while (systemClock.monotonicMs() - start < turnMs);
  return (1_000 * done) / (systemClock.monotonicMs() - start);
}
