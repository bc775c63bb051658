import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Mount } from "../disk/index.ts";
import { warningsOf } from "./durability-warning.ts";
import { reopen } from "./testing/log-text.ts";

const mount = (fileSystem: string, ...options: string[]): Mount => {
  return { folder: "/data", device: "/dev/vda", fileSystem, options: ["rw", ...options] };
};
const codesOf = (one: Mount): string[] => warningsOf(one).map(({ code }) => code);

describe("what a file system puts at risk", () => {
  it("W7: is nothing on a journaled one with its usual options", () => {
    for (const name of ["ext4", "xfs", "btrfs", "zfs", "overlay"]) expect(codesOf(mount(name, "relatime"))).toEqual([]);
    expect(codesOf(mount("ext4", "data=ordered", "barrier=1"))).toEqual([]);
  });

  it("W7: is named with the option to set", () => {
    expect(codesOf(mount("ext4", "data=writeback", "nobarrier"))).toEqual(["WAL_NO_BARRIERS", "WAL_WRITEBACK"]);
    expect(warningsOf(mount("xfs", "nobarrier"))[0]?.hint).toContain("mount -o remount,barrier=1 /data");
    expect(codesOf(mount("nfs4"))).toEqual(["WAL_REMOTE"]);
    expect(codesOf(mount("tmpfs"))).toEqual(["WAL_VOLATILE"]);
    expect(codesOf(mount("vfat"))).toEqual(["WAL_UNKNOWN_FILE_SYSTEM"]);
  });

  it.skipIf(!existsSync("/dev/shm"))("W7: is said by a log that is opened in memory", async () => {
    const folder = `/dev/shm/holdfast-${randomUUID()}`;
    try {
      const { wal } = await reopen(folder);
      expect(wal.recovery.warnings).toMatchObject([{ code: "WAL_VOLATILE" }]);
      await wal.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
