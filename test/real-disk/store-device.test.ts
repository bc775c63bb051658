/**
 * A store on devices that fail: a file system that is full and then is not, one that is shut down, and one whose device
 * has no room beneath it, so that a sync fails. The store waits by a clock of its own; everything else is real.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import type { Collection, Store, StoreEvent } from "../../src/store/store.ts";
import { LoopFileSystem, whyNoLoop } from "./loop-file-system.ts";

const missing = whyNoLoop();
const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;

interface Opened {
  readonly store: Store;
  readonly notes: Collection;
  readonly clock: VirtualClock;
  readonly events: StoreEvent[];
}

async function opened(loop: LoopFileSystem): Promise<Opened> {
  const clock = new VirtualClock();
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const folder = join(loop.folder, "store");
  const store = await openStore({ folder, clock, onEvent, background: "slices", memtableEntries: 200 });
  return { store, notes: await store.collection("notes"), clock, events };
}

/** Time passes for the store, and it does what it then does. */
async function recovered({ store, clock }: Opened): Promise<void> {
  for (let turn = 0; turn < 200 && (store.level !== "normal" || store.statistics().queuedWrites > 0); turn++) {
    await clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What was promised for each id, "durable" or "queued". */
type Promises = Map<string, string>;

const contentOf = (id: string): string => `${id} ${"x".repeat(3_000)}`;

/** Writes until so many writes in a row were not durable. */
async function writeUntilQueued({ notes }: Opened, promises: Promises, queued: number, most = 100_000): Promise<void> {
  let inARow = 0;
  for (let place = promises.size; inARow < queued && place < most; place++) {
    const id = `k${String(place).padStart(6, "0")}`;
    const { durability } = await notes.put(id, { content: contentOf(id) });
    promises.set(id, durability);
    inARow = durability === "durable" ? 0 : inARow + 1;
  }
  expect(inARow).toBe(queued);
}

async function expectKept(notes: Collection, promises: Promises, kinds: readonly string[]): Promise<void> {
  const found = new Map<string, unknown>();
  for await (const { id, content } of notes.scan()) found.set(id, content);
  for (const [id, kind] of promises)
    if (kinds.includes(kind) && found.get(id) !== contentOf(id)) expect([id, kind]).toBe("there");
  for (const [id, content] of found) if (content !== contentOf(id)) expect(id).toBe("as it was written");
}

function fill(path: string): void {
  let chunk = Buffer.alloc(1 << 20, 1);
  while (chunk.length >= 512) {
    try {
      writeFileSync(path, chunk, { flag: "a" });
    } catch {
      chunk = chunk.subarray(0, chunk.length >> 1);
    }
  }
}

describe.skipIf(missing !== undefined)("a store on a device that fails", () => {
  it(`S8: on a full file system reads on, queues, and makes up for it once there is space${skipped}`, async () => {
    using loop = LoopFileSystem.make({ sizeBytes: 48 * 2 ** 20 });
    const one = await opened(loop);
    const promises: Promises = new Map();
    await one.notes.put("k000000", { content: contentOf("k000000") });
    promises.set("k000000", "durable");
    const filler = join(loop.folder, "filler");
    fill(filler);
    await writeUntilQueued(one, promises, 30);
    expect(one.store.level).toBe("read-only");
    const durable = [...promises.values()].filter((kind) => kind === "durable").length;
    expect(durable).toBeGreaterThan(1);
    await expectKept(one.notes, promises, ["durable"]);
    // As long as it is full nothing gets better, nor worse.
    await one.clock.advance(10_000);
    expect(one.store.level).toBe("read-only");
    rmSync(filler);
    await recovered(one);
    expect(one.store.statistics()).toMatchObject({ level: "normal", queuedWrites: 0 });
    expect(await one.notes.put("k999999", { content: contentOf("k999999") })).toMatchObject({ durability: "durable" });
    await one.store.close();
    loop.unmount();
    loop.mount();
    const again = await opened(loop);
    await expectKept(again.notes, promises, ["durable", "queued"]);
    await again.store.close();
  }, 120_000);

  it(`S8: is shut down under it, answers what it can, says what it could not save, and has the rest${skipped}`, async () => {
    using loop = LoopFileSystem.make({ sizeBytes: 64 * 2 ** 20 });
    const one = await opened(loop);
    const promises: Promises = new Map();
    for (let place = 0; place < 500; place++) {
      const id = `k${String(place).padStart(6, "0")}`;
      promises.set(id, (await one.notes.put(id, { content: contentOf(id) })).durability);
    }
    // Where no sync is under way: ext4 may call one a success while it is shut down (see failing-device.test.ts).
    await one.store.flush();
    const late = await one.notes.put("late", { content: contentOf("late") });
    promises.set("late", late.durability);
    loop.shutDown("at once");
    await writeUntilQueued(one, promises, 20);
    expect(["read-only", "memory-only"]).toContain(one.store.level);
    for (const id of promises.keys()) {
      const kind = promises.get(id);
      const item = await one.notes.get(id).catch((error: unknown) => error);
      if (kind === "durable")
        expect(item).toMatchObject(item instanceof Error ? { code: /^DISK_/ } : { content: contentOf(id) });
    }
    await expect(one.store.close()).rejects.toMatchObject({
      code: "STORE_UNSAVED",
      details: { queued: 19, unsynced: 1 },
    });
    loop.unmount();
    loop.mount();
    const again = await opened(loop);
    await expectKept(again.notes, promises, ["durable"]);
    await again.store.close();
  }, 120_000);

  it(`S8: on a device without room believes no sync after the one that failed${skipped}`, async () => {
    using loop = LoopFileSystem.make({ sizeBytes: 64 * 2 ** 20, backingLimitBytes: 24 * 2 ** 20 });
    const one = await opened(loop);
    const promises: Promises = new Map();
    for (let place = 0; place < 100; place++) {
      const id = `k${String(place).padStart(6, "0")}`;
      promises.set(id, (await one.notes.put(id, { content: contentOf(id) })).durability);
    }
    const giveBack = loop.fillBacking();
    await writeUntilQueued(one, promises, 20);
    expect(one.store.level).not.toBe("normal");
    await one.clock.advance(2_000);
    giveBack();
    loopIsReadable(loop);
    // The file system itself may have given up by now: then closing says what was lost, and else nothing was.
    const unsaved = await one.store.close().then(
      () => false,
      (error: unknown) => {
        expect(error).toMatchObject({ code: "STORE_UNSAVED" });
        return true;
      },
    );
    loop.unmount();
    loop.mount();
    const again = await opened(loop);
    await expectKept(again.notes, promises, unsaved ? ["durable"] : ["durable", "queued"]);
    await again.store.close();
  }, 120_000);
});

/** Or the test would say nothing. */
function loopIsReadable(loop: LoopFileSystem): void {
  expect(() => readFileSync(join(loop.folder, "store", "CURRENT"))).not.toThrow();
}
