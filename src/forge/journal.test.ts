import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../base/index.ts";
import { NodeDisk } from "../disk/index.ts";
import { verifyWal } from "../wal/index.ts";
import { checkpointInterval, Journal, readLedger } from "./journal.ts";
import type { Ledger } from "./ledger.ts";

const disk = new NodeDisk();
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-journal-"));
const open = (folder: string): Promise<Journal> => Journal.open(disk, folder, systemClock);

async function accept(journal: Journal, jobId: string): Promise<void> {
  const value = { jobId, name: jobId, strategy: "STANDARD", toolchainName: "text", toolchainVersion: "1" };
  await journal.write({ case: "jobAccepted", value: { ...value, modelHash: "00", optionsHash: "01" } });
}

async function compile(journal: Journal, unit: number): Promise<void> {
  const value = { unitKey: `key ${unit}`, unitHash: `hash ${unit}`, unitName: `unit ${unit}`, objectHash: `${unit}` };
  await journal.write({ case: "unitCompiled", value });
}

/** What of a ledger is told to others. */
function told(ledger: Ledger): unknown {
  const jobs = ledger.jobs().map(({ records: _, ...job }) => job);
  return { jobs, units: ledger.units().map(({ record: _, ...unit }) => unit) };
}

describe("the journal", () => {
  it("W9: writes a checkpoint every ten compilations, which says all that was said, and forgets the rest", async () => {
    const folder = newFolder();
    const journal = await open(folder);
    const verdict = { kind: "signal", message: "it died", signal: "SIGSEGV" };
    for (const job of ["first", "second", "third", "fourth"]) await accept(journal, job);
    const failed = { jobId: "first", unitKey: "key 0", attempt: 1, verdict };
    await journal.write({ case: "unitAttemptFailed", value: failed });
    const fell = { jobId: "first", unitKey: "key 0", unitHash: "h", unitName: "u", attempts: 2, verdict };
    await journal.write({ case: "unitFellBack", value: fell });
    const files = [{ path: "a.wasm", hash: "aa", sizeBytes: 5n }];
    await journal.commit(
      { modelHash: "00" },
      { case: "jobFinished", value: { jobId: "second", status: "done", files, units: 3, eagerUnits: 0 } },
    );
    const failure = { jobId: "third", code: "ONNX_BAD", message: "no", hint: "mend it" };
    await journal.write({ case: "jobFailed", value: failure });
    await accept(journal, "first");
    await compile(journal, 3);
    await journal.write({ case: "objectLost", value: { unitKey: "key 3", objectHash: "3" } });
    for (let turn = 0; turn < 6; turn++)
      await Promise.all(Array.from({ length: checkpointInterval }, (_, unit) => compile(journal, turn * 10 + unit)));
    await journal.write({ case: "objectLost", value: { unitKey: "key 5", objectHash: "5" } });
    const before = told(journal.ledger);
    await journal[Symbol.asyncDispose]();
    expect(told(await readLedger(disk, folder))).toEqual(before);
    // Files that hold nothing that is needed are gone: of the first, nothing is.
    expect((await verifyWal(disk, folder)).files[0]?.firstSequence).toBeGreaterThan(10);
    const again = await open(folder);
    expect(told(again.ledger)).toEqual(before);
    const units = again.ledger.units();
    expect(units.find(({ key }) => key === "key 3")?.compilations).toBe(2);
    expect(units.find(({ key }) => key === "key 5")?.objectHash).toBeUndefined();
    await again[Symbol.asyncDispose]();
  });

  it("W9: has no more to read after a thousand compilations than after a hundred", async () => {
    const folder = newFolder();
    const entriesAfter = async (compilations: number): Promise<number> => {
      const journal = await open(folder);
      for (let count = 0; count < compilations; count++) await compile(journal, count % 20);
      await journal[Symbol.asyncDispose]();
      return (await verifyWal(disk, folder)).entries;
    };
    const early = await entriesAfter(100);
    const late = await entriesAfter(1_000);
    expect(early).toBeLessThanOrEqual(checkpointInterval + 1);
    expect(late).toBeLessThanOrEqual(checkpointInterval + 1);
  }, 30_000);
});
