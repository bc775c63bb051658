import { describe, expect, it } from "vitest";
import { bytesEqual, HoldfastError, type Random, seededRandom } from "../../base/index.ts";
import { type Disk, faults, SimCrash, SimDisk } from "../../disk/index.ts";
import { type ContentHandle, decodeHandle, encodeHandle } from "./content-handle.ts";
import { ContentLog, type ContentLogOptions } from "./content-log.ts";
import { FileCatalog } from "./testing/file-catalog.ts";

const folder = "/store";

async function openLog(disk: Disk, options: Partial<ContentLogOptions> = {}): Promise<ContentLog> {
  const catalog = await FileCatalog.open(disk, folder);
  return await ContentLog.open({ disk, folder, catalog, ...options });
}

function contentOf(number: number, size = 20 + ((number * 37) % 300)): Uint8Array {
  return Uint8Array.from({ length: size }, (_, place) => (number * 131 + place * 7) & 0xff);
}

/** Writes contents with these numbers into one file. */
async function writeFile(log: ContentLog, numbers: readonly number[]): Promise<Map<number, ContentHandle>> {
  const writer = await log.write();
  const handles = new Map<number, ContentHandle>();
  for (const number of numbers) handles.set(number, await writer.add(contentOf(number)));
  await log.commit(writer);
  return handles;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, place) => from + place);

/** Liveness by the handles that are left. */
function liveness(handles: Iterable<ContentHandle>): (handle: Pick<ContentHandle, "file" | "row">) => boolean {
  const live = new Set([...handles].map(({ file, row }) => `${file}:${row}`));
  return ({ file, row }) => live.has(`${file}:${row}`);
}

async function expectAll(log: ContentLog, handles: ReadonlyMap<number, ContentHandle>): Promise<void> {
  for (const [number, handle] of handles) {
    expect(bytesEqual(await log.read(handle), contentOf(number)), `content ${number}`).toBe(true);
  }
}

/** A log with three files of twenty contents, of which two thirds are discarded. */
async function fragmented(
  disk: Disk,
): Promise<{ log: ContentLog; live: Map<number, ContentHandle>; dead: ContentHandle[] }> {
  const log = await openLog(disk);
  const all = new Map<number, ContentHandle>();
  for (const file of [0, 1, 2]) {
    for (const [number, handle] of await writeFile(log, range(file * 20, file * 20 + 20))) all.set(number, handle);
  }
  const dead = [...all].filter(([number]) => number % 3 !== 0);
  for (const [number, handle] of dead) {
    log.discard(handle);
    all.delete(number);
  }
  return { log, live: all, dead: dead.map(([, handle]) => handle) };
}

async function usedBytes(disk: Disk): Promise<number> {
  let sum = 0;
  for (const { name } of await disk.list(folder)) {
    if (name.endsWith(".content")) sum += (await disk.stat(`${folder}/${name}`))!.sizeBytes;
  }
  return sum;
}

/** The same object with some of its methods replaced. */
function changed<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own: unknown = Reflect.get(changes, name) ?? Reflect.get(target, name);
      return typeof own === "function" && !(name in changes) ? own.bind(target) : own;
    },
  });
}

describe("the content log", () => {
  it("S5: writes a large content from where it lies, between small ones, and gives each reader bytes of its own", async () => {
    const real = new SimDisk();
    const written: Uint8Array[] = [];
    const disk = changed<Disk>(real, {
      open: async (...args) => {
        const file = await real.open(...args);
        return changed(file, {
          writeAt: async (parts, offset) => {
            written.push(...parts);
            await file.writeAt(parts, offset);
          },
        });
      },
    });
    const log = await openLog(disk);
    const contents = [10, 1 << 20, 0, (1 << 20) + 5, 3].map((size, number) => contentOf(number, size));
    const writer = await log.write();
    const handles: ContentHandle[] = [];
    for (const content of contents) handles.push(await writer.add(content));
    await log.commit(writer);
    expect(written.filter((part) => part.length >= 1 << 20)).toEqual([contents[1], contents[3]]);
    expect(written).toContain(contents[1]);
    for (const opened of [log, await openLog(real)])
      for (const [place, handle] of handles.entries()) {
        const read = await opened.read(handle);
        expect(bytesEqual(read, contents[place]!)).toBe(true);
        read.fill(1);
        expect(bytesEqual(await opened.read(handle), contents[place]!)).toBe(true);
      }
  });

  it("S5: gives back what was written, after a restart too, and contents of no bytes", async () => {
    const disk = new SimDisk();
    const log = await openLog(disk);
    const handles = await writeFile(log, range(0, 50));
    const writer = await log.write();
    const empty = await writer.add(new Uint8Array(0));
    await log.commit(writer);
    await expectAll(log, handles);
    await log[Symbol.asyncDispose]();
    const again = await openLog(disk);
    await expectAll(again, handles);
    expect(await again.read(decodeHandle(encodeHandle(empty)))).toHaveLength(0);
  });

  it("S5: keeps no more files open than it may, whoever reads, and closes all in the end", async () => {
    const disk = new SimDisk();
    let open = 0;
    let most = 0;
    const counting = changed<Disk>(disk, {
      open: async (...words) => {
        const file = await disk.open(...words);
        most = Math.max(most, ++open);
        const close = async (): Promise<void> => {
          open--;
          await file.close();
        };
        return changed(file, { close });
      },
    });
    const log = await openLog(counting, { openFilesLimit: 3 });
    const handles = new Map<number, ContentHandle>();
    for (let file = 0; file < 12; file++)
      for (const [number, handle] of await writeFile(log, [file * 2, file * 2 + 1])) handles.set(number, handle);
    for (let turn = 0; turn < 3; turn++) await expectAll(log, handles);
    expect(most).toBeLessThanOrEqual(4);
    await Promise.all(
      [...handles].map(async ([number, handle]) => {
        expect(bytesEqual(await log.read(handle), contentOf(number))).toBe(true);
      }),
    );
    expect(open).toBeLessThanOrEqual(3);
    await log.compact({ isLive: () => true, minimumGarbage: 0 });
    await expectAll(log, handles);
    await log[Symbol.asyncDispose]();
    expect(open).toBe(0);
  });

  it("S7: correctness 1: compaction keeps every live content, byte for byte, through compaction after compaction", async () => {
    const disk = new SimDisk();
    const { log, live } = await fragmented(disk);
    for (let turn = 0; turn < 5; turn++) {
      await log.compact({ isLive: liveness(live.values()), minimumGarbage: 0 });
      await expectAll(log, live);
      const [number] = live.keys();
      live.delete(number!);
    }
    await expectAll(await openLog(disk), live);
  });

  it("S7: correctness 2: handles stay what they are; only where they lead changes", async () => {
    const { log, live } = await fragmented(new SimDisk());
    const before = [...live.values()].map(encodeHandle);
    const { into } = await log.compact({ isLive: liveness(live.values()) });
    expect(log.statistics().map(({ id }) => id)).toEqual([into]);
    expect([...live.values()].map(encodeHandle)).toEqual(before);
    await expectAll(log, live);
  });

  it("S7: correctness 3: what is garbage is freed, and nothing is left of the old files", async () => {
    const disk = new SimDisk();
    const { log, live, dead } = await fragmented(disk);
    const before = await usedBytes(disk);
    expect(log.statistics().every(({ fragmentation }) => fragmentation > 0.3)).toBe(true);
    const { freedBytes, copiedEntries } = await log.compact({ isLive: liveness(live.values()) });
    expect(copiedEntries).toBe(live.size);
    expect(before - (await usedBytes(disk))).toBe(freedBytes);
    expect(freedBytes).toBeGreaterThan(before * 0.5);
    await expect(log.read(dead[0]!)).rejects.toThrow("STORE_CONTENT_CORRUPT");
    expect(log.statistics().map(({ garbageBytes }) => garbageBytes)).toEqual([0]);
    const none = await log.compact({ isLive: () => false, minimumGarbage: 0 });
    expect(none.into).toBe(undefined);
    expect(await usedBytes(disk)).toBe(0);
  });

  it("S7: correctness 4: with any call to the disk failing, everything is as it was and can be tried again", async () => {
    const kinds = ["failOpen", "failRead", "failWrite", "failSync", "failRename", "failSyncFolder"] as const;
    for (const kind of kinds) {
      for (let occurrence = 1; occurrence < 40; occurrence++) {
        const disk = new SimDisk();
        const { log, live } = await fragmented(disk);
        const failing = disk.restarted({ faults: [faults[kind]({ occurrence })] });
        const again = await openLog(failing).catch((error: unknown) => error);
        if (!(again instanceof ContentLog)) continue;
        const outcome = await again
          .compact({ isLive: liveness(live.values()), minimumGarbage: 0 })
          .catch((error) => error);
        if (!(outcome instanceof HoldfastError)) break;
        await expectAll(again, live);
        await again.compact({ isLive: liveness(live.values()), minimumGarbage: 0 });
        await expectAll(again, live);
        await expectAll(await openLog(failing.restarted()), live);
        await log[Symbol.asyncDispose]();
      }
    }
  });

  it("S7: concurrency 1: reads during a compaction see the old place or the new, never a mix", async () => {
    const { log, live } = await fragmented(new SimDisk());
    let done = false;
    let reads = 0;
    const reader = async (): Promise<void> => {
      while (!done) {
        await expectAll(log, live);
        reads += live.size;
      }
    };
    const readers = [reader(), reader(), reader()];
    for (let turn = 0; turn < 5; turn++) await log.compact({ isLive: liveness(live.values()), minimumGarbage: 0 });
    done = true;
    await Promise.all(readers);
    expect(reads).toBeGreaterThan(0);
  });

  it("S7: concurrency 1: a read that began before the swap ends in the old file, which is deleted after it", async () => {
    const disk = new SimDisk();
    const { live } = await fragmented(disk);
    let gate: Promise<void> | undefined;
    // As `disk`, with reads that take as long as the gate is closed.
    const slow = changed<Disk>(disk, {
      open: async (...words) => {
        const file = await disk.open(...words);
        const readAt = async (target: Uint8Array, offset: number): Promise<number> => {
          await gate;
          return await file.readAt(target, offset);
        };
        return changed(file, { readAt });
      },
    });
    const log = await openLog(slow);
    const [[number, handle]] = [...live] as [[number, ContentHandle]];
    const { promise, resolve } = Promise.withResolvers<void>();
    await log.read(handle);
    gate = promise;
    const reading = log.read(handle);
    await Promise.resolve();
    gate = undefined;
    await log.compact({ isLive: liveness(live.values()), minimumGarbage: 0 });
    expect(await disk.stat(`${folder}/${handle.file}.content`)).toBeDefined();
    resolve();
    expect(bytesEqual(await reading, contentOf(number))).toBe(true);
    expect(await disk.stat(`${folder}/${handle.file}.content`)).toBe(undefined);
  });

  it("S7: concurrency 2: what is written during a compaction is not lost", async () => {
    const disk = new SimDisk();
    const { log, live } = await fragmented(disk);
    const compaction = log.compact({ isLive: liveness([...live.values()]) });
    const written = await Promise.all([1, 2, 3].map((turn) => writeFile(log, range(turn * 1_000, turn * 1_000 + 10))));
    await compaction;
    for (const handles of written) for (const [number, handle] of handles) live.set(number, handle);
    await expectAll(log, live);
    await expectAll(await openLog(disk), live);
  });

  it("S7: concurrency 3: what is deleted during a compaction stays deleted: no key is written back", async () => {
    const { log, live } = await fragmented(new SimDisk());
    const deleted = [...live].slice(0, 5);
    const compaction = log.compact({ isLive: liveness([...live.values()]) });
    for (const [number, handle] of deleted) {
      live.delete(number);
      log.discard(handle);
    }
    const { into } = await compaction;
    await expectAll(log, live);
    await log.compact({ isLive: liveness(live.values()), files: [into!] });
    await expect(log.read(deleted[0]![1])).rejects.toThrow("is not there");
  });

  it("S7: concurrency 4: of two compactions at once the second is refused, and can come after", async () => {
    const { log, live } = await fragmented(new SimDisk());
    const isLive = liveness(live.values());
    const [first, second] = await Promise.allSettled([log.compact({ isLive }), log.compact({ isLive })]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ reason: { code: "STORE_COMPACTION_RUNNING", retryable: true } });
    await log.compact({ isLive, minimumGarbage: 0 });
    await expectAll(log, live);
  });

  it("S7: concurrency 5: ten writers, readers and compactions at once lose nothing and mix nothing up", async () => {
    const disk = new SimDisk();
    const log = await openLog(disk);
    const live = new Map<number, ContentHandle>();
    const random = seededRandom(3);
    let writing = 10;
    const writer = async (number: number): Promise<void> => {
      for (let turn = 0; turn < 12; turn++) {
        const from = number * 100_000 + turn * 100;
        for (const [one, handle] of await writeFile(log, range(from, from + 5))) live.set(one, handle);
        const [oldest] = live;
        if (random() < 0.7 && oldest !== undefined && live.delete(oldest[0])) log.discard(oldest[1]);
        const [some] = [...live].slice(Math.floor(random() * live.size));
        if (some !== undefined) expect(bytesEqual(await log.read(some[1]), contentOf(some[0]))).toBe(true);
      }
      writing--;
    };
    const compactor = async (): Promise<void> => {
      while (writing > 0) {
        // One instant decides: a file of which some content is not yet among the live ones is not chosen.
        const handles = [...live.values()];
        const files = [...new Set(handles.map(({ file }) => file))].filter(() => random() < 0.5);
        const known = liveness(handles);
        const chosen = log
          .statistics()
          .filter(({ id }) => files.includes(id))
          .map(({ id }) => id);
        await log.compact({ isLive: known, files: chosen });
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([...range(0, 10).map(writer), compactor()]);
    await expectAll(log, live);
    await expectAll(await openLog(disk), live);
  });

  it("S6: does not begin a compaction for which memory does not suffice, and says so", async () => {
    const disk = new SimDisk();
    const { live } = await fragmented(disk);
    const log = await openLog(disk, { availableBytes: () => 6 << 20, memoryShare: 0.5 });
    await expect(log.compact({ isLive: liveness(live.values()), minimumGarbage: 0 })).rejects.toThrow(
      /\[STORE_COMPACTION_MEMORY\] compacting 3 files needs \d+ bytes, more than 0.5 of the 6291456 that are free/,
    );
    await expectAll(log, live);
  });

  it("S6: tells how far it is, and ends with its signal, leaving everything as it was", async () => {
    const disk = new SimDisk();
    const { log, live } = await fragmented(disk);
    const controller = new AbortController();
    const seen: number[] = [];
    using _ = log.onProgress(({ doneBytes, totalBytes }) => {
      seen.push(doneBytes / totalBytes);
      if (seen.length === 2) controller.abort(new Error("enough"));
    });
    const before = await usedBytes(disk);
    const isLive = liveness(live.values());
    await expect(log.compact({ isLive, signal: controller.signal })).rejects.toThrow("enough");
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(await usedBytes(disk)).toBe(before);
    expect((await disk.list(folder)).filter(({ name }) => name.endsWith(".tmp"))).toEqual([]);
    await expectAll(log, live);
    await log.compact({ isLive });
    expect(seen.at(-1)).toBe(1);
  });

  it("S8: wherever the power goes during writes and a compaction, what was committed is there, and the rest is not", async () => {
    const random = (): Random => seededRandom(9);
    const script = async (disk: SimDisk, committed: Map<number, ContentHandle>): Promise<void> => {
      const log = await openLog(disk);
      for (const [number, handle] of await writeFile(log, [1, 2, 3])) committed.set(number, handle);
      for (const [number, handle] of await writeFile(log, [4, 5])) committed.set(number, handle);
      await log.compact({
        isLive: liveness([...committed.values()].filter(({ row }) => row !== 1)),
        minimumGarbage: 0,
      });
    };
    const whole = new SimDisk();
    await script(whole, new Map());
    let states = 0;
    for (let step = 1; step <= whole.steps; step++) {
      const disk = new SimDisk();
      const committed = new Map<number, ContentHandle>();
      disk.crashAtStep(step);
      await expect(script(disk, committed)).rejects.toThrow(SimCrash);
      const kept = new Map([...committed].filter(([, { row }]) => row !== 1));
      for (const { disk: survivor } of disk.survivors({ limit: 30, random: random() })) {
        states++;
        const log = await openLog(survivor);
        await expectAll(log, kept);
        const files = (await survivor.list(folder)).filter(({ name }) => name.includes("content"));
        expect(files.map(({ name }) => name).sort()).toEqual(
          log
            .statistics()
            .map(({ id }) => `${id}.content`)
            .sort(),
        );
      }
    }
    expect(states).toBeGreaterThan(150);
  });

  it("S8: with any byte of a file changed gives the right content or an error that names file and offset", async () => {
    const disk = new SimDisk();
    const log = await openLog(disk);
    const handles = await writeFile(log, [1, 2]);
    await log.compact({ isLive: ({ row }) => row === 1, minimumGarbage: 0 });
    const [, [number, handle]] = [...handles] as [unknown, [number, ContentHandle]];
    const path = `${folder}/2.content`;
    const bytes = await disk.readFile(path);
    let wrong = 0;
    for (let place = 0; place < bytes.length; place++) {
      for (const flip of [1, 0x80]) {
        const damaged = bytes.slice();
        damaged[place]! ^= flip;
        await disk.writeFile(path, damaged);
        const outcome = await openLog(disk)
          .then((opened) => opened.read(handle))
          .catch((error: HoldfastError) => error);
        if (outcome instanceof Uint8Array) expect(bytesEqual(outcome, contentOf(number)), `byte ${place}`).toBe(true);
        else {
          expect(outcome.details, `byte ${place}: ${outcome}`).toMatchObject({ path });
          expect(outcome.details).toHaveProperty("offset");
          wrong++;
        }
      }
    }
    // All but the padding behind a content.
    expect(wrong).toBeGreaterThan(bytes.length * 2 - 2 * 8);
  });

  it("S8: content of another place, file or store is not taken for its own", async () => {
    const disk = new SimDisk();
    const log = await openLog(disk);
    const handles = await writeFile(log, [7, 7 + 300]);
    const [first, second] = [...handles.values()] as [ContentHandle, ContentHandle];
    const bytes = await disk.readFile(`${folder}/1.content`);
    const size = Math.ceil((24 + first.length) / 8) * 8;
    expect(second.length).toBe(first.length);
    const swapped = bytes.slice();
    swapped.set(bytes.subarray(32 + size, 32 + 2 * size), 32);
    swapped.set(bytes.subarray(32, 32 + size), 32 + size);
    await disk.writeFile(`${folder}/1.content`, swapped);
    await expect((await openLog(disk)).read(first)).rejects.toThrow("a content's checksum is wrong");
  });
});
