import { describe, expect, it } from "vitest";
import { seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimCrash, SimDisk } from "../../disk/index.ts";
import { folder, segmentFile, textOf } from "../testing/manifests.ts";
import { openManifest, readManifest } from "./open-manifest.ts";

/** Every state that was asked for, in order, and how many of them are acknowledged. */
interface Ledger {
  readonly texts: string[];
  acknowledged: number;
}

/** Adds, replaces and deletes files as an engine would, with rewrites in between. */
async function run(disk: SimDisk, ledger: Ledger): Promise<void> {
  const { manifest } = await openManifest({ disk, folder, rewriteBytes: 2_048 });
  ledger.texts.push(textOf(manifest.state));
  ledger.acknowledged = 1;
  const files = new Map<number, ReturnType<typeof segmentFile>>();
  for (let id = 1; id <= 4; id++) {
    await disk.writeFileAtomic(manifest.pathOf(segmentFile(id)), utf8(`file ${id}`));
    const remove = id === 3 ? [1, 2] : [];
    files.set(id, segmentFile(id));
    for (const gone of remove) files.delete(gone);
    ledger.texts.push(textOf({ files, flushedPosition: id * 10, nextFileId: 0, values: new Map([["id", `${id}`]]) }));
    const edit = { add: [segmentFile(id)], remove, flushedPosition: id * 10, values: { id: `${id}` } };
    expect(textOf(await manifest.apply(edit))).toBe(ledger.texts.at(-1));
    ledger.acknowledged = ledger.texts.length;
    await manifest.deleteObsolete();
  }
  await manifest.close();
}

describe("a crash of whoever keeps a manifest", () => {
  it("S8: an edit that the next process reads stays, though the one before was killed ahead of its sync", async () => {
    const disk = new SimDisk();
    const { manifest } = await openManifest({ disk, folder });
    await manifest.apply({ add: [segmentFile(1)], flushedPosition: 1 });
    disk.crashAtStep(disk.steps + 2);
    const edit = { add: [segmentFile(2)], remove: [1], flushedPosition: 2 };
    await expect(manifest.apply(edit)).rejects.toBeInstanceOf(SimCrash);
    const next = disk.restarted();
    const read = await openManifest({ disk: next, folder });
    expect([...read.manifest.state.files.keys()]).toEqual([2]);
    for (const { disk: survivor } of next.survivors({ limit: 64, random: seededRandom(1) })) {
      const found = await readManifest({ disk: survivor, folder });
      expect([...(found?.state.files.keys() ?? [])]).toEqual([2]);
    }
  });

  it("S8: at every step leaves the state before or the state after, with all its files, whatever survives", async () => {
    const whole: Ledger = { texts: [], acknowledged: 0 };
    const plain = new SimDisk();
    await run(plain, whole);
    const random = seededRandom(1);
    let states = 0;
    for (let step = 1; step <= plain.steps + 1; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      const ledger: Ledger = { texts: [], acknowledged: 0 };
      await run(disk, ledger).catch((error: unknown) => {
        if (!(error instanceof SimCrash)) throw error;
      });
      for (const { disk: survivor } of disk.survivors({ limit: 40, random })) {
        states++;
        await survivor.makeFolder(folder);
        const found = await readManifest({ disk: survivor, folder });
        if (found === undefined) expect(ledger.acknowledged).toBe(0);
        else {
          const place = ledger.texts.length === 0 ? 0 : ledger.texts.lastIndexOf(textOf(found.state));
          expect(place).toBeGreaterThanOrEqual(ledger.acknowledged - 1);
        }
        const opened = await openManifest({ disk: survivor, folder });
        expect(opened.missing).toEqual([]);
        if (found !== undefined) expect(textOf(opened.manifest.state)).toBe(textOf(found.state));
        for (const name of opened.orphans) await survivor.remove(`${folder}/${name}`);
        await opened.manifest.apply({ values: { again: "yes" } });
        await opened.manifest.close();
        expect((await readManifest({ disk: survivor, folder }))?.state.values.get("again")).toBe("yes");
      }
    }
    expect(states).toBeGreaterThan(400);
  }, 60_000);

  it("S8: during the opening that mends a torn tail changes nothing, three crashes deep", async () => {
    const random = seededRandom(2);
    const torn = new SimDisk();
    const { manifest } = await openManifest({ disk: torn, folder });
    await manifest.apply({ values: { kept: "yes" } });
    await torn.syncFolder(folder);
    const path = `${folder}/manifest-0000000001`;
    const file = await torn.open(path, "read-write");
    await file.writeAt([new Uint8Array(900).fill(9)], await file.sizeBytes());
    await file.sync();
    let disks = [torn];
    for (let depth = 0; depth < 3; depth++) {
      const next: SimDisk[] = [];
      for (const disk of disks) {
        for (let step = 1; ; step++) {
          const trial = disk.restarted();
          trial.crashAtStep(step);
          const opened = await openManifest({ disk: trial, folder }).catch(() => undefined);
          const [survivor] = [...trial.survivors({ limit: 12, random })].slice(-1);
          for (const { disk: one } of trial.survivors({ limit: 12, random }))
            expect((await readManifest({ disk: one, folder }))?.state.values.get("kept")).toBe("yes");
          next.push(survivor.disk);
          if (opened !== undefined) break;
        }
      }
      disks = next.slice(0, 12);
    }
    expect(disks).toHaveLength(12);
  });

  it("S8: every failed call is told; what the store then holds is the state before or after", async () => {
    const kinds = [
      (occurrence: number) => faults.failOpen({ occurrence, path: /manifest|CURRENT/ }),
      (occurrence: number) => faults.failWrite({ occurrence, path: /manifest|CURRENT/, code: "ENOSPC", bytes: 300 }),
      (occurrence: number) => faults.failSync({ occurrence, path: /manifest|CURRENT/, lies: true }),
      (occurrence: number) => faults.failRename({ occurrence }),
      (occurrence: number) => faults.failSyncFolder({ occurrence, lies: true }),
    ];
    for (const fault of kinds) {
      for (let occurrence = 1; ; occurrence++) {
        const disk = new SimDisk({ faults: [fault(occurrence)] });
        const ledger: Ledger = { texts: [], acknowledged: 0 };
        const failure = await run(disk, ledger).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (disk.faultsStruck === 0) break;
        expect(failure).toBeDefined();
        for (const { disk: survivor } of disk.survivors({ limit: 20, random: seededRandom(3) })) {
          await survivor.makeFolder(folder);
          const found = await readManifest({ disk: survivor, folder });
          if (found === undefined) expect(ledger.acknowledged).toBe(0);
          else if (ledger.texts.length > 0)
            expect(ledger.texts.lastIndexOf(textOf(found.state))).toBeGreaterThanOrEqual(ledger.acknowledged - 1);
        }
      }
    }
  }, 60_000);
});
