import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { goneWithin, lives, pause } from "../../test/sandbox/process-life.ts";
import { utf8 } from "../base/index.ts";
import { probePlatform } from "./enforcement.ts";
import { type CellPool, createCellPool } from "./index.ts";

const memoryLimitBytes = 64 * 2 ** 20;
const { setpriv } = await probePlatform();

/** A parent with a busy cell, and the pid of that cell. */
async function doomedParent(...args: string[]): Promise<{ readonly parent: ChildProcess; readonly cell: number }> {
  const script = fileURLToPath(new URL("../../test/sandbox/doomed-parent.ts", import.meta.url));
  const parent = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = (await once(parent.stdout as Readable, "data")) as [Buffer];
  const cell = Number(text.toString());
  expect(cell).toBeGreaterThan(0);
  return { parent, cell };
}

describe("death of the parent", () => {
  it.skipIf(!setpriv).each([
    ["in an endless loop", "loop"],
    ["frozen", "signal"],
    ["deaf to signals", "loop-deaf"],
  ])("X1: by SIGKILL takes a cell with it that is %s", async (_, job) => {
    const { parent, cell } = await doomedParent("killed", job);
    expect(lives(cell)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    expect(await goneWithin(cell, 1_000)).toBe(true);
  });

  it("X1: by process.exit takes a looping cell with it", async () => {
    const { parent, cell } = await doomedParent("exit", "loop");
    if (parent.exitCode === null) await once(parent, "exit");
    expect(await goneWithin(cell, 1_000)).toBe(true);
  });

  it("an idle pool does not keep its process alive", async () => {
    const { parent, cell } = await doomedParent("idle");
    if (parent.exitCode === null) await once(parent, "exit");
    expect(parent.exitCode).toBe(0);
    expect(await goneWithin(cell, 1_000)).toBe(true);
  });
});

describe("a module that does not load", () => {
  const echo = (pool: CellPool) => pool.run({ kind: "echo", payload: utf8(""), timeoutMs: 1_000 });

  it.each([
    ["throws", "../../test/sandbox/broken-handler.ts?throws", /refuses to load/],
    ["crashes", "../../test/sandbox/broken-handler.ts?crashes", /SIGSEGV/],
    ["hangs", "../../test/sandbox/broken-handler.ts?hangs", /not ready within/],
    ["exports no handle", "../../test/sandbox/broken-handler.ts", /exports no function "handle"/],
    ["is not there", "../../test/sandbox/missing.ts", /did not load/],
  ])("X1: because it %s ends jobs with a bootstrap verdict and stops spawning", async (_, file, message) => {
    const module = new URL(file, import.meta.url);
    await using pool = createCellPool({ module, cells: 2, memoryLimitBytes, bootstrapTimeoutMs: 700 });
    const outcomes = await Promise.all([echo(pool), echo(pool), echo(pool)]);
    const bootstrap = { ok: false, verdict: { kind: "bootstrap", message: expect.stringMatching(message) as string } };
    for (const outcome of outcomes) expect(outcome).toMatchObject(bootstrap);
    const { spawned } = pool.stats();
    expect(spawned).toBeLessThanOrEqual(4);
    expect(await echo(pool)).toMatchObject({ ok: false, verdict: { kind: "bootstrap" } });
    await pause(200);
    expect(pool.stats()).toMatchObject({ spawned, starting: 0, queued: 0 });
  });
});
