import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Clock, HoldfastError, seededRandom, utf8, utf8Text, VirtualClock } from "../../base/index.ts";
import { type Disk, faults, NodeDisk, SimDisk } from "../../disk/index.ts";
import { diskReplayJournal } from "./disk-replay-journal.ts";
import type { ReplayItem } from "./replay-items.ts";
import type { ReplayQueue, ReplayQueueOptions } from "./replay-options.ts";
import { replayQueue } from "./replay-queue.ts";

const path = "/data/journal";

async function open(
  disk: Disk,
  options: Partial<ReplayQueueOptions<string>> & { readonly salvage?: boolean; readonly at?: string } = {},
): Promise<ReplayQueue<string>> {
  const { salvage = false, at = path, ...rest } = options;
  return replayQueue<string>({
    clock: new VirtualClock(),
    random: seededRandom(5),
    apply: () => {},
    journal: diskReplayJournal({ disk, path: at, salvage }),
    ...rest,
  });
}

async function diskWith(options: ConstructorParameters<typeof SimDisk>[0] = {}): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.makeFolder("/data");
  return disk.restarted(options);
}

describe("a replay queue with a journal on a disk", () => {
  it("R13: is there again in the next process: items in order, attempts, dead letters, sequence numbers", async () => {
    const folder = await mkdtemp(join(tmpdir(), "replay-"));
    const [disk, at] = [new NodeDisk(), join(folder, "journal")];
    const fails = (item: ReplayItem<string>): void => {
      if (item.value.startsWith("bad")) throw new Error("no");
    };
    const options = { at, apply: fails, isOutage: () => false, deadLetterAfter: 2 };
    {
      await using queue = await open(disk, options);
      expect(await queue.enqueue("a", "a1")).toMatchObject({ durability: "queued-durable", isDuplicate: false });
      await Promise.all([queue.enqueue("b", "bad1"), queue.enqueue("b", "b2"), queue.enqueue("c", "bad3")]);
      await queue.drain();
      await expect(open(disk, { at })).rejects.toThrow("DISK_LOCKED");
    }
    {
      await using queue = await open(disk, options);
      expect([queue.size, queue.has("a"), queue.latest("b")?.value]).toEqual([3, false, "b2"]);
      await queue.drain();
      expect(queue.deadLetters.map(({ value }) => value)).toEqual(["bad1", "bad3"]);
      await queue.requeue(queue.deadLetters[0]!.sequence);
    }
    await using queue = await open(disk, { at });
    expect(queue.deadLetters.map(({ value, reason, attempts }) => [value, reason, attempts])).toEqual([
      ["bad3", "no", 2],
    ]);
    expect((await queue.enqueue("z", "z")).sequence).toBe(6);
    expect((await queue.drain()).applied).toBe(2);
  });

  it("R13: is written anew where most of it is spent", async () => {
    const disk = await diskWith();
    await using queue = await open(disk);
    for (let round = 0; round < 40; round++) {
      for (let number = 0; number < 100; number++) void queue.enqueue("k", "x".repeat(100));
      await queue.drain();
    }
    expect((await disk.stat(path))!.sizeBytes).toBeLessThan(300_000);
    expect(queue.size).toBe(0);
  });

  it("R13: is one sync for all who write in one turn", async () => {
    const disk = await diskWith();
    await using queue = await open(disk);
    const before = disk.steps;
    await Promise.all(Array.from({ length: 50 }, (_, number) => queue.enqueue("k", String(number))));
    expect(disk.steps - before).toBeLessThanOrEqual(4);
  });

  it.each([
    ["write", faults.failWrite({ path: /journal/, occurrence: 3, forever: true })],
    ["sync", faults.failSync({ path: /journal/, occurrence: 3, forever: true })],
  ])("R13: says volatile where the journal's %s fails, or refuses where that is wanted", async (_, fault) => {
    for (const onJournalFailure of ["volatile", "refuse"] as const) {
      const clock = new VirtualClock();
      await using queue = await open(await diskWith({ faults: [fault] }), { onJournalFailure, clock });
      expect((await queue.enqueue("a", "1")).durability).toBe("queued-durable");
      const second = queue.enqueue("a", "2");
      if (onJournalFailure === "refuse") {
        await expect(second).rejects.toMatchObject({ code: "DEGRADED_JOURNAL_FAILED", retryable: true });
        expect(queue.latest("a")?.value).toBe("1");
      } else expect((await second).durability).toBe("queued-volatile");
    }
  });

  it("R13: a journal that failed once is written anew, and what was volatile is durable then", async () => {
    const clock = new VirtualClock();
    const disk = await diskWith({
      faults: [
        faults.failSync({ path: /journal$/, occurrence: 2, lies: true }),
        faults.failOpen({ path: /tmp/, occurrence: 2 }),
      ],
    });
    const queue = await open(disk, { clock });
    expect((await queue.enqueue("a", "1")).durability).toBe("queued-durable");
    expect((await queue.enqueue("a", "2")).durability).toBe("queued-volatile");
    expect((await queue.enqueue("a", "3")).durability).toBe("queued-volatile");
    clock.advanceSync(1_000);
    expect((await queue.enqueue("a", "4")).durability).toBe("queued-durable");
    const applied: string[] = [];
    const next = await open(disk.survivor([]), { apply: ({ value }) => void applied.push(value) });
    await next.drain();
    expect(applied).toEqual(["1", "2", "3", "4"]);
  });

  it("R13: a key whose end the journal could not note stays waiting, and is not applied again", async () => {
    const clock = new VirtualClock();
    const applied: string[] = [];
    const disk = await diskWith({
      faults: [faults.failWrite({ path: /journal$/, occurrence: 2 }), faults.failOpen({ path: /tmp/, occurrence: 2 })],
    });
    const queue = await open(disk, { clock, apply: ({ value }) => void applied.push(value) });
    await queue.enqueue("a", "1");
    expect(await queue.drain()).toMatchObject({ applied: 1, ended: "journal", left: 1 });
    expect(queue.has("a")).toBe(true);
    clock.advanceSync(1_000);
    expect(await queue.drain()).toMatchObject({ applied: 0, ended: "done", left: 0 });
    expect([queue.has("a"), applied]).toEqual([false, ["1"]]);
  });

  it("R13: refuses a value that JSON cannot say, and goes on", async () => {
    const queue = await replayQueue<unknown>({
      apply: () => {},
      journal: diskReplayJournal({ disk: await diskWith(), path }),
    });
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    for (const value of [circle, 1n, undefined]) {
      await expect(queue.enqueue("a", value)).rejects.toMatchObject({ code: "DEGRADED_NOT_SERIALISABLE" });
    }
    expect([(await queue.enqueue("a", 1)).durability, queue.size]).toEqual(["queued-durable", 1]);
  });

  it("R13: is bounded in bytes, too", async () => {
    await using queue = await open(await diskWith(), { limitBytes: 1_000 });
    await queue.enqueue("a", "x".repeat(600));
    await expect(queue.enqueue("a", "x".repeat(600))).rejects.toThrow("DEGRADED_QUEUE_FULL");
    await queue.drain();
    await queue.enqueue("a", "x".repeat(600));
  });

  it("R13: counts the bytes of a newer value that takes the place of one that waits", async () => {
    await using queue = await open(await diskWith(), { limitBytes: 1_000, onDuplicate: "replace" });
    await queue.enqueue("a", "small", { idempotencyKey: "once" });
    const grown = queue.enqueue("a", "x".repeat(2_000), { idempotencyKey: "once" });
    await expect(grown).rejects.toThrow("DEGRADED_QUEUE_FULL");
    expect(queue.latest("a")?.value).toBe("small");
    await queue.enqueue("a", "x".repeat(500), { idempotencyKey: "once" });
    expect(queue.latest("a")?.value).toHaveLength(500);
  });

  it("R13: cuts a torn tail off, and refuses damage before entries that are whole, unless told to salvage", async () => {
    const disk = await diskWith();
    {
      await using queue = await open(disk);
      for (const value of ["one", "two", "three"]) await queue.enqueue("a", value);
    }
    const whole = await disk.readFile(path);
    for (let length = whole.length; length > whole.length - 40; length--) {
      await disk.writeFile(path, whole.subarray(0, length));
      await using queue = await open(disk);
      expect(queue.size).toBe(length === whole.length ? 3 : 2);
      expect((await disk.readFile(path)).at(-1)).toBe(0x0a);
      await queue.enqueue("a", "again");
    }
    const damaged = utf8(utf8Text(whole).replace("two", "tvo"));
    await disk.writeFile(path, damaged);
    await expect(open(disk)).rejects.toMatchObject({ code: "DEGRADED_JOURNAL_DAMAGED" });
    await using queue = await open(disk, { salvage: true });
    expect([queue.size, queue.latest("a")?.value]).toEqual([2, "three"]);
    expect(await disk.readFile(`${path}.damaged`)).toEqual(damaged);
  });

  it("R13: a journal that failed takes no more before it was written anew, and then from where it is whole", async () => {
    const disk = await diskWith({ faults: [faults.failWrite({ path: /journal$/, bytes: 5 })] });
    const journal = diskReplayJournal({ disk, path });
    const record = (sequence: number) => ({ kind: "done", sequences: [sequence] }) as const;
    await journal.load();
    await journal.rewrite([record(1)]);
    await expect(journal.append([record(2)])).rejects.toThrow("DISK_IO");
    await expect(journal.append([record(3)])).rejects.toThrow("DEGRADED_JOURNAL_FAILED");
    await journal.rewrite([record(1)]);
    await journal.append([record(4)]);
    await journal[Symbol.asyncDispose]();
    expect(await diskReplayJournal({ disk, path }).load()).toEqual([record(1), record(4)]);
  });

  it("R13: refuses records that are none", async () => {
    const disk = await diskWith();
    const journal = diskReplayJournal({ disk, path });
    await journal.load();
    await journal.rewrite([
      { kind: "add", sequence: 1.5 },
      { kind: "odd", sequence: 1 },
    ] as never);
    await journal[Symbol.asyncDispose]();
    await expect(open(disk)).rejects.toThrow("DEGRADED_JOURNAL_DAMAGED");
  });

  it("R13: loses nothing acknowledged at any step at which the power may go; repetitions have the same key", async () => {
    const looked = await crashEverywhere();
    expect(looked.steps).toBeGreaterThan(50);
    expect(looked.survivors).toBeGreaterThan(500);
    expect(looked.repeated).toBeGreaterThan(0);
  }, 60_000);
});

interface Seen {
  /** By idempotency key, in the order of being applied, repetitions among them. */
  readonly applied: { readonly key: string; readonly idempotencyKey: string; readonly value: string }[];
  readonly submitted: Map<string, string>;
  readonly acknowledged: string[];
  /** Given up by hand. */
  readonly discarded: string[];
}

/** What happens before the power goes: writes, outages, drains, dead letters, rewrites, a restart. */
async function script(disk: SimDisk, clock: Clock, seen: Seen): Promise<void> {
  let isAway = false;
  for (const round of [1, 2, 3]) {
    const queue = await open(disk, {
      clock,
      batch: 2,
      compactFrom: 6,
      deadLetterAfter: 1,
      apply: target(seen, () => isAway || disk.hasCrashed),
    });
    const write = async (key: string, name: string): Promise<void> => {
      const value = `${key}${round}${name}`;
      seen.submitted.set(value, key);
      const { durability } = await queue.enqueue(key, value, { idempotencyKey: value });
      if (durability === "queued-durable") seen.acknowledged.push(value);
    };
    isAway = true;
    await write("a", "1");
    await Promise.all([write("b", "1"), write("a", "2"), write("c", "bad"), write("d", "1".repeat(600))]);
    await queue.drain();
    isAway = false;
    const draining = queue.drain();
    await Promise.all([write("a", "3"), write("d", "2")]);
    await draining;
    await write("b", "2");
    const letter = queue.deadLetters[0];
    if (letter !== undefined && round === 2) seen.discarded.push(letter.value);
    if (letter !== undefined) await (round === 2 ? queue.discard : queue.requeue).call(queue, letter.sequence);
    if (round !== 3) await queue.drain();
    await queue[Symbol.asyncDispose]();
  }
}

function target(seen: Seen, isAway: () => boolean) {
  return async ({ key, idempotencyKey, value }: ReplayItem<string>): Promise<void> => {
    await Promise.resolve();
    if (isAway()) throw new HoldfastError("BREAKER_OPEN", "away", { retryable: true });
    if (value.endsWith("bad")) throw new Error("bad");
    seen.applied.push({ key, idempotencyKey, value });
  };
}

async function crashEverywhere(): Promise<{ steps: number; survivors: number; repeated: number }> {
  const found = { steps: 0, survivors: 0, repeated: 0 };
  for (let step = 1; ; step++) {
    const disk = await diskWith();
    disk.crashAtStep(step);
    const seen: Seen = { applied: [], submitted: new Map(), acknowledged: [], discarded: [] };
    let isWhole = false;
    await script(disk, new VirtualClock(), seen).then(
      () => (isWhole = true),
      () => undefined,
    );
    // A crashed disk fails every call, which the queue takes for a broken journal; it may go on in memory.
    if (isWhole && !disk.hasCrashed) return found;
    found.steps++;
    const random = seededRandom(step);
    for (const survivor of disk.survivors({ limit: 48, random })) {
      found.survivors++;
      const after: Seen = { ...seen, applied: [] };
      const queue = await open(survivor.disk, { apply: target(after, () => false), isOutage: () => false });
      for (let time = 0; time < 5; time++) await queue.drain();
      found.repeated += judge(seen, after, queue, `step ${step}, survivor ${survivor.choices.join()}`);
    }
  }
}

/** Throws where a promise is broken; gives how many items were applied twice. */
function judge(seen: Seen, after: Seen, queue: ReplayQueue<string>, place: string): number {
  const before = new Set(seen.applied.map(({ value }) => value));
  const later = after.applied.map(({ value }) => value);
  const dead = new Set(queue.deadLetters.map(({ value }) => value));
  for (const value of seen.discarded) dead.add(value);
  expect(queue.size, place).toBe(0);
  for (const value of seen.acknowledged) {
    const isKept = before.has(value) || later.includes(value) || dead.has(value);
    expect(isKept, `${place}: ${value} was acknowledged and is lost`).toBe(true);
  }
  expect(new Set(later).size, `${place}: twice in one life`).toBe(later.length);
  for (const { key, value, idempotencyKey } of after.applied) {
    expect([seen.submitted.get(value), idempotencyKey], place).toEqual([key, value]);
  }
  for (const key of ["a", "b", "d"]) {
    const order = after.applied.filter((item) => item.key === key).map(({ value }) => value);
    expect([...order].sort(), place).toEqual(order);
    // Nothing old comes back over something newer.
    const all = [...seen.applied, ...after.applied].filter((item) => item.key === key).map(({ value }) => value);
    if (order.length > 0) expect(all.at(-1), place).toBe([...all].sort().at(-1));
  }
  return later.filter((value) => before.has(value)).length;
}
