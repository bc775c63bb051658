import { describe, expect, it } from "vitest";
import { NodeDisk } from "./index.ts";
import { parseMounts } from "./mount.ts";

describe("the mount table", () => {
  it("W7: is read with its escapes, both kinds of options, and lines that say nothing left out", () => {
    const table = [
      "36 35 98:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,data=ordered",
      "40 36 0:30 /a /mnt/with\\040space rw - xfs /dev/vdb rw,nobarrier",
      "nonsense",
      "",
    ].join("\n");
    expect(parseMounts(table)).toEqual([
      { folder: "/", device: "/dev/vda", fileSystem: "ext4", options: ["rw", "relatime", "data=ordered"] },
      { folder: "/mnt/with space", device: "/dev/vdb", fileSystem: "xfs", options: ["rw", "nobarrier"] },
    ]);
  });

  it.skipIf(process.platform !== "linux")("W7: names the mount of a path that does not exist yet", async () => {
    const disk = new NodeDisk();
    const proc = await disk.mountOf("/proc/nothing/here");
    expect(proc?.folder).toBe("/proc");
    expect(proc?.fileSystem).toBe("proc");
    expect((await disk.mountOf("/surely/not/there"))?.folder).toBe("/");
  });
});
