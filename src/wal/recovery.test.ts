import { describe, expect, it } from "vitest";
import { HoldfastError, utf8, utf8Text } from "../base/index.ts";
import { faults as diskFaults, SimDisk } from "../disk/index.ts";
import { openWal, readWal } from "./index.ts";
import { logFilePath, walFormats } from "./log-file-name.ts";
import { abandoned, disk, newFolder, reopen, textsOf, writeTexts } from "./testing/log-text.ts";

const formats = ["binary", "json"] as const;

describe.each(formats)("recovery of the %s form", (format) => {
  const pathOf = (folder: string, fileNumber = 1): string => logFilePath(folder, fileNumber, walFormats[format]);

  it("W6: a tail cut at any byte is left out, reported, and the log goes on in a new file", async () => {
    const source = newFolder();
    await abandoned(source, ["a", "b", "c"], { format });
    const whole = await disk.readFile(pathOf(source));
    const counts = new Set<number>();
    for (let size = whole.length; size > 560; size -= 37) {
      const folder = newFolder();
      await disk.writeFile(pathOf(folder), whole.subarray(0, size));
      const { wal, texts } = await reopen(folder);
      expect(texts).toEqual(["a", "b", "c"].slice(0, texts.length));
      counts.add(texts.length);
      const { torn } = wal.recovery;
      const next = await wal.append(utf8("after"));
      expect(next).toBeGreaterThan(2 ** 20);
      await wal.close();
      expect(await textsOf(folder)).toEqual([...texts, "after"]);
      const first = await disk.readFile(pathOf(folder));
      expect(first).toEqual(whole.slice(0, size));
      if (torn !== undefined) expect(torn.offset + torn.tornBytes).toBeLessThanOrEqual(size);
    }
    expect(counts).toContain(3);
    expect(counts).toContain(1);
  });

  it("W6: a device that gives less than the file has is an error, and no end of the log", async () => {
    const simulated = new SimDisk();
    const wal = await openWal({ disk: simulated, folder: "/log", format });
    const texts = ["a", "b", "c".repeat(900)];
    for (const text of texts) await wal.append(utf8(text));
    const faults = [diskFaults.shortRead({ occurrence: 1, bytes: 600, forever: true })];
    const opening = openWal({ disk: simulated.restarted({ faults }), folder: "/log" });
    await expect(opening).rejects.toMatchObject({ code: "DISK_IO", retryable: true });
    const entries: string[] = [];
    const onEntry = ({ payload }: { readonly payload: Uint8Array }): unknown => entries.push(utf8Text(payload));
    await openWal({ disk: simulated.restarted(), folder: "/log", onEntry });
    expect(entries).toEqual(texts);
  });

  it("W6: every flipped byte of a closed log ends in all entries or a typed error with its offset", async () => {
    const texts = ["first", "second", "third"];
    const source = newFolder();
    await writeTexts(source, texts, { format });
    const whole = await disk.readFile(pathOf(source));
    const folder = newFolder();
    let refused = 0;
    for (let place = 0; place < whole.length; place++) {
      const damaged = whole.slice();
      damaged[place] = (damaged[place] ?? 0) ^ (1 << (place % 8));
      await disk.writeFile(pathOf(folder), damaged);
      const read: string[] = [];
      try {
        for await (const entry of readWal(disk, folder)) read.push(utf8Text(entry.payload));
        expect(read).toEqual(texts);
      } catch (error) {
        if (!HoldfastError.is(error)) throw error;
        expect(error.code).toBe("WAL_CORRUPT");
        expect(error.details).toMatchObject({ path: pathOf(folder) });
        expect(error.details.offset).toBeLessThanOrEqual(place);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(whole.length / 2);
  }, 30_000);

  it("W6: the lost beginning of one unsynced write is a torn tail, not damage", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { format });
    await wal.append(utf8("kept"));
    const before = wal.statistics.totalBytes;
    const transaction = wal.begin(utf8("x".repeat(2_000)));
    transaction.append(utf8("y"));
    await transaction.commit();
    const bytes = await disk.readFile(pathOf(folder));
    await wal.close();
    const copy = newFolder();
    await disk.writeFile(pathOf(copy), bytes.fill(0, before + 10, before + 1_100));
    const { wal: again, texts } = await reopen(copy);
    expect(texts).toEqual(["kept"]);
    expect(again.recovery.torn).toMatchObject({ path: pathOf(copy), offset: before });
    await again.close();
  });

  it("W6: salvage keeps what verifies and lists what was lost, for good", async () => {
    const folder = newFolder();
    await writeTexts(folder, ["one", "two", "three", "four"], { format });
    const bytes = await disk.readFile(pathOf(folder));
    const target = Buffer.from(bytes).indexOf("two");
    bytes[target] = 0x54;
    await disk.writeFile(pathOf(folder), bytes);
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
    const { wal, texts } = await reopen(folder, { recovery: "salvage" });
    expect(texts).toEqual(["one", "three", "four"]);
    expect(wal.recovery.lost).toMatchObject([{ path: pathOf(folder), firstSequence: 2, lastSequence: 2 }]);
    await wal.append(utf8("five"));
    await wal.close();
    // Accepted once, the loss no longer refuses the log, and is not forgotten either.
    const { wal: strict, texts: after } = await reopen(folder);
    expect(after).toEqual(["one", "three", "four", "five"]);
    expect(strict.recovery.lost).toHaveLength(1);
    await strict.close();
  });

  it("W5: files rotate, and one that is missing, swapped or cut is damage", async () => {
    const folder = newFolder();
    const texts = Array.from({ length: 12 }, (_, place) => `entry ${place}`);
    await writeTexts(folder, texts, { fileLimitBytes: 1_200, format });
    expect(await textsOf(folder)).toEqual(texts);
    const second = await disk.readFile(pathOf(folder, 2));
    await disk.writeFile(pathOf(folder, 2), second.subarray(0, second.length - 512));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
    await disk.writeFile(pathOf(folder, 2), await disk.readFile(pathOf(folder, 3)));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
    await disk.remove(pathOf(folder, 2));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT", details: { path: pathOf(folder, 2) } });
    const { wal, texts: saved } = await reopen(folder, { recovery: "salvage" });
    expect(saved).toEqual(texts.filter((text) => saved.includes(text)));
    expect(saved.length).toBeGreaterThan(texts.length / 2);
    expect(wal.recovery.lost.length).toBeGreaterThan(0);
    await wal.close();
  });

  it("W5: what was truncated does not come back, though its files do", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { fileLimitBytes: 1_200, format });
    const numbers: number[] = [];
    for (let place = 0; place < 12; place++) numbers.push(await wal.append(utf8(`entry ${place}`)));
    const old = await disk.readFile(pathOf(folder, 1));
    expect(await wal.truncateBefore(numbers[8] ?? 0)).toBeGreaterThan(1);
    await wal.append(utf8("last"));
    await wal.close();
    await disk.writeFile(pathOf(folder, 1), old);
    expect(await textsOf(folder)).toEqual(["entry 8", "entry 9", "entry 10", "entry 11", "last"]);
    expect(await disk.stat(pathOf(folder, 1))).toBeUndefined();
  });

  it("W5: a file of another log is never taken for one of this", async () => {
    const [folder, other] = [newFolder(), newFolder()];
    const texts = Array.from({ length: 12 }, (_, place) => `entry ${place}`);
    for (const one of [folder, other]) await writeTexts(one, texts, { fileLimitBytes: 1_200, format });
    await disk.writeFile(pathOf(folder, 2), await disk.readFile(pathOf(other, 2)));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
  });

  it("W6: salvage does not take stale entries of another log for what was lost", async () => {
    const [folder, other] = [newFolder(), newFolder()];
    await writeTexts(folder, ["first", "second", "third", "fourth"], { format });
    await writeTexts(other, ["FIRST", "SECOND", "THIRD", "FOURTH"], { format });
    const [own, stale] = [await disk.readFile(pathOf(folder)), await disk.readFile(pathOf(other))];
    const [from, to] = [Buffer.from(own).indexOf("second"), Buffer.from(own).indexOf("third")];
    own.set(stale.subarray(from, to + 20), from);
    await disk.writeFile(pathOf(folder), own);
    const { wal, texts } = await reopen(folder, { recovery: "salvage" });
    expect(texts).toEqual(["first", "fourth"]);
    await wal.close();
  });

  it("W6: stale entries of another log behind the end prove nothing", async () => {
    const [folder, other] = [newFolder(), newFolder()];
    await abandoned(folder, ["a", "b"], { format });
    await abandoned(other, ["a", "b", "c", "d", "e"], { format });
    const own = await disk.readFile(pathOf(folder));
    const stale = await disk.readFile(pathOf(other));
    await disk.writeFile(pathOf(folder), Buffer.concat([own, stale.subarray(own.length)]));
    const { wal, texts } = await reopen(folder);
    expect(texts).toEqual(["a", "b"]);
    expect(wal.recovery.torn).toMatchObject({ offset: own.length });
    await wal.close();
  });
});

describe("opening", () => {
  it("W2: finds the form of the log, and refuses another or both at once", async () => {
    const folder = newFolder();
    await writeTexts(folder, ["a"], { format: "json" });
    expect(await textsOf(folder)).toEqual(["a"]);
    await expect(textsOf(folder, { format: "binary" })).rejects.toMatchObject({ code: "WAL_FORMAT" });
    await disk.writeFile(logFilePath(folder, 1), new Uint8Array(1));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_FORMAT" });
  });

  it("W6: an empty file in the place of the log is damage, not a new log", async () => {
    const folder = newFolder();
    await disk.writeFile(logFilePath(folder, 1), new Uint8Array(0));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT", details: { offset: 0 } });
  });
});
