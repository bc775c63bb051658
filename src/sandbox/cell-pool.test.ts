import { afterAll, describe, expect, it } from "vitest";
import { goneWithin, lives, pause } from "../../test/sandbox/process-life.ts";
import { utf8, utf8Text } from "../base/index.ts";
import type { CellOutcome, CellPool, CellPoolOptions, VerdictKind } from "./index.ts";
import { createCellPool } from "./index.ts";

const module = new URL("../../test/sandbox/faulty-handler.ts", import.meta.url);
const memoryLimitBytes = 64 * 2 ** 20;
const seen = new Set<number>();

function poolOf(options: Partial<CellPoolOptions> = {}): CellPool {
  const pool = createCellPool({ module, cells: 1, memoryLimitBytes, ...options });
  pool.on("ready", ({ pid }) => seen.add(pid));
  return pool;
}

function ask(pool: CellPool, kind: string, payload = "", timeoutMs = 5_000): Promise<CellOutcome> {
  return pool.run({ kind, payload: utf8(payload), timeoutMs });
}

async function answer(pool: CellPool, kind: string, payload = ""): Promise<string> {
  const outcome = await ask(pool, kind, payload);
  return outcome.ok ? utf8Text(outcome.payload) : `${outcome.verdict.kind}: ${outcome.verdict.message}`;
}

describe("a cell that fails", () => {
  const usual = poolOf({ recycleAfter: 1_000 });
  // Of two limits on memory either may be met first: here the heap's is the only one.
  const heapAlone = poolOf({ recycleAfter: 1_000, waive: ["data"] });
  afterAll(() => Promise.all([usual[Symbol.asyncDispose](), heapAlone[Symbol.asyncDispose]()]));

  interface Fault {
    readonly pool?: CellPool;
    readonly name: string;
    readonly job: string;
    readonly payload?: string;
    readonly timeoutMs?: number;
    readonly kind: VerdictKind;
    readonly verdict?: Readonly<Record<string, unknown>>;
  }

  const crash = { phase: "before the crash", logTail: ["about to crash"] };
  const faults: readonly Fault[] = [
    ...["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGTERM"].map(
      (signal): Fault => ({
        name: `X1: by ${signal}`,
        job: "signal",
        payload: signal,
        kind: "signal",
        verdict: { signal, ...crash },
      }),
    ),
    { name: "X1: by abort", job: "abort", kind: "signal", verdict: { signal: "SIGABRT" } },
    { name: "X1: by the kernel's cpu limit", job: "signal", payload: "SIGXCPU", kind: "cpu-limit" },
    { name: "X1: in an endless loop", job: "loop", timeoutMs: 250, kind: "deadline", verdict: { phase: "looping" } },
    { name: "X1: deaf to SIGTERM", job: "loop-deaf", timeoutMs: 250, kind: "deadline", verdict: { signal: "SIGKILL" } },
    { name: "X1: frozen", job: "signal", payload: "SIGSTOP", timeoutMs: 250, kind: "deadline" },
    { name: "X1: with a full heap", job: "fill-heap", kind: "heap-limit", pool: heapAlone },
    { name: "X5: with endless buffers", job: "fill-buffers", kind: "data-limit" },
    { name: "X5: with buffers it touches", job: "fill-touched", kind: "data-limit" },
    { name: "X5: with endless WebAssembly memory", job: "fill-wasm", kind: "data-limit" },
    { name: "X1: with exit 0 and no reply", job: "exit", payload: "0", kind: "protocol", verdict: { exitCode: 0 } },
    { name: "X1: with exit 7", job: "exit", payload: "7", kind: "exit", verdict: { exitCode: 7 } },
    { name: "X1: with garbage on the pipe", job: "garbage", kind: "protocol" },
    { name: "X1: with a frame of zeros", job: "false-reply", kind: "protocol" },
    { name: "X1: outside the handler's call", job: "throw-later", kind: "error" },
  ];

  it.each(faults)("$name, gets its verdict, and the next job a fresh cell", async (fault) => {
    const pool = fault.pool ?? usual;
    const before = Number(await answer(pool, "pid"));
    const timeoutMs = fault.timeoutMs ?? 5_000;
    const outcome = await ask(pool, fault.job, fault.payload, timeoutMs);
    expect(outcome.durationMs).toBeLessThan(timeoutMs + 2_000);
    expect(outcome).toMatchObject({ ok: false, verdict: { kind: fault.kind, pid: before, ...fault.verdict } });
    expect(lives(before)).toBe(false);
    expect(Number(await answer(pool, "pid"))).not.toBe(before);
  });

  it("X1: by throwing says what it threw, and goes on in the same process", async () => {
    const before = await answer(usual, "pid");
    const outcome = await ask(usual, "throw-holdfast");
    const error = { code: "TENSOR_SHAPE", message: "shapes do not agree", hint: "look", details: { rank: 3 } };
    expect(outcome).toMatchObject({ ok: false, verdict: { kind: "error", error } });
    expect(outcome.ok ? [] : outcome.verdict.logTail.join("\n")).toContain("shapes do not agree");
    for (const odd of ["throw-oddity", "wrong-type", "no such job"]) {
      expect(await ask(usual, odd)).toMatchObject({ ok: false, verdict: { kind: "error" } });
    }
    expect(await answer(usual, "pid")).toBe(before);
  });

  it("X1: leaves the last 50 lines it wrote, to the very last", async () => {
    const outcome = await ask(usual, "chatter");
    const tail = outcome.ok ? [] : outcome.verdict.logTail;
    expect(tail).toHaveLength(50);
    expect(tail.at(-1)).toMatch(/^line 4999 /);
  });
});

describe("limits", () => {
  it("X5: a cell sees no environment, no file of others, no network, and starts no process", async () => {
    await using pool = poolOf();
    expect(await answer(pool, "environment")).toBe("{}");
    expect(await answer(pool, "read-file", "/etc/passwd")).toMatch(/^error: Access to this API has been restricted/);
    expect(await answer(pool, "grandchild")).toMatch(/^error: Access to this API has been restricted/);
    const network = (await pool.enforcement()).find(({ measure }) => measure === "network");
    if (network?.enforced === true) expect(await answer(pool, "dial", "9")).toMatch(/ENETUNREACH/);
  });

  it("X5: says what is waived and what cannot be enforced", async () => {
    await using pool = poolOf({ waive: ["network", "data"] });
    const list = new Map((await pool.enforcement()).map((entry) => [entry.measure, entry]));
    expect(list.get("network")).toMatchObject({ enforced: false, means: "waived by the pool's options" });
    expect(list.get("data")).toMatchObject({ enforced: false });
    expect(list.get("cpu-time")).toMatchObject({ enforced: false });
    expect(list.get("heap")).toMatchObject({ enforced: true });
    expect(await answer(pool, "dial", "9")).toMatch(/ECONNREFUSED/);
  });

  it("X5: without the limit on private memory the watchdog catches what is resident", async () => {
    await using pool = poolOf({ waive: ["data"] });
    const outcome = await ask(pool, "fill-touched");
    expect(outcome).toMatchObject({ ok: false, verdict: { kind: "memory-watchdog", signal: "SIGKILL" } });
  });

  it("X5: processor time of a job is bounded apart from its deadline", async () => {
    await using pool = poolOf({ cpuLimitMs: 200 });
    expect(await answer(pool, "wait", "400")).toBe("400");
    const outcome = await ask(pool, "loop");
    expect(outcome).toMatchObject({ ok: false, verdict: { kind: "cpu-limit" } });
    expect(outcome.durationMs).toBeLessThan(2_000);
  });

  it("X1: a grandchild dies with the cell's group", async () => {
    await using pool = poolOf({ execArgv: ["--allow-child-process"] });
    const outcome = await ask(pool, "grandchild", "", 400);
    expect(outcome).toMatchObject({ ok: false, verdict: { kind: "deadline" } });
    const pid = Number(/grandchild (\d+)/.exec(outcome.ok ? "" : outcome.verdict.logTail.join())?.[1]);
    expect(pid).toBeGreaterThan(0);
    expect(await goneWithin(pid, 1_000)).toBe(true);
  });
});

describe("the pool", () => {
  it("starts no more cells than there are jobs, and no more than allowed", async () => {
    await using pool = poolOf({ cells: 3 });
    for (let round = 0; round < 3; round++) await ask(pool, "echo");
    expect(pool.stats()).toMatchObject({ spawned: 1, ready: 1, succeeded: 3 });
    const pids = await Promise.all(Array.from({ length: 6 }, () => ask(pool, "wait", "100")));
    expect(pids.every(({ ok }) => ok)).toBe(true);
    expect(pool.stats()).toMatchObject({ spawned: 3, queued: 0, busy: 0 });
  });

  it("carries large payloads whole", async () => {
    await using pool = poolOf({ memoryLimitBytes: 256 * 2 ** 20 });
    const payload = Uint8Array.from({ length: 5_000_001 }, (_, place) => (place * 31) & 0xff);
    const outcome = await pool.run({ kind: "echo", payload, timeoutMs: 10_000 });
    expect(outcome.ok && Buffer.compare(outcome.payload, payload)).toBe(0);
  });

  it("retires a cell after its share of jobs", async () => {
    await using pool = poolOf({ recycleAfter: 2 });
    const pids: string[] = [];
    for (let job = 0; job < 4; job++) pids.push(await answer(pool, "pid"));
    expect(pids[0]).toBe(pids[1]);
    expect(pids[1]).not.toBe(pids[2]);
    expect(pool.stats()).toMatchObject({ retired: 2, crashed: 0 });
  });

  it("X1: one cell's crash touches no other job", async () => {
    await using pool = poolOf({ cells: 2 });
    const steady = ask(pool, "wait", "500");
    const crash = ask(pool, "signal", "SIGSEGV");
    expect(await crash).toMatchObject({ ok: false, verdict: { kind: "signal" } });
    expect(await steady).toMatchObject({ ok: true });
  });

  it("a deadline does not count the time in the queue", async () => {
    await using pool = poolOf();
    const first = ask(pool, "wait", "400");
    const second = ask(pool, "wait", "100", 350);
    expect(await first).toMatchObject({ ok: true });
    expect(await second).toMatchObject({ ok: true });
  });

  it("cancels a job that waits, one that runs and one that comes cancelled", async () => {
    await using pool = poolOf();
    const [running, waiting] = [new AbortController(), new AbortController()];
    const loop = pool.run({ kind: "loop", payload: utf8(""), timeoutMs: 5_000, signal: running.signal });
    const queued = pool.run({ kind: "echo", payload: utf8(""), timeoutMs: 5_000, signal: waiting.signal });
    waiting.abort();
    expect(await queued).toMatchObject({ ok: false, verdict: { kind: "cancelled" } });
    await pause(300);
    running.abort();
    expect(await loop).toMatchObject({ ok: false, verdict: { kind: "cancelled" } });
    const late = pool.run({ kind: "echo", payload: utf8(""), timeoutMs: 5_000, signal: AbortSignal.abort() });
    expect(await late).toMatchObject({ ok: false, verdict: { kind: "cancelled" } });
    expect(await answer(pool, "echo", "on")).toBe("on");
  });

  it("refuses misuse with words", async () => {
    expect(() => poolOf({ cells: 0 })).toThrow(/whole number/);
    expect(() => poolOf({ module: new URL("data:text/javascript,") })).toThrow(/not a file/);
    await using pool = poolOf({ payloadLimitBytes: 10 });
    await expect(ask(pool, "echo", "longer than ten")).rejects.toThrow(/over the pool's limit/);
    await expect(ask(pool, "echo", "", -1)).rejects.toThrow(/timeoutMs/);
  });

  it("X1: disposing ends every job as cancelled and leaves no process", async () => {
    const pool = poolOf({ cells: 2 });
    const jobs = [ask(pool, "loop"), ask(pool, "loop"), ask(pool, "echo")];
    await pause(300);
    await pool[Symbol.asyncDispose]();
    for (const job of jobs) expect(await job).toMatchObject({ ok: false, verdict: { kind: "cancelled" } });
    await expect(ask(pool, "echo")).rejects.toThrow(/disposed/);
  });
});

describe("afterwards", () => {
  it("X1: no process of any of these tests is left", async () => {
    expect(seen.size).toBeGreaterThan(20);
    const left: number[] = [];
    for (const pid of seen) if (!(await goneWithin(pid, 1_000))) left.push(pid);
    expect(left.filter((pid) => pid !== 0)).toEqual([]);
  });
});
