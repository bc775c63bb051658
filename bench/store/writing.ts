/**
 * Writing what survives power loss: puts one at a time by 1, 64 and 256 writers side by side, and loading in batches.
 *
 * Writers work in a closed loop: each waits until its put is acknowledged. They write over a store that holds the items
 * already, ids in no order, half of them new. A store that blocks has no writers side by side: each of its puts is a
 * transaction of its own whatever their number; beside it stands what its thread could do with so many in one
 * transaction (marked with an asterisk: a program would have to gather them).
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/index.ts";
import { blockingLoop, closedLoop, type Turn } from "../wal/contender.ts";
import type { Contender, Items, PutWay } from "./contender.ts";
import type { Line } from "./report.ts";
import { inTurns } from "./rounds.ts";
import { measureLines, type OpenContender, report, type Session, type WayTurn, withStores } from "./session.ts";

const writerCounts = [1, 64, 256];

export async function measurePuts(session: Session): Promise<void> {
  await withStores(session, session.contenders, {}, async (open) => {
    const nexts = open.map(() => pairs(session.items));
    for (const writers of writerCounts) {
      const lines = await measureLines(
        session,
        open.flatMap((one, place) => putLines(session, one, writers, nexts[place]!)),
      );
      const title = `durable puts, ${writers} ${writers === 1 ? "writer" : "writers"}`;
      report(session, { title, unit: "puts/s", better: "more", lines });
    }
  });
}

function putLines(
  { turnMs }: Session,
  { contender, store }: OpenContender,
  writers: number,
  next: () => Pair,
): WayTurn[] {
  const lines: WayTurn[] = [];
  for (const [way, run] of Object.entries(store.put)) {
    const name = `${contender.name}, ${way}`;
    lines.push({ name, isOwn: contender.isOwn, turn: async () => rate(await putTurn(run, writers, turnMs, next)) });
    if (!run.blocks || writers === 1) continue;
    lines.push({
      name: `${name}, ${writers} a transaction`,
      isOwn: contender.isOwn,
      isAside: true,
      turn: async () => rate(blockingLoop(turnMs, writers, () => run.together(Array.from({ length: writers }, next)))),
    });
  }
  return lines;
}

async function putTurn(run: PutWay, writers: number, turnMs: number, next: () => Pair): Promise<Turn> {
  return run.blocks
    ? blockingLoop(turnMs, 1, () => run.put(...next()))
    : closedLoop(writers, turnMs, 1, () => run.put(...next()));
}

type Pair = readonly [string, Uint8Array];

/** No id gets the value that it has: sqlite would see that, and write nothing. */
function pairs({ writtenIds, valueAt }: Items): () => Pair {
  let next = 0;
  return () => {
    const count = next++;
    return [writtenIds[count % writtenIds.length]!, valueAt(count + Math.floor(count / writtenIds.length))];
  };
}

function rate({ records, elapsedMs }: Turn): number {
  return (1_000 * records) / elapsedMs;
}

/** Each round into a folder of its own, from opening to the last acknowledgement; merging afterwards is not counted. */
export async function measureBulk(session: Session): Promise<void> {
  const lines: Omit<Line, "values">[] = [];
  const turns: (() => Promise<number>)[] = [];
  for (const contender of session.contenders)
    for (const way of await loadWaysOf(session, contender)) {
      lines.push({ name: `${contender.name}, ${way}`, isOwn: contender.isOwn });
      turns.push(() => loadOnce(session, contender, way));
    }
  const values = await inTurns(turns, Math.min(session.rounds, 3));
  report(session, {
    title: "bulk load, durable batches of 1,000",
    unit: "items/s",
    better: "more",
    lines: lines.map((line, place) => ({ ...line, values: values[place]! })),
  });
}

async function loadWaysOf(session: Session, contender: Contender): Promise<readonly string[]> {
  return withEmpty(session, async (folder) => {
    const store = await contender.open(folder);
    await store.close();
    return Object.keys(store.load);
  });
}

async function loadOnce(session: Session, contender: Contender, way: string): Promise<number> {
  return withEmpty(session, async (folder) => {
    const start = systemClock.monotonicMs();
    const store = await contender.open(folder);
    await store.load[way]!(session.items);
    const elapsedMs = systemClock.monotonicMs() - start;
    await store.close();
    return (1_000 * session.count) / elapsedMs;
  });
}

async function withEmpty<T>(session: Session, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(session.folder, "bulk");
  mkdirSync(folder);
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
