import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock, utf8 } from "../base/index.ts";
import { NodeDisk } from "../disk/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { verifyWal } from "../wal/index.ts";
import { checkpointInterval, ForgeStore, readLedger, storeFolder } from "./forge-store.ts";
import type { Ledger } from "./ledger.ts";

const disk = new NodeDisk();
const clock = systemClock;
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-forge-store-"));
const open = (stateDir: string): Promise<ForgeStore> => ForgeStore.open({ stateDir, disk, clock });

function accept(store: ForgeStore, jobId: string): Promise<void> {
  const value = { jobId, name: jobId, strategy: "STANDARD", toolchainName: "text", toolchainVersion: "1" };
  return store.accept({ ...value, modelHash: "00", optionsHash: "01" }, []);
}

function compile(store: ForgeStore, unit: number): Promise<void> {
  return store.compiled(
    { unitKey: `key ${unit}`, unitHash: `hash ${unit}`, unitName: `unit ${unit}` },
    utf8(`${unit}`),
  );
}

/** What of a ledger is told to others. */
function told(ledger: Ledger): unknown {
  const jobs = ledger.jobs().map(({ records: _, ...job }) => job);
  return { jobs, units: ledger.units().map(({ record: _, ...unit }) => unit) };
}

async function logEntries(stateDir: string): Promise<number> {
  return (await verifyWal(disk, join(storeFolder(stateDir), "log"))).entries;
}

const verdict = { kind: "signal", message: "it died", signal: "SIGSEGV" };

describe("what the forge keeps", () => {
  it("F3: is all there after a restart, as it was before: jobs in their order, attempts, units, files", async () => {
    const folder = newFolder();
    const store = await open(folder);
    for (const job of ["first", "second", "third", "fourth"]) await accept(store, job);
    const failed = { jobId: "first", unitKey: "key 0", attempt: 1, verdict };
    await store.note("first", { case: "unitAttemptFailed", value: failed });
    await store.note("first", { case: "unitAttemptFailed", value: { ...failed, attempt: 2 } });
    for (const unitKey of ["key 7", "key 0"]) {
      const fell = { jobId: "first", unitKey, unitHash: "h", unitName: "u", attempts: 2, verdict };
      await store.note("first", { case: "unitFellBack", value: fell });
    }
    const files = [{ path: "a.wasm", bytes: utf8("bytes of a file") }];
    await store.finish({ jobId: "second", status: "done", units: 3, eagerUnits: 0 }, files);
    const failure = { jobId: "third", code: "ONNX_BAD", message: "no", hint: "mend it" };
    await store.note("third", { case: "jobFailed", value: failure });
    for (const unit of [3, 4]) await compile(store, unit);
    await store.lost((await store.unit("key 3"))!);
    await compile(store, 3);
    await store.lost((await store.unit("key 4"))!);
    const before = told(store.ledger);
    await store[Symbol.asyncDispose]();

    await using again = await open(folder);
    expect(told(again.ledger)).toEqual(before);
    const [first, second, third, fourth] = again.ledger.jobs();
    expect(first).toMatchObject({ id: "first", state: "accepted", attempts: new Map([["key 0", 2]]) });
    expect([...first!.eager.keys()]).toEqual(["key 7", "key 0"]);
    expect(second).toMatchObject({ state: "done", files: [{ path: "a.wasm", sizeBytes: 15 }] });
    expect(await again.bytes("artifacts", second!.files[0]!.hash)).toEqual(files[0]!.bytes);
    expect([third!.failure?.code, fourth!.state]).toEqual(["ONNX_BAD", "accepted"]);
    expect(await again.unit("key 3")).toMatchObject({ compilations: 2, hash: "hash 3" });
    expect(await again.bytes("objects", (await again.unit("key 3"))!.objectHash!)).toEqual(utf8("3"));
    expect((await again.unit("key 4"))?.objectHash).toBeUndefined();
    const { units } = told(await readLedger(disk, storeFolder(folder))) as { units: unknown[] };
    expect(units).toMatchObject([
      { key: "key 3", compilations: 2 },
      { key: "key 4", compilations: 1, objectHash: undefined },
    ]);
  });

  it("F3: a job that is accepted again goes to the end of the order, and begins anew", async () => {
    const folder = newFolder();
    const store = await open(folder);
    for (const job of ["first", "second", "third"]) await accept(store, job);
    const value = { jobId: "first", unitKey: "key 0", unitHash: "h", unitName: "u", attempts: 2, verdict };
    await store.note("first", { case: "unitFellBack", value });
    await store.finish({ jobId: "first", status: "degraded", units: 1, eagerUnits: 1 }, []);
    await Promise.all(["first", "fourth", "fifth"].map((job) => accept(store, job)));
    const expected = ["second", "third", "first", "fourth", "fifth"];
    const jobs = (ledger: Ledger) => ledger.jobs().map(({ id, state, eager }) => [id, state, eager.size]);
    await store[Symbol.asyncDispose]();
    await using again = await open(folder);
    expect(jobs(again.ledger)).toEqual(expected.map((id) => [id, "accepted", 0]));
    await accept(again, "second");
    expect(again.ledger.jobs().at(-1)?.id).toBe("second");
  });

  it("W9: has a checkpoint after ten compilations: nothing of before has to be read from the log again", async () => {
    const folder = newFolder();
    const store = await open(folder);
    await accept(store, "job");
    for (let unit = 0; unit < checkpointInterval - 1; unit++) await compile(store, unit);
    await store[Symbol.asyncDispose]();
    expect(await logEntries(folder)).toBe(checkpointInterval);
    // It counts on where the one before was cut off.
    const next = await open(folder);
    await compile(next, checkpointInterval);
    await next[Symbol.asyncDispose]();
    expect(await logEntries(folder)).toBe(0);
    await using last = await open(folder);
    expect(last.ledger.jobs().map(({ id }) => id)).toEqual(["job"]);
    expect(await last.bytes("objects", (await last.unit("key 0"))!.objectHash!)).toEqual(utf8("0"));
  });

  it("W9: has no more to read after a thousand compilations than after a hundred", async () => {
    const folder = newFolder();
    const left = async (compilations: number): Promise<{ entries: number; files: number }> => {
      const store = await open(folder);
      for (let count = 0; count < compilations; count++) await compile(store, count % 20);
      await store[Symbol.asyncDispose]();
      return { entries: await logEntries(folder), files: (await disk.list(storeFolder(folder))).length };
    };
    const early = await left(100);
    const late = await left(1_000);
    expect(early.entries).toBeLessThanOrEqual(checkpointInterval + 1);
    expect(late.entries).toBeLessThanOrEqual(checkpointInterval + 1);
    expect(late.files).toBeLessThan(20);
    expect((await readLedger(disk, storeFolder(folder))).units().map(({ compilations }) => compilations)).toEqual(
      Array.from({ length: 20 }, () => 55),
    );
  }, 60_000);

  it("R13: a write that is only queued is none: the forge does not go on from it", async () => {
    const real = await openStore({ folder: newFolder(), disk, clock });
    const degraded: Store = Object.create(real, {
      write: { value: async () => ({ version: 0, durability: "queued", level: "read-only" }) },
      statistics: { value: () => real.statistics() },
      collection: { value: (name: string) => real.collection(name) },
    });
    const store = await ForgeStore.over(degraded, clock);
    await expect(accept(store, "job")).rejects.toMatchObject({ code: "FORGE_NOT_DURABLE", retryable: true });
    expect(store.ledger.jobs()).toEqual([]);
    await real.close();
  });
});
