import { describe, expect, it } from "vitest";
import { HoldfastError, seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimCrash, SimDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import { plainEntry, tombstone } from "../testing/model.ts";
import { folder, opened, withFiles } from "../testing/segments.ts";
import { walked } from "../testing/walk.ts";
import { type SegmentSummary, SegmentWriter } from "./segment-writer.ts";
import { verifySegment } from "./verify.ts";

const entries: Entry[] = Array.from({ length: 30 }, (_, place) => {
  const key = utf8(String(place).padStart(4, "0"));
  return place % 7 === 0 ? tombstone(key, place + 1) : plainEntry(key, place + 1, utf8("x".repeat(100)));
});

const options = (disk: SimDisk) => ({ disk, folder, name: "0000000001.segment", fileId: 1, blockBytes: 1_024 });

async function write(disk: SimDisk): Promise<SegmentSummary> {
  await disk.makeFolder(folder);
  const writer = await SegmentWriter.create(options(disk));
  for (const entry of entries) await writer.add(entry);
  await writer.addSection(256, [utf8("of others")]);
  return await writer.finish();
}

async function namesOn(disk: SimDisk): Promise<string[]> {
  return (await disk.stat(folder)) === undefined ? [] : (await disk.list(folder)).map(({ name }) => name);
}

describe("a crash while a segment is written", () => {
  it("S2: leaves no segment or a whole one, at every step and however much of it survives", async () => {
    const plain = new SimDisk();
    const summary = await write(plain);
    const { steps } = plain;
    const random = seededRandom(1);
    let [whole, none, states] = [0, 0, 0];
    for (let step = 1; step <= steps + 1; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      const isWritten = await write(disk).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof SimCrash)) throw error;
          return false;
        },
      );
      for (const { disk: survivor } of disk.survivors({ limit: 100, random })) {
        states++;
        const names = await namesOn(survivor);
        expect(names.filter((name) => name !== "0000000001.segment" && name !== "0000000001.segment.tmp")).toEqual([]);
        if (!names.includes("0000000001.segment")) {
          expect(isWritten).toBe(false);
          none++;
        } else {
          whole++;
          const segment = await opened({ disk: survivor, summary });
          expect(await walked(segment)).toEqual(entries);
          expect(await verifySegment(segment)).toEqual({ entries: 30, damages: [] });
        }
        // What is left over is in nobody's way.
        expect(await write(survivor)).toEqual(summary);
      }
    }
    expect(states).toBeGreaterThan(200);
    expect(none).toBeGreaterThan(100);
    expect(whole).toBeGreaterThan(2);
  });

  it("S2: a sync that is left out would be noticed here", async () => {
    const random = seededRandom(2);
    const disk = new SimDisk();
    const blind = withFiles(disk, (file) => {
      file.sync = async () => undefined;
    });
    const summary = await write(blind);
    let broken = 0;
    for (const { disk: survivor } of disk.survivors({ limit: 100, random })) {
      const segment = await opened({ disk: survivor, summary }).catch(() => undefined);
      if (segment === undefined || (await verifySegment(segment)).damages.length > 0) broken++;
    }
    expect(broken).toBeGreaterThan(0);
  });
});

describe("a disk that fails while a segment is written", () => {
  it("S8: every failed call is told, and leaves no file", async () => {
    const kinds = [
      (occurrence: number) => faults.failOpen({ occurrence, path: /segment/ }),
      (occurrence: number) => faults.failWrite({ occurrence, path: /segment/ }),
      (occurrence: number) => faults.failWrite({ occurrence, path: /segment/, code: "ENOSPC", bytes: 700 }),
      (occurrence: number) => faults.failSync({ occurrence, path: /segment/, lies: true }),
      (occurrence: number) => faults.failRename({ occurrence }),
      (occurrence: number) => faults.failSyncFolder({ occurrence, path: /^\/store$/ }),
    ];
    for (const fault of kinds) {
      let count = 0;
      for (let occurrence = 1; ; occurrence++) {
        const disk = new SimDisk({ faults: [fault(occurrence)] });
        const failure = await write(disk).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (disk.faultsStruck === 0) break;
        count++;
        expect(HoldfastError.is(failure) && failure.code.startsWith("DISK_")).toBe(true);
        expect(await namesOn(disk)).toEqual([]);
      }
      expect(count).toBeGreaterThan(0);
    }
  });

  it("S8: a full disk at any byte leaves no file", async () => {
    const whole = new SimDisk();
    const { sizeBytes } = await write(whole);
    for (let bytes = 0; bytes < sizeBytes; bytes += 97) {
      const disk = new SimDisk({ faults: [faults.noSpaceAfter(bytes)] });
      await expect(write(disk)).rejects.toMatchObject({ code: "DISK_FULL" });
      expect(await namesOn(disk)).toEqual([]);
    }
  });
});
