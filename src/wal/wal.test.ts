import { spawn } from "node:child_process";
import { describe, expect, it } from "vitest";
import { hexOf, utf8, utf8Text } from "../base/index.ts";
import type { Disk, DiskFile, OpenOptions } from "../disk/index.ts";
import { readWal, type WalEntry } from "./index.ts";
import { logFilePath } from "./log-file-name.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";
import { disk, newFolder, reopen, textsOf } from "./testing/log-text.ts";

/** A disk whose log files count their syncs, hold them back, or fail them. */
function watchedDisk(onSync: () => Promise<void>): Disk {
  return new Proxy(disk, {
    get(target, name) {
      if (name !== "open") return (target[name as keyof Disk] as () => unknown).bind(target);
      return async (path: string, mode: "read", options: OpenOptions): Promise<DiskFile> => {
        const file = await target.open(path, mode, options);
        if (path.endsWith(".tmp")) return file;
        file.syncData = async () => {
          await onSync();
          await Object.getPrototypeOf(file).syncData.call(file);
        };
        return file;
      };
    },
  });
}

describe("durability", () => {
  it("W3: an entry is acknowledged only after its sync, and waiting writers share one", async () => {
    const folder = newFolder();
    let syncs = 0;
    let hold = Promise.withResolvers<void>();
    const watched = watchedDisk(async () => {
      syncs++;
      await hold.promise;
    });
    const { wal } = await reopen(folder, { disk: watched });
    let acknowledged = 0;
    const appends = Array.from({ length: 10 }, async (_, place) => {
      await wal.append(utf8(String(place)));
      acknowledged++;
    });
    while (syncs === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledged).toBe(0);
    expect([wal.visibleSequence, wal.durableSequence]).toEqual([10, 0]);
    hold.resolve();
    await Promise.all(appends);
    expect({ acknowledged, syncs }).toEqual({ acknowledged: 10, syncs: 1 });
    expect([wal.visibleSequence, wal.durableSequence]).toEqual([10, 10]);
    hold = Promise.withResolvers();
    hold.resolve();
    await wal.append(utf8("later"));
    expect(syncs).toBe(2);
    expect(wal.statistics).toMatchObject({ groups: 2, syncs: 2, entries: 11, files: 1 });
    await wal.close();
    expect((await textsOf(folder)).length).toBe(11);
  });

  it("W3: after a failed sync nothing is written or acknowledged any more", async () => {
    const folder = newFolder();
    let failing = false;
    const { wal } = await reopen(folder, {
      disk: watchedDisk(async () => {
        if (failing) throw Object.assign(new Error("EIO"), { code: "EIO" });
      }),
    });
    await wal.append(utf8("kept"));
    failing = true;
    await expect(wal.append(utf8("lost"))).rejects.toMatchObject({ code: "WAL_FAILED" });
    failing = false;
    const before = await disk.readFile(logFilePath(folder, 1));
    await expect(wal.append(utf8("later"))).rejects.toMatchObject({ code: "WAL_FAILED" });
    await expect(wal.rotate()).rejects.toMatchObject({ code: "WAL_FAILED" });
    expect(wal.failure?.code).toBe("WAL_FAILED");
    await wal.close();
    expect(await disk.readFile(logFilePath(folder, 1))).toEqual(before);
    expect((await textsOf(folder))[0]).toBe("kept");
  });

  it.each(["fdatasync", "dsync"] as const)(
    "W3: %s keeps what was appended, in order, by many writers",
    async (durability) => {
      const folder = newFolder();
      const { wal } = await reopen(folder, { durability, fileLimitBytes: 40_000 });
      const numbers = await Promise.all(
        Array.from({ length: 40 }, async (_, writer) => {
          const own: number[] = [];
          for (let count = 0; count < 10; count++) own.push(await wal.append(utf8(`${writer}/${count}`.repeat(20))));
          return own;
        }),
      );
      expect(new Set(numbers.flat()).size).toBe(400);
      expect(wal.statistics.groups).toBeLessThan(60);
      await wal.close();
      const read: WalEntry[] = [];
      for await (const entry of readWal(disk, folder)) read.push(entry);
      expect(read.map(({ sequence }) => sequence)).toEqual(numbers.flat().sort((a, b) => a - b));
    },
  );

  it("a second holder is refused with the pid of the first", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    await expect(reopen(folder)).rejects.toMatchObject({ code: "DISK_LOCKED", details: { pid: process.pid } });
    await wal.close();
    await (await reopen(folder)).wal.close();
  });

  it("W3: loses nothing acknowledged when its process is killed, again and again", async () => {
    const folder = newFolder();
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [new URL("./testing/writer.ts", import.meta.url).pathname, folder]);
      let output = "";
      const enough = Promise.withResolvers<void>();
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk;
        if (output.split("\n").length > 5 + round * 7) enough.resolve();
      });
      let complaint = "";
      child.stderr.on("data", (chunk: Buffer) => (complaint += chunk));
      const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
      await Promise.race([enough.promise, gone]);
      child.kill("SIGKILL");
      await gone;
      expect(complaint).toBe("");
      const last = Number(output.trim().split("\n").at(-1));
      const texts = await textsOf(folder);
      expect(texts.length).toBeGreaterThan(last);
      expect(texts).toEqual(texts.map((_, place) => String(place)));
    }
  }, 30_000);
});

describe("limits", () => {
  it("W5: a log that is full says so, and takes more once it was truncated", async () => {
    const { wal } = await reopen(newFolder(), { totalLimitBytes: 6_000, fileLimitBytes: 2_000 });
    let last = 0;
    const fill = async (): Promise<void> => {
      for (;;) last = await wal.append(utf8("x".repeat(300)));
    };
    await expect(fill()).rejects.toMatchObject({ code: "WAL_FULL", retryable: true });
    expect(wal.failure).toBeUndefined();
    expect(await wal.truncateBefore(last + 1)).toBeGreaterThan(1);
    await wal.append(utf8("again"));
    await wal.close();
  });

  it("an entry, a group or a transaction that is too large is refused, and the log goes on", async () => {
    const { wal } = await reopen(newFolder());
    const large = new Uint8Array(9 * 2 ** 20);
    await expect(wal.append(new Uint8Array(16 * 2 ** 20 + 1))).rejects.toMatchObject({ code: "WAL_TOO_LARGE" });
    await expect(wal.appendAll([large, large])).rejects.toMatchObject({ code: "WAL_TOO_LARGE" });
    const transaction = wal.begin(utf8("context"));
    const fill = (): void => {
      for (;;) transaction.append(large);
    };
    expect(fill).toThrow(expect.objectContaining({ code: "WAL_TOO_LARGE" }));
    await transaction.abort();
    expect(await wal.append(utf8("small"))).toBe(wal.durableSequence);
    await wal.close();
    await expect(wal.append(utf8("late"))).rejects.toMatchObject({ code: "WAL_CLOSED" });
  });

  it("more entries than may wait are refused for now", async () => {
    const { wal } = await reopen(newFolder());
    const many = Array.from({ length: 2 ** 20 - 1 }, () => new Uint8Array(0));
    const { durable } = wal.submit(many);
    expect(() => wal.submit([utf8("one more")])).toThrow(
      expect.objectContaining({ code: "WAL_BUSY", retryable: true }),
    );
    await durable;
    await wal.append(utf8("now"));
    await wal.close();
  });
});

describe("transactions", () => {
  it.each(["binary", "json"] as const)("W4: only committed ones are replayed (%s)", async (format) => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { format });
    const aborted = wal.begin(utf8("context a"));
    aborted.append(utf8("aborted"));
    const committed = wal.begin(utf8("context b"));
    committed.append(utf8("one"));
    const unfinished = wal.begin(utf8("context c"));
    unfinished.append(utf8("unfinished"));
    committed.append(utf8("two"));
    await aborted.abort();
    await committed.commit();
    await wal.close();
    const found: WalEntry[] = [];
    for await (const entry of readWal(disk, folder)) found.push(entry);
    expect(found.map((entry) => utf8Text(entry.payload))).toEqual(["one", "two"]);
    expect(found.map((entry) => utf8Text(entry.context ?? utf8("")))).toEqual(["context b", "context b"]);
    const { wal: again } = await reopen(folder);
    expect(again.recovery).toMatchObject({ entries: 2, rolledBack: 1 });
    await again.close();
  });

  it("W4: the Merkle root in the COMMIT covers the context and every segment", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    const transaction = wal.begin(utf8("context"));
    for (const text of ["one", "two"]) transaction.append(utf8(text));
    await transaction.commit();
    await wal.close();
    const root = merkleRoot(["context", "one", "two"].map((text) => merkleLeaf(utf8(text))));
    expect(hexOf(await disk.readFile(logFilePath(folder, 1)))).toContain(hexOf(root));
  });

  it("W4: survive rotations, and a kill between a commit's write and its acknowledgement", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { fileLimitBytes: 1_500 });
    const transaction = wal.begin(utf8("context"));
    for (let part = 0; part < 8; part++) {
      transaction.append(utf8(`part ${part}`));
      await wal.append(utf8(`beside ${part}`));
    }
    await transaction.commit();
    expect(wal.statistics.files).toBeGreaterThan(3);
    const texts: string[] = [];
    for await (const entry of wal.read()) texts.push(utf8Text(entry.payload));
    expect(texts.filter((text) => text.startsWith("part"))).toHaveLength(8);
    // As a kill leaves it: no seal, and the group with the COMMIT is taken over into the next file.
    const copy = newFolder();
    for (const { name } of await disk.list(folder))
      if (name.endsWith(".wal")) await disk.writeFile(`${copy}/${name}`, await disk.readFile(`${folder}/${name}`));
    expect(await textsOf(copy)).toEqual(texts);
    expect(await textsOf(copy)).toEqual(texts);
    await wal.close();
  });
});

describe("reading while writing", () => {
  it("begins at a sequence number, gives what was durable then, and stops on a signal", async () => {
    const { wal } = await reopen(newFolder(), { fileLimitBytes: 1_500 });
    for (let count = 1; count <= 20; count++) await wal.append(utf8(`entry ${count}`));
    const reading = wal.read({ from: 15 });
    await wal.append(utf8("later"));
    const found: number[] = [];
    for await (const entry of reading) found.push(entry.sequence);
    expect(found).toEqual([15, 16, 17, 18, 19, 20]);
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of wal.read({ signal: stop.signal })) stop.abort();
    };
    await expect(read()).rejects.toMatchObject({ name: "AbortError" });
    await wal.close();
  });

  it("says so where what is read was truncated meanwhile", async () => {
    const { wal } = await reopen(newFolder(), { fileLimitBytes: 1_500 });
    for (let count = 1; count <= 20; count++) await wal.append(utf8(`entry ${count}`));
    const reading = wal.read();
    expect((await reading.next()).value).toMatchObject({ sequence: 1 });
    await wal.truncateBefore(19);
    const rest = async (): Promise<void> => {
      for await (const _ of reading);
    };
    await expect(rest()).rejects.toMatchObject({ code: "WAL_TRUNCATED", details: { truncatedBefore: 19 } });
    await wal.close();
  });
});
