import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { faults, NodeDisk, SimDisk } from "../../disk/index.ts";
import { checkpoints, localCheckpoints } from "./index.ts";
import { textComponent } from "./testing/text-component.ts";

const folder = "/checkpoints";

function on(disk: SimDisk) {
  const component = textComponent("counter");
  const kept = checkpoints({ backend: localCheckpoints({ disk, folder }), keep: 2 });
  kept.register(component);
  return { kept, component };
}

const names = (disk: SimDisk): string[] => [...disk.files()].map(({ path }) => path);
const temporaries = (disk: SimDisk): string[] => names(disk).filter((path) => path.endsWith(".tmp"));

describe("checkpoints in files", () => {
  it("R10: are tried once more as a new file where a write, a sync or an opening fails", async () => {
    const { failOpen, failSync, failWrite } = faults;
    for (const fault of [
      failWrite({ path: /tmp$/, bytes: 100 }),
      failWrite({ path: /tmp$/, code: "ENOSPC" }),
      failWrite({ path: /tmp$/, code: "EDQUOT" }),
      failSync({ path: /tmp$/ }),
      failSync({ path: /tmp$/, lies: true }),
      failOpen({ path: /tmp$/ }),
    ]) {
      const disk = new SimDisk({ faults: [fault] });
      const { kept } = on(disk);
      expect((await kept.checkpoint("counter")).version, String(fault)).toBe(1);
      expect([disk.faultsStruck, temporaries(disk)]).toEqual([1, []]);
      expect(disk.powerCut().combinations).toBeLessThanOrEqual(8);
    }
  });

  it("R10: fail with what failed where the second try fails too, and what was kept stays", async () => {
    const disk = new SimDisk({ faults: [faults.failSync({ path: /tmp$/, occurrence: 2, forever: true })] });
    const { kept, component } = on(disk);
    component.text = "good";
    await kept.checkpoint("counter");
    component.text = "lost";
    await expect(kept.checkpoint("counter")).rejects.toMatchObject({
      code: "CHECKPOINT_WRITE_FAILED",
      retryable: true,
    });
    await kept.restore("counter");
    expect([component.text, temporaries(disk), disk.faultsStruck]).toEqual(["good", [], 2]);
  });

  it("R10: take a new version after a failed sync of the folder, and nothing more after a second", async () => {
    const once = new SimDisk({ faults: [faults.failSyncFolder({ path: /checkpoints/, occurrence: 3 })] });
    expect((await on(once).kept.checkpoint("counter")).version).toBe(2);
    const disk = new SimDisk({
      faults: [faults.failSyncFolder({ path: /checkpoints/, occurrence: 4, forever: true })],
    });
    const { kept, component } = on(disk);
    component.text = "good";
    await kept.checkpoint("counter");
    component.text = "in doubt";
    await expect(kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_UNCERTAIN" });
    for (let times = 0; times < 2; times++)
      await expect(kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_POISONED" });
    expect(await kept.list("counter")).toEqual([1]);
    await kept.restore("counter");
    expect(component.text).toBe("good");
  });

  it("R10: acknowledge again once the folder was opened anew, under versions nobody has seen", async () => {
    const broken = new SimDisk({
      faults: [faults.failSyncFolder({ path: /checkpoints/, occurrence: 3, forever: true })],
    });
    const first = on(broken);
    await expect(first.kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_UNCERTAIN" });
    const second = on(broken.restarted());
    expect((await second.kept.checkpoint("counter")).version).toBe(5);
    const lost = on(broken.survivor([]));
    expect((await lost.kept.checkpoint("counter")).version).toBe(4);
  });

  it("R10: have one writer at a time", async () => {
    const disk = new SimDisk();
    const first = on(disk);
    await first.kept.checkpoint("counter");
    await expect(on(disk).kept.checkpoint("counter")).rejects.toMatchObject({ code: "DISK_LOCKED" });
    await first.kept.close();
    await on(disk).kept.checkpoint("counter");
  });

  it("R10: can be read beside their writer, and not written", async () => {
    const disk = new SimDisk();
    const writer = on(disk);
    const reader = checkpoints({ backend: localCheckpoints({ disk, folder, readOnly: true }) });
    const component = textComponent("counter");
    reader.register(component);
    expect(await reader.list("counter")).toEqual([]);
    writer.component.text = "seen";
    await writer.kept.checkpoint("counter");
    const steps = disk.steps;
    expect((await reader.restore("counter")).version).toBe(1);
    expect(component.text).toBe("seen");
    await expect(reader.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_READ_ONLY" });
    expect(disk.steps).toBe(steps);
  });

  it("R10: sweep what a writer left half done, and nothing else", async () => {
    const disk = new SimDisk();
    await disk.makeFolder(folder);
    const left = `${folder}/.counter@0000000000000001.checkpoint.${"0".repeat(32)}.tmp`;
    for (const path of [left, `${folder}/.other.tmp`, `${folder}/notes.txt`]) await disk.writeFile(path, utf8("half"));
    await on(disk).kept.checkpoint("counter");
    expect(names(disk)).toEqual([
      `${folder}/.other.tmp`,
      `${folder}/notes.txt`,
      `${folder}/counter@0000000000000001.reserved`,
      `${folder}/counter@0000000000000001.checkpoint`,
    ]);
  });

  it("R10: pass over a version that the device cannot read, and say so", async () => {
    const disk = new SimDisk();
    const { kept, component } = on(disk);
    for (const text of ["one", "two"]) {
      component.text = text;
      await kept.checkpoint("counter");
    }
    const other = on(disk.restarted({ faults: [faults.failRead({ path: /2\.checkpoint/, forever: true })] }));
    const { version, fellBack } = await other.kept.restore("counter");
    expect([version, other.component.text]).toEqual([1, "one"]);
    expect(fellBack).toEqual([{ version: 2, reason: expect.stringContaining("the device failed") }]);
  });

  it("R10: name no file of a real folder but theirs and the lock's", async () => {
    const own = mkdtempSync(join(tmpdir(), "holdfast-checkpoints-"));
    try {
      const kept = checkpoints({ backend: localCheckpoints({ disk: new NodeDisk(), folder: own }), keep: 2 });
      kept.register(textComponent("Forge"));
      for (let times = 0; times < 3; times++) await kept.checkpoint("Forge");
      const files = (): string[] => readdirSync(own).filter((name) => !name.startsWith("writer.lock."));
      const reserved = "=forge@0000000000000001.reserved";
      expect(files()).toEqual([reserved, "=forge@0000000000000002.checkpoint", "=forge@0000000000000003.checkpoint"]);
      writeFileSync(join(own, "=forge@0000000000000003.checkpoint"), "cut off");
      expect((await kept.restore("Forge")).fellBack).toEqual([
        { version: 3, reason: "it has 7 bytes, less than a header" },
      ]);
      await kept.close();
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  });
});
