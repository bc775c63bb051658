import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { NodeDisk, SimDisk } from "../../disk/index.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { type CompactionHostOptions, compactionHost } from "./host.ts";
import { type CompactionJob, type CompactionProgress, runCompaction } from "./job.ts";
import { faultLevels } from "./testing/fault-levels.ts";
import { edge, entriesOf, flushed, item, itemInLog, jobOf, keyOf } from "./testing/layers.ts";

const disk = new NodeDisk();
const failingMain = new URL("./testing/failing-worker.ts", import.meta.url);
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-compaction-"));

interface Prepared {
  readonly folder: string;
  readonly files: readonly ManifestFile[];
  readonly job: (more?: Partial<CompactionJob>) => CompactionJob;
}

/** Two segments of so many items each, half of the newer one's in the older one too. */
async function prepared(count: number, textBytes = 20): Promise<Prepared> {
  const folder = newFolder();
  const text = "x".repeat(textBytes);
  const older = Array.from({ length: count }, (_, place) => item(`n${place}`, place + 1, text));
  const newer = older.map((_, place) => item(`n${place + count / 2}`, count + place + 1, text));
  const edges = [edge("n1", "n2", 3 * count, 0.5), itemInLog("deep", 3 * count + 1, { file: 4, length: 9_000 })];
  const files: ManifestFile[] = [];
  for (const [place, entries] of [older, [...newer, ...edges]].entries())
    files.unshift((await flushed(disk, entries, { fileId: place + 1, folder, blockBytes: 8_192 }))!);
  return { folder, files, job: (more = {}) => jobOf(files, { folder, blockBytes: 8_192, ...more }) };
}

const hostOf = (more: Partial<CompactionHostOptions> = {}) => compactionHost({ kind: "worker", disk, ...more });
const namesIn = async (folder: string): Promise<string[]> => (await disk.list(folder)).map(({ name }) => name);
const inputNames = ["0000000001.segment", "0000000002.segment"];
const output = (fileId: number, level = 1) => ({ output: { fileId, level } });

describe("where compactions run", () => {
  it("S2: a worker makes the same file as slices do, and tells how far it is", async () => {
    const { folder, job } = await prepared(20_000);
    const changes = [{ key: keyOf("n7"), kappa: 0.5 }];
    const progress: CompactionProgress[] = [];
    await using worker = hostOf();
    await using slices = hostOf({ kind: "slices" });
    expect([worker.kind, slices.kind]).toEqual(["worker", "slices"]);
    const more = { kappaChanges: changes, output: { fileId: 100, level: 1 } };
    const there = await worker.run(job(more), { onProgress: (one) => progress.push(one) });
    const thereBytes = await disk.readFile(join(folder, "0000000100.segment"));
    await disk.remove(join(folder, "0000000100.segment"));
    const here = await slices.run(job(more));
    expect(there).toEqual(here);
    expect(there.kappaChanged).toBe(1);
    expect(there.dropped).toEqual({ entries: 10_000, garbage: [] });
    expect(await disk.readFile(join(folder, "0000000100.segment"))).toEqual(thereBytes);
    expect(progress.at(-1)?.phase).toBe("verify");
    expect(progress.length).toBeGreaterThan(2);
  });

  it("S2: any other disk than the real one is merged on in slices", async () => {
    await using host = hostOf({ disk: new SimDisk() });
    expect(host.kind).toBe("slices");
  });

  it("S7: leaves the event loop free while a worker merges", async ({ annotate }) => {
    const { folder, files, job } = await prepared(8_000, 1_000);
    await using host = hostOf();
    await host.run(job(output(99)));
    const delay = monitorEventLoopDelay({ resolution: 2 });
    delay.enable();
    const startMs = performance.now();
    const { file } = await host.run(job(output(100)));
    const seconds = (performance.now() - startMs) / 1_000;
    delay.disable();
    const megabytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6;
    const figures = `p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, longest ${(delay.max / 1e6).toFixed(1)} ms`;
    await annotate(`${figures}; ${(megabytes / seconds).toFixed(0)} MB/s of ${megabytes.toFixed(0)} MB`);
    // A pause is at most 500 ms (S7); a machine that is busy otherwise still keeps that.
    expect(delay.max / 1e6).toBeLessThan(500);
    expect(await entriesOf(disk, file, folder)).toHaveLength(12_002);
  });

  it("S8: a damaged input comes back from a worker with its path", async () => {
    const { folder, job } = await prepared(2_000);
    const path = join(folder, "0000000001.segment");
    const bytes = await disk.readFile(path);
    bytes[5_000]! ^= 4;
    await disk.writeFile(path, bytes);
    await using host = hostOf();
    await expect(host.run(job())).rejects.toMatchObject({ code: "STORE_SEGMENT_CORRUPT", details: { path } });
    expect(await namesIn(folder)).toEqual(inputNames);
  });

  it.each(["worker", "slices"] as const)("S5: an abort ends a job in a %s, and leaves no file", async (kind) => {
    const { folder, job } = await prepared(20_000);
    await using host = hostOf({ kind });
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error("no longer wanted"));
    const running = host.run(job(), { signal: controller.signal, onProgress });
    await expect(running).rejects.toThrow("no longer wanted");
    expect(await namesIn(folder)).toEqual(inputNames);
    await expect(host.run(job(), { signal: controller.signal })).rejects.toThrow("no longer wanted");
    expect((await host.run(job())).file?.entries).toBe(30_002);
  });

  it.each(["exit", "throws", "memory"] as const)("S8: a worker that ends (%s) fails its job alone", async (fault) => {
    const { folder, job } = await prepared(20_000);
    await using host = hostOf({ worker: { main: failingMain, heapLimitMb: 64 } });
    const failing = host.run(job(output(100, faultLevels[fault])));
    const refusal = { code: "STORE_WORKER", retryable: true };
    await expect(failing).rejects.toMatchObject(refusal);
    expect(await namesIn(folder)).toEqual(inputNames);
    expect((await host.run(job(output(100)))).file?.entries).toBe(30_002);
  });

  it("S8: a broken invariant ends the worker, with its words", async () => {
    const { job } = await prepared(10);
    await using host = hostOf();
    const failing = host.run(job({ inputs: [] }));
    await expect(failing).rejects.toThrow(/STORE_WORKER.*a compaction has an input/);
    await expect(runCompaction(disk, job({ inputs: [] }))).rejects.toThrow("a compaction has an input");
  });

  it("S7: keeps its worker from job to job, and lets it go when it was idle for a while", async () => {
    const { job } = await prepared(10);
    const clock = new VirtualClock();
    await using host = hostOf({ worker: { main: failingMain }, clock, idleMs: 5_000 });
    let fileId = 100;
    const thread = async (): Promise<unknown> =>
      await host.run(job(output(++fileId, faultLevels.name))).then(
        () => undefined,
        (error: { readonly details: unknown }) => error.details,
      );
    const first = await thread();
    await clock.advance(4_999);
    expect(await thread()).toEqual(first);
    await clock.advance(5_000);
    const later = await thread();
    expect(later).toEqual({ thread: expect.any(Number) });
    expect(later).not.toEqual(first);
  });

  it.each(["worker", "slices"] as const)("S5: closing ends what runs in a %s, and takes no more", async (kind) => {
    const { folder, job } = await prepared(20_000);
    const host = hostOf({ kind });
    const running = host.run(job());
    const failed = expect(running).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await host.close();
    await failed;
    expect(await namesIn(folder)).toEqual(inputNames);
    await expect(host.run(job())).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await host.close();
  });

  it("S7: holds up no process but one that waits for a job", async () => {
    const program = new URL("./testing/host-process.ts", import.meta.url).pathname;
    const said = async (mode: string): Promise<string> =>
      (await promisify(execFile)(process.execPath, [program, mode, newFolder()], { timeout: 30_000 })).stdout;
    expect(await said("awaited")).toBe("40000 entries\n");
    expect(await said("background")).toBe("");
  });
});
