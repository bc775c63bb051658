/**
 * Reading: random ids, absent ids, ranges and everything, from the table in memory and from files.
 *
 * Everything is warm: all was read once before, within caches of 256 MiB. In memory means that nothing was moved into
 * sorted files since it was written, for the stores that have such files; lmdb and sqlite have one place for all.
 */
import { seededRandom } from "../../src/base/index.ts";
import { type Answer, type Items, type KeyValueStore, valueBytes, type Ways } from "./contender.ts";
import { linesFor, measureLines, type OpenContender, rateOf, report, type Session, withStores } from "./session.ts";

export type ReadingPart = "get" | "many" | "absent" | "scan" | "range";

/** Ids a call of `get`, and of `getMany`. */
const [getIds, manyIds] = [1_000, 100];
const [rangesAtOnce, rangeItems] = [20, 100];

interface ReadingRow {
  readonly part: ReadingPart;
  readonly title: string;
  readonly unit: string;
  /** One line for each way, with the work of one turn's step. */
  readonly lines: (open: readonly OpenContender[]) => ReturnType<typeof linesFor>;
}

export async function measureReading(session: Session, parts: ReadonlySet<string>): Promise<void> {
  const readers = session.contenders.filter(({ writesOnly }) => writesOnly !== true);
  for (const place of ["memory", "files"] as const) {
    const rows = rowsFor(session, place).filter(({ part }) => parts.has(part));
    if (rows.length === 0) continue;
    await withStores(session, readers, { keepsInMemory: place === "memory" }, async (open) => {
      for (const { store } of open) await Object.values(store.scan)[0]!();
      for (const { title, unit, lines } of rows)
        report(session, { title, unit, better: "more", lines: await measureLines(session, lines(open)) });
    });
  }
}

function rowsFor(session: Session, place: "memory" | "files"): readonly ReadingRow[] {
  const { items, count } = session;
  const picks = new Picks(items);
  const stepsOf = (title: string, part: ReadingPart, number: number, waysOf: GetsOf, next: NextIds, found: boolean) => {
    return {
      part,
      title: `${title}, ${place}`,
      unit: "ids/s",
      lines: (open: readonly OpenContender[]) =>
        linesFor(open, waysOf, (run) =>
          rateOf(session.turnMs, () => expecting(run(next(number)), found ? number * valueBytes : 0, number)),
        ),
    };
  };
  const present: NextIds = (number) => picks.present(number);
  const absent: NextIds = (number) => picks.absent(number);
  const get = stepsOf("get, random ids", "get", getIds, ({ get }) => get, present, true);
  if (place === "memory") return [get];
  const itemBytes = items.ids[0]!.length + valueBytes;
  return [
    get,
    stepsOf("get, absent ids", "absent", getIds, ({ get }) => get, absent, false),
    stepsOf(`getMany, ${manyIds} ids`, "many", manyIds, ({ getMany }) => getMany, present, true),
    {
      part: "range",
      title: `ranges of ${rangeItems}, ${place}`,
      unit: "items/s",
      lines: (open) =>
        linesFor(
          open,
          ({ ranges }) => ranges,
          (run) => {
            const number = rangesAtOnce * rangeItems;
            return rateOf(session.turnMs, () =>
              expecting(run(picks.starts(rangesAtOnce), rangeItems), number * itemBytes, number),
            );
          },
        ),
    },
    {
      part: "scan",
      title: `scan of all, ${place}`,
      unit: "items/s",
      lines: (open) =>
        linesFor(
          open,
          ({ scan }) => scan,
          (run) => rateOf(session.turnMs, () => expecting(run(), count * itemBytes, count)),
        ),
    },
  ];
}

type GetsOf = (store: KeyValueStore) => Ways<(ids: readonly string[]) => Answer>;
type NextIds = (number: number) => readonly string[];

/** Lists made beforehand, so that choosing what to read is not what is measured. */
class Picks {
  readonly #present: readonly (readonly string[])[];
  readonly #absent: readonly (readonly string[])[];
  readonly #starts: readonly string[];
  #next = 0;

  constructor({ ids, writtenIds }: Items) {
    const stored = new Set(ids);
    const random = seededRandom(2);
    const chosen = (from: readonly string[]): string[][] =>
      Array.from({ length: 64 }, () => Array.from({ length: getIds }, () => from[Math.floor(random() * from.length)]!));
    this.#present = chosen(ids);
    this.#absent = chosen(writtenIds.filter((id) => !stored.has(id)));
    const sorted = ids.toSorted();
    this.#starts = chosen(sorted.slice(0, sorted.length - rangeItems)).flat();
  }

  present(number: number): readonly string[] {
    return this.#part(this.#present, number);
  }

  absent(number: number): readonly string[] {
    return this.#part(this.#absent, number);
  }

  starts(number: number): readonly string[] {
    const from = (this.#next++ * number) % (this.#starts.length - number);
    return this.#starts.slice(from, from + number);
  }

  #part(lists: readonly (readonly string[])[], number: number): readonly string[] {
    const list = lists[this.#next++ % lists.length]!;
    return number === list.length ? list : list.slice(0, number);
  }
}

/** A promise is made only where there was one: what answers at once is not to be slowed. */
function expecting(answer: Answer, wantedBytes: number, units: number): number | Promise<number> {
  const check = (bytes: number): number => {
    if (bytes !== wantedBytes) throw new Error(`${bytes} bytes came back instead of ${wantedBytes}`);
    return units;
  };
  return typeof answer === "number" ? check(answer) : answer.then(check);
}
