import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import type { Store } from "../store.ts";
import { openStore } from "./open-store.ts";

const folder = "/store";

function opened(disk: SimDisk): Promise<Store> {
  return openStore({ disk, folder, background: "slices", manual: true, clock: new VirtualClock() });
}

async function written(isFlushed: boolean): Promise<SimDisk> {
  const disk = new SimDisk();
  await using store = await opened(disk);
  const notes = await store.collection("notes");
  await notes.put("a", { content: "1" });
  if (!isFlushed) return disk;
  await store.flush();
  await notes.put("a", { content: "2" });
  await store.flush();
  return disk;
}

async function contentOf(store: Store): Promise<unknown> {
  const notes = await store.collection("notes");
  return (await notes.get("a"))?.content;
}

function pathsIn(disk: SimDisk, pattern: RegExp): string[] {
  return [...disk.files()].map(({ path }) => path).filter((path) => pattern.test(path));
}

describe("a store of which something was taken away", () => {
  it.each([false, true])("S8: is not opened without its log (flushed before: %s)", async (isFlushed) => {
    const disk = await written(isFlushed);
    for (const path of pathsIn(disk, /^\/store\/log\//)) await disk.remove(path);
    await expect(opened(disk)).rejects.toMatchObject({ code: "STORE_LOG_MISSING" });
  });

  it("S8: is not begun anew beside the log of another", async () => {
    const disk = await written(false);
    for (const path of pathsIn(disk, /^\/store\/(CURRENT|manifest-\d+)$/)) await disk.remove(path);
    await expect(opened(disk)).rejects.toMatchObject({ code: "STORE_MANIFEST_CORRUPT" });
  });

  it("S8: is not opened where the log has items of a collection that the manifest does not have", async () => {
    const disk = await written(false);
    const [path] = pathsIn(disk, /manifest-\d+$/) as [string];
    const whole = await disk.readFile(path);
    await disk.writeFile(path, whole.subarray(0, whole.length / 2));
    await expect(opened(disk)).rejects.toMatchObject({ code: "STORE_MANIFEST_CORRUPT" });
  });

  it("S8: is not opened by a manifest that lacks its last edits, at any whole number of them", async () => {
    const disk = await written(true);
    const [path] = pathsIn(disk, /manifest-\d+$/) as [string];
    const whole = await disk.readFile(path);
    let refused = 0;
    for (let length = whole.length - 512; length > 0; length -= 512) {
      const cut = disk.restarted();
      await cut.writeFile(path, whole.subarray(0, length));
      const found = await opened(cut).then(contentOf, (error: { readonly code: string }) => error.code);
      // Of each edit there are two copies: one of them is enough.
      expect(["2", "STORE_MANIFEST_CORRUPT"], `${length} of ${whole.length} bytes`).toContain(found);
      if (found !== "2") refused++;
    }
    expect(refused).toBeGreaterThanOrEqual(5);
  });
});
