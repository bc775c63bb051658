import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { NodeDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { compareEntries } from "../testing/model.ts";
import type { SectionBuilder } from "./derived-sections.ts";
import { compactionHost } from "./host.ts";
import { sectionBuilders } from "./section-builders.ts";
import { edge, item } from "./testing/layers.ts";
import { writeSegment } from "./write-segment.ts";

const disk = new NodeDisk();
const failingMain = new URL("./testing/failing-worker.ts", import.meta.url);
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-sections-"));

const edges = Array.from({ length: 3_000 }, (_, place) => edge(`n${place}`, `n${place % 17}`, place + 1, place / 8));
const items = Array.from({ length: 3_000 }, (_, place) => item(`n${place}`, 5_000 + place));
const entries: readonly Entry[] = [...edges, ...items].sort(compareEntries);

async function* inBatches(list: readonly Entry[]): AsyncGenerator<readonly Entry[]> {
  for (let from = 0; from < list.length; from += 256) yield list.slice(from, from + 256);
}

function write(
  folder: string,
  builders: readonly SectionBuilder[],
  { list = entries, signal }: { readonly list?: readonly Entry[]; readonly signal?: AbortSignal } = {},
): Promise<ManifestFile | undefined> {
  return writeSegment({ disk, folder, fileId: 1, level: 0, batches: inBatches(list), builders, signal });
}

describe("sections that a worker derives for a segment written here", () => {
  it("S2: are those that are derived here", async () => {
    await using host = compactionHost({ kind: "worker", disk });
    const [here, there] = [newFolder(), newFolder()];
    const expected = await write(here, sectionBuilders({ fileId: 1, collections: [] }));
    expect(await write(there, host.sectionBuilders({ fileId: 1, collections: [] }))).toEqual(expected);
    const name = "0000000001.segment";
    expect(await disk.readFile(join(there, name))).toEqual(await disk.readFile(join(here, name)));
    expect(
      await write(newFolder(), host.sectionBuilders({ fileId: 1, collections: [] }), { list: [] }),
    ).toBeUndefined();
    await using slices = compactionHost({ kind: "slices", disk });
    expect(await write(newFolder(), slices.sectionBuilders({ fileId: 1, collections: [] }))).toEqual(expected);
  });

  it("S8: fail as they would here, and no segment comes of it", async () => {
    const folder = newFolder();
    await using host = compactionHost({ kind: "worker", disk, worker: { main: failingMain } });
    const broken = entries.map((entry, place) => (place === 700 ? { ...entry, value: new Uint8Array(3) } : entry));
    const failing = write(folder, host.sectionBuilders({ fileId: 1, collections: [] }), { list: broken });
    await expect(failing).rejects.toMatchObject({ code: "STORE_GRAPH_EDGE" });
    const ended = write(folder, host.sectionBuilders({ fileId: 1, collections: [{ name: "exit", number: 0 }] }));
    await expect(ended).rejects.toMatchObject({ code: "STORE_WORKER", retryable: true });
    expect(await disk.list(folder)).toEqual([]);
    expect((await write(folder, host.sectionBuilders({ fileId: 1, collections: [] })))?.entries).toBe(6_000);
  });

  it("S7: are forgotten where the segment comes to nothing: the worker is idle then", async () => {
    const clock = new VirtualClock();
    await using host = compactionHost({ kind: "worker", disk, clock });
    let added = 0;
    const failing: SectionBuilder = {
      add: () => {
        if (++added === 600) throw new Error("not this one");
      },
      finish: async () => [],
    };
    const folder = newFolder();
    await expect(write(folder, [...host.sectionBuilders({ fileId: 1, collections: [] }), failing])).rejects.toThrow(
      "not this one",
    );
    expect(clock.timers).toBe(1);
    expect(await disk.list(folder)).toEqual([]);
  });

  it("S5: end with the segment's own abort, and with the host", async () => {
    const folder = newFolder();
    const host = compactionHost({ kind: "worker", disk });
    /** With something done while the worker derives. */
    const meanwhile = (work: () => void): SectionBuilder => {
      const builder = host.sectionBuilders({ fileId: 1, collections: [] })[0]!;
      return {
        add: (entry) => builder.add(entry),
        finish: (signal) => {
          const finishing = builder.finish(signal);
          work();
          return finishing;
        },
        abandon: () => builder.abandon?.(),
      };
    };
    const controller = new AbortController();
    const aborting = meanwhile(() => controller.abort(new Error("no longer wanted")));
    await expect(write(folder, [aborting], { signal: controller.signal })).rejects.toThrow("no longer wanted");
    let closing: Promise<void> | undefined;
    const ending = meanwhile(() => (closing = host.close()));
    await expect(write(folder, [ending])).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await closing;
    expect(await disk.list(folder)).toEqual([]);
    await expect(write(folder, host.sectionBuilders({ fileId: 1, collections: [] }))).rejects.toMatchObject({
      code: "STORE_CLOSED",
    });
  });
});
