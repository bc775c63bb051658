import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { utf8, utf8Text } from "../base/index.ts";
import { NodeDisk } from "../disk/index.ts";
import { hashHex } from "./content-hash.ts";
import {
  type Forge,
  type ForgeEvent,
  type ForgeOptions,
  type JobResult,
  openForge,
  readLedger,
  storeFolder,
} from "./index.ts";
import { textToolchain } from "./testing/text-toolchain.ts";

const disk = new NodeDisk();
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-forge-"));
const open = (stateDir: string, more: Partial<ForgeOptions> = {}): Promise<Forge> =>
  openForge({ stateDir, toolchain: textToolchain, cells: 2, ...more });

const textOf = (result: JobResult): string => utf8Text(result.files[0]?.bytes ?? new Uint8Array(0));

async function run(forge: Forge, text: string, more: Partial<Parameters<Forge["submit"]>[0]> = {}): Promise<JobResult> {
  return await (await forge.submit({ model: utf8(text), name: "text", ...more })).result();
}

/** How often each unit was compiled, by what the store says. */
async function compilations(stateDir: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const ledger = await readLedger(disk, storeFolder(stateDir));
  for (const { key, compilations } of ledger.units()) counts.set(key, compilations);
  return counts;
}

describe("jobs", () => {
  it("F3: one content is one job, however often it comes, and is delivered without cells after a restart", async () => {
    const folder = newFolder();
    {
      await using forge = await open(folder);
      const [first, second] = await Promise.all([run(forge, "a\nb\na"), run(forge, "a\nb\na")]);
      expect(textOf(first)).toBe("A\nB\nA");
      expect(second.files).toEqual(first.files);
      expect(forge.jobs().map((job) => job.state)).toEqual(["done"]);
    }
    await using forge = await open(folder, {
      createCells: () => {
        throw new Error("a cached job starts no cell");
      },
    });
    const again = await run(forge, "a\nb\na");
    expect(again).toMatchObject({ fromCache: true, status: "done" });
    expect(textOf(again)).toBe("A\nB\nA");
    // Units are shared between models.
    expect(textOf(await run(forge, "b\na"))).toBe("B\nA");
    expect([...(await compilations(folder)).values()]).toEqual([1, 1]);
  });

  it("F3: bad input fails the job with the toolchain's error, and the forge goes on", async () => {
    await using forge = await open(newFolder());
    await expect(run(forge, "a\n\nb")).rejects.toMatchObject({ code: "TENSOR_BAD_TEXT" });
    expect(forge.jobs()[0]).toMatchObject({
      state: "failed",
      failure: { code: "TENSOR_BAD_TEXT", hint: "Remove it." },
    });
    expect(textOf(await run(forge, "fine"))).toBe("FINE");
  });

  it("F3: what is unfinished when the forge closes is carried on in the order of acceptance", async () => {
    const folder = newFolder();
    {
      await using forge = await open(folder);
      for (const text of ["one", "two", "three"])
        void (await forge.submit({ model: utf8(text), name: text })).result().catch(() => 0);
    }
    await using forge = await open(folder);
    const finished: string[] = [];
    const handles = forge.resume();
    forge.subscribe((event) => {
      if (event.type === "jobFinished") finished.push(event.jobId);
    });
    await Promise.all(handles.map((handle) => handle.result()));
    expect(finished).toEqual(handles.map((handle) => handle.id));
    expect(forge.jobs().map((job) => [job.name, job.state])).toEqual([
      ["one", "done"],
      ["two", "done"],
      ["three", "done"],
    ]);
  });

  it("F4: a stored object that is damaged is noticed and compiled anew", async () => {
    const folder = newFolder();
    const [long, capitals] = ["a".repeat(300_000), "A".repeat(300_000)];
    {
      await using forge = await open(folder);
      await run(forge, `${long}\nb`);
    }
    for (const { name } of await disk.list(storeFolder(folder))) {
      if (!name.endsWith(".content")) continue;
      const bytes = await disk.readFile(join(storeFolder(folder), name));
      bytes[150_000]! ^= 1;
      await disk.writeFile(join(storeFolder(folder), name), bytes);
    }
    await using forge = await open(folder);
    expect(textOf(await run(forge, `b\n${long}`))).toBe(`B\n${capitals}`);
    expect([...(await compilations(folder)).values()].sort()).toEqual([1, 2]);
    // The artifact of the first job is damaged too.
    expect(await run(forge, `${long}\nb`)).toMatchObject({ fromCache: false, status: "done" });
    expect(textOf(await run(forge, `${long}\nb`))).toBe(`${capitals}\nB`);
    expect([...(await compilations(folder)).values()].sort()).toEqual([1, 2]);
  });

  it("F3: a job whose stored input is damaged fails with what to do, and does not stand in the way", async () => {
    const folder = newFolder();
    const long = "a".repeat(300_000);
    {
      await using forge = await open(folder);
      for (const text of [long, "b"])
        void (await forge.submit({ model: utf8(text), name: text })).result().catch(() => 0);
    }
    const input = (await disk.list(storeFolder(folder))).find(({ name }) => name.endsWith(".content"))!;
    await disk.writeFile(join(storeFolder(folder), input.name), utf8("nothing of it is left"));
    await using forge = await open(folder);
    const [first, second] = forge.resume();
    await expect(first!.result()).rejects.toMatchObject({ code: "FORGE_INPUT_LOST" });
    expect(textOf(await second!.result())).toBe("B");
    expect(textOf(await run(forge, long))).toBe("A".repeat(300_000));
  });

  it("S11: a state folder that is open is refused with the holder, and can be read", async () => {
    const folder = newFolder();
    await using forge = await open(folder);
    await run(forge, "a");
    await expect(open(folder)).rejects.toMatchObject({ code: "DISK_LOCKED", details: { pid: process.pid } });
    expect((await readLedger(disk, storeFolder(folder))).jobs().map(({ state }) => state)).toEqual(["done"]);
  });

  it("X4: the artifact has the same bytes whatever finished first, with any number of cells", async () => {
    const text = Array.from(
      { length: 12 },
      (_, place) => `unit ${place}${String.fromCharCode(97 + ((place * 5) % 26))}`,
    ).join("\n");
    for (const cells of [1, 3]) {
      await using forge = await open(newFolder(), { cells });
      expect(textOf(await run(forge, text))).toBe(text.toUpperCase());
    }
  });
});

describe("units that fail", () => {
  it("are tried twice and then stay eager alone, whatever the fault", async () => {
    const folder = newFolder();
    const events: ForgeEvent[] = [];
    {
      await using forge = await open(folder, { unitTimeoutMs: 1_000 });
      forge.subscribe((event) => events.push(event));
      const result = await run(forge, "a\ncrash\nmismatch\nhang\nz");
      expect(result.status).toBe("degraded");
      expect(textOf(result)).toBe("A\neager(crash)\neager(mismatch)\neager(hang)\nZ");
      const verdicts = result.eager.map(({ name, attempts, verdict }) => [name, attempts, verdict.kind]);
      expect(verdicts.sort()).toEqual([
        ["line 1", 2, "signal"],
        ["line 2", 2, "error"],
        ["line 3", 2, "deadline"],
      ]);
    }
    expect(events.filter((event) => event.type === "unitStarted").length).toBe(8);
    await using forge = await open(folder);
    const delivered = await run(forge, "a\ncrash\nmismatch\nhang\nz");
    expect(delivered).toMatchObject({ status: "degraded", fromCache: true });
    expect(delivered.eager.length).toBe(3);
  }, 20_000);

  it("F2: a missed budget leaves the rest eager and the job degraded", async () => {
    await using forge = await open(newFolder(), { cells: 1, budgetMs: 1_500 });
    const result = await run(forge, "a\nhang\nb");
    expect(textOf(result)).toBe("A\neager(hang)\neager(b)");
    expect(result.eager.map(({ verdict }) => verdict.kind)).toEqual(["budget", "budget"]);
    expect(result.durationMs).toBeLessThan(4_000);
  }, 20_000);

  it("F2: EMERGENCY starts no cell", async () => {
    await using forge = await open(newFolder(), {
      createCells: () => {
        throw new Error("no cell in an emergency");
      },
    });
    expect(textOf(await run(forge, "a\nb", { strategy: "EMERGENCY" }))).toBe("eager(a)\neager(b)");
  });
});

interface Ended {
  readonly output: string;
  readonly complaint: string;
}

/** Runs the forge process; kills it after so many lines of output, or lets it end. */
async function forgeProcess(stateDir: string, modelFile: string, killAfterLines: number): Promise<Ended> {
  const path = new URL("./testing/forge-process.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [path, stateDir, modelFile]);
  let output = "";
  let complaint = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
    if (output.split("\n").length > killAfterLines) child.kill("SIGKILL");
  });
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk));
  await new Promise((resolve) => child.once("close", resolve));
  return { output, complaint };
}

describe("kill -9", () => {
  it("F3: at any instant, the job goes on, no unit is compiled twice, and the bytes are the same", async () => {
    const text = Array.from({ length: 10 }, (_, place) => `unit ${place}`).join("\n");
    const model = join(newFolder(), "model.txt");
    await disk.writeFile(model, utf8(text));
    for (const stops of [
      [1, 2],
      [4, 4, 6],
      [9, 15],
    ]) {
      const folder = newFolder();
      for (const lines of stops) expect((await forgeProcess(folder, model, lines)).complaint).toBe("");
      const { output, complaint } = await forgeProcess(folder, model, Number.POSITIVE_INFINITY);
      expect(complaint).toBe("");
      expect(output.trim().split("\n").at(-1)).toBe(`RESULT done ${hashHex(text.toUpperCase())}`);
      expect([...(await compilations(folder)).values()]).toEqual(Array.from({ length: 10 }, () => 1));
    }
  }, 60_000);
});
