/**
 * The pause (SPEC S7): the longest stall that a reader, a writer or the event loop sees while the store merges its
 * segments and copies its contents, at 1,000,000 items; peers have no such thing to compare.
 *
 * All contents are in the content log, half of them garbage. A reader gets random items one after the other and lets
 * others run after each; a writer puts one after the other and waits until each is durable; a third does nothing but
 * come round with the event loop. Each says the longest it took from one step to the next. The same is measured while
 * nothing is going on, for what the disk and V8's collector do anyway. At the end the store is opened anew with all
 * defaults, and does by itself what it finds to do.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { seededRandom, systemClock } from "../../src/base/index.ts";
import type { Collection, Store } from "../../src/store/store.ts";
import { table } from "../table.ts";
import { batchItems, type Items, makeItems, valueBytes } from "./contender.ts";
import { openStoreLater } from "./holdfast.ts";
import type { Session } from "./session.ts";

const limitMs = 500;
const quietMs = 5_000;
/** While it is filled, a segment for each so many. */
const flushedItems = 100_000;
const name = "main";

interface Stalls {
  readonly phase: string;
  readonly durationMs: number;
  readonly gets: number;
  readonly puts: number;
  readonly readerMs: number;
  readonly writerMs: number;
  readonly loopMs: number;
}

export async function measurePause(session: Session): Promise<void> {
  const items = makeItems(5 * session.count);
  const folder = join(session.folder, "pause");
  mkdirSync(folder);
  try {
    const phases = [
      ...(await withStore(folder, true, (store, watch) => oneByOne(store, items, watch))),
      ...(await withStore(folder, false, async (_, watch) => {
        await watch("all by itself", items, () => waitMs(2 * quietMs));
      })),
    ];
    tell(session, items, phases);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Watch = (phase: string, items: Items, work: () => Promise<unknown>) => Promise<void>;

/** With `manual` nothing is merged but what is asked for, so that a phase is about one thing. */
async function withStore(
  folder: string,
  manual: boolean,
  work: (store: Store, watch: Watch) => Promise<void>,
): Promise<readonly Stalls[]> {
  const store = await openStoreLater({ folder, manual, contentFromBytes: valueBytes / 2 });
  const phases: Stalls[] = [];
  try {
    const collection = await store.collection(name);
    await work(store, async (phase, items, during) => {
      phases.push(await watched(phase, collection, items, during));
    });
  } finally {
    await store.close();
  }
  return phases;
}

async function oneByOne(store: Store, items: Items, watch: Watch): Promise<void> {
  await fill(store, items);
  await watch("nothing", items, () => waitMs(quietMs));
  await watch("flush", items, () => store.flush());
  await watch("compaction", items, () => store.compact());
  await watch("content compaction", items, () => store.compactContent({ minimumGarbage: 0 }));
  await watch("both again", items, async () => {
    await store.compact();
    await store.compactContent({ minimumGarbage: 0 });
  });
}

/** Everything once, then every second item again: the first contents of these are garbage. */
async function fill(store: Store, { ids, valueAt }: Items): Promise<void> {
  const write = async (some: readonly string[], shift: number): Promise<void> => {
    for (let from = 0; from < some.length; from += batchItems) {
      await store.write(
        some.slice(from, from + batchItems).map((id, place) => {
          return { op: "put", collection: name, id, content: valueAt(from + place + shift) };
        }),
        { durability: "visible" },
      );
      if ((from + batchItems) % flushedItems === 0) await store.flush();
    }
    await store.flush();
  };
  await write(ids, 0);
  await write(
    ids.filter((_, place) => place % 2 === 0),
    1,
  );
}

async function waitMs(durationMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  systemClock.schedule(durationMs, resolve);
  await promise;
}

async function watched(
  phase: string,
  collection: Collection,
  { ids, valueAt }: Items,
  work: () => Promise<unknown>,
): Promise<Stalls> {
  const random = seededRandom(3);
  const anyId = (): string => ids[Math.floor(random() * ids.length)]!;
  let isOver = false;
  const longestStep = async (step: () => Promise<unknown>): Promise<{ longestMs: number; steps: number }> => {
    let [longestMs, steps] = [0, 0];
    let last = systemClock.monotonicMs();
    while (!isOver) {
      await step();
      const now = systemClock.monotonicMs();
      longestMs = Math.max(longestMs, now - last);
      last = now;
      steps++;
    }
    return { longestMs, steps };
  };
  const start = systemClock.monotonicMs();
  const reader = longestStep(async () => {
    const item = await collection.get(anyId());
    if (!(item?.content instanceof Uint8Array) || item.content.length !== valueBytes)
      throw new Error("an item came back without its content");
    await nextTurn();
  });
  const writer = longestStep(() => collection.put(anyId(), { content: valueAt(Math.floor(random() * 4_096)) }));
  const loop = longestStep(nextTurn);
  const end = (): void => {
    isOver = true;
  };
  // Whoever fails first ends it for all.
  const working = work().finally(end);
  const [, read, written, turned] = await Promise.all([working, reader, writer, loop]).finally(end);
  return {
    phase,
    durationMs: systemClock.monotonicMs() - start,
    gets: read.steps,
    puts: written.steps,
    readerMs: read.longestMs,
    writerMs: written.longestMs,
    loopMs: turned.longestMs,
  };
}

function tell(session: Session, items: Items, phases: readonly Stalls[]): void {
  const head = [
    `S7: longest stall, ${items.ids.length.toLocaleString("en")} items, ms`,
    "reader",
    "writer",
    "event loop",
    "for, s",
    "gets",
    "puts",
  ];
  const rows = phases.map(({ phase, durationMs, gets, puts, readerMs, writerMs, loopMs }) => [
    `  ${phase}`,
    readerMs.toFixed(1),
    writerMs.toFixed(1),
    loopMs.toFixed(1),
    (durationMs / 1_000).toFixed(1),
    String(gets),
    String(puts),
  ]);
  for (const line of table(head, rows)) session.say(line);
  const worst = Math.max(...phases.flatMap(({ readerMs, writerMs, loopMs }) => [readerMs, writerMs, loopMs]));
  session.say(`${worst < limitMs ? "held  " : "MISSED"}  below ${limitMs} ms: ${worst.toFixed(1)} ms\n`);
  session.keep("pauses", phases);
}
