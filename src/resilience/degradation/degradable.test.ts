import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HoldfastError, MemoryMetrics, seededRandom, VirtualClock } from "../../base/index.ts";
import { NodeDisk } from "../../disk/index.ts";
import { circuitBreaker } from "../breaker/index.ts";
import { pipe, timeout } from "../compose/index.ts";
import { degradable } from "./degradable.ts";
import type { DegradableOptions, DegradableStore } from "./degradable-store.ts";
import { diskReplayJournal } from "./disk-replay-journal.ts";
import { storageLadder } from "./storage-levels.ts";

/** A store that can be away for reads, for writes or for both, and notes every write that it took. */
class Backing implements DegradableStore<string> {
  readonly values = new Map<string, string>();
  readonly written: string[] = [];
  readonly keys: string[] = [];
  asked = 0;
  awayFor: { reads?: unknown; writes?: unknown } = {};

  async get(key: string): Promise<string | undefined> {
    this.asked++;
    await Promise.resolve();
    if (this.awayFor.reads !== undefined) throw this.awayFor.reads;
    return this.values.get(key);
  }

  async put(key: string, value: string, context: { readonly idempotencyKey: string }): Promise<void> {
    await this.#write(`${key}=${value}`, context.idempotencyKey);
    this.values.set(key, value);
  }

  async delete(key: string, context: { readonly idempotencyKey: string }): Promise<void> {
    await this.#write(`${key} gone`, context.idempotencyKey);
    this.values.delete(key);
  }

  async #write(what: string, idempotencyKey: string): Promise<void> {
    await Promise.resolve();
    if (this.awayFor.writes !== undefined) throw this.awayFor.writes;
    this.written.push(what);
    this.keys.push(idempotencyKey);
  }
}

async function scene(options: Partial<DegradableOptions<string>> = {}) {
  const clock = new VirtualClock();
  const store = new Backing();
  const service = await degradable<string>({ store, clock, random: seededRandom(3), ...options });
  return { clock, store, service };
}

const throwing = (): never => {
  throw new Error("a judge's own");
};
const full = new HoldfastError("DISK_FULL", "no space left", { retryable: true });

describe("a degradable store", () => {
  it("R13: the store dies, comes back, and everything is drained in order; every answer is labelled", async () => {
    const { clock, store, service } = await scene();
    expect(await service.put("a", "1")).toMatchObject({ durability: "durable", level: "normal" });
    expect(await service.get("a")).toEqual({ value: "1", freshness: "fresh", ageMs: 0, level: "normal" });
    await service.put("b", "1");

    store.awayFor = { reads: new Error("gone"), writes: new Error("gone") };
    expect(await service.put("a", "2")).toMatchObject({ durability: "queued-volatile", level: "read-only" });
    await clock.advance(500);
    expect(await service.get("b")).toEqual({ value: "1", freshness: "stale", ageMs: 500, level: "memory-only" });
    expect(await service.get("a")).toEqual({ value: "2", freshness: "fallback", ageMs: 500, level: "memory-only" });
    await expect(service.get("c")).rejects.toMatchObject({ code: "DEGRADED_UNAVAILABLE", retryable: true });
    const asked = store.asked;
    for (const value of ["3", "4"]) await service.put("a", value);
    await service.delete("b");
    expect(await service.get("b")).toMatchObject({ value: undefined, freshness: "fallback" });
    expect(store.asked).toBe(asked);
    await clock.advance(60_000);
    expect([service.queue.size, service.level]).toEqual([4, "memory-only"]);

    store.awayFor = {};
    await clock.advance(10_000);
    expect([service.queue.size, service.level, clock.timers]).toEqual([0, "normal", 0]);
    expect(store.written).toEqual(["a=1", "b=1", "a=2", "a=3", "a=4", "b gone"]);
    expect(await service.get("a")).toMatchObject({ value: "4", freshness: "fresh", level: "normal" });
    expect(await service.put("a", "5")).toMatchObject({ durability: "durable" });
    await service[Symbol.asyncDispose]();
  });

  it("R13: with writes failing it is read-only: reads are fresh, writes wait, and no read asks in vain", async () => {
    const { clock, store, service } = await scene();
    await service.put("a", "1");
    store.awayFor = { writes: full };
    expect((await service.put("b", "1")).level).toBe("read-only");
    expect(await service.get("a")).toMatchObject({ value: "1", freshness: "fresh", level: "read-only" });
    store.awayFor = {};
    await clock.advance(2_000);
    expect([service.level, store.written]).toEqual(["normal", ["a=1", "b=1"]]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: stays degraded while probes fail now and then, and needs good ones in a row", async () => {
    const { clock, store, service } = await scene({ probe: async () => void (await store.get("probe")) });
    store.awayFor = { reads: new Error("x"), writes: new Error("x") };
    await service.put("a", "1");
    const steps: string[] = [];
    service.onLevelChange(({ to }) => steps.push(to));
    for (let time = 0; time < 20; time++) {
      store.awayFor = time % 2 === 0 ? {} : { reads: new Error("x") };
      await clock.advance(1_000);
    }
    expect([steps, service.level]).toEqual([[], "read-only"]);
    store.awayFor = {};
    await clock.advance(2_000);
    expect([steps, service.queue.size]).toEqual([["normal"], 0]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: a full queue refuses the write and says so", async () => {
    const { store, service } = await scene({ queue: { limit: 2 }, probeEveryMs: Infinity });
    store.awayFor = { writes: full };
    await service.put("a", "1");
    await service.put("a", "2");
    await expect(service.put("a", "3")).rejects.toMatchObject({ code: "DEGRADED_QUEUE_FULL" });
    expect((await service.get("a")).value).toBe("2");
    store.awayFor = {};
    await service.recover();
    expect(await service.recover()).toBe(true);
    expect(store.written).toEqual(["a=1", "a=2"]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: a breaker given as policy decides when the level falls; single failures queue that one write", async () => {
    const clock = new VirtualClock();
    const breaker = circuitBreaker({ name: "store", clock, jitter: 0, ramp: false });
    const { store, service } = await scene({ clock, readPolicy: breaker, writePolicy: breaker });
    store.awayFor = { writes: new Error("once") };
    expect(await service.put("a", "1")).toMatchObject({ durability: "queued-volatile", level: "normal" });
    store.awayFor = {};
    expect(await service.put("a", "2")).toMatchObject({ durability: "queued-volatile", level: "normal" });
    expect(await service.put("b", "1")).toMatchObject({ durability: "durable" });
    await clock.advance(1_000);
    expect(store.written).toEqual(["b=1", "a=1", "a=2"]);
    store.awayFor = { reads: new Error("gone"), writes: new Error("gone") };
    for (let time = 0; time < 5; time++) await service.put(`c${time}`, "1");
    expect([breaker.state, service.level]).toEqual(["open", "normal"]);
    expect(await service.put("b", "2")).toMatchObject({ durability: "queued-volatile", level: "read-only" });
    expect(await service.get("a")).toMatchObject({ value: "2", freshness: "stale", level: "memory-only" });
    await clock.advance(60_000);
    expect(service.queue.size).toBe(6);
    store.awayFor = {};
    await clock.advance(35_000);
    expect([service.level, service.queue.size, breaker.state]).toEqual(["normal", 0, "closed"]);
    expect(store.written.slice(3)).toEqual(["c0=1", "c1=1", "c2=1", "c3=1", "c4=1", "b=2"]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: one bad write holds up nobody else and ends as a dead letter", async () => {
    const { clock, store, service } = await scene({ queue: { deadLetterAfter: 3 } });
    const put = store.put.bind(store);
    store.put = async (key, value, context) => {
      if (value === "bad") throw new Error("value out of range");
      await put(key, value, context);
    };
    await service.put("a", "bad");
    for (const key of ["b", "c", "d"]) await service.put(key, "1");
    await clock.advance(20_000);
    expect(store.written).toEqual(["b=1", "c=1", "d=1"]);
    expect(service.level).toBe("normal");
    expect(service.queue.deadLetters).toMatchObject([{ key: "a", reason: "value out of range", attempts: 3 }]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: an error that is the caller's own goes to the caller, and changes nothing", async () => {
    const { store, service } = await scene({ isOutage: (error) => !(error instanceof RangeError) });
    store.awayFor = { reads: new RangeError("too long"), writes: new RangeError("too long") };
    await expect(service.put("a", "1")).rejects.toThrow(RangeError);
    await expect(service.get("a")).rejects.toThrow(RangeError);
    expect([service.level, service.queue.size]).toEqual(["normal", 0]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: judges of errors that throw, or name no level, take nobody's answer and end no recovery", async () => {
    const wrong = [
      { isOutage: throwing },
      { levelFor: throwing },
      { levelFor: () => "nowhere" as never, writePolicy: timeout({ timeoutMs: 5_000 }) },
    ];
    for (const options of wrong) {
      const { clock, store, service } = await scene(options);
      store.awayFor = { reads: full, writes: full };
      expect(await service.put("a", "1")).toMatchObject({ durability: "queued-volatile" });
      await clock.advance(5_000);
      store.awayFor = {};
      await clock.advance(60_000);
      expect([service.level, service.queue.size, store.written]).toEqual(["normal", 0, ["a=1"]]);
      await service[Symbol.asyncDispose]();
      expect(clock.timers).toBe(0);
    }
  });

  it("R13: an abort is the caller's, wherever the call waits, and no outage", async () => {
    let finish = (): void => {};
    const { store, service } = await scene();
    store.put = () => new Promise<void>((resolve) => (finish = resolve));
    const controller = new AbortController();
    const first = service.put("a", "1", { signal: controller.signal });
    const second = service.put("a", "2", { signal: controller.signal });
    const settled = Promise.allSettled([first, second]);
    await Promise.resolve();
    controller.abort(new Error("enough"));
    expect((await settled).map((result) => (result as PromiseRejectedResult).reason.message)).toEqual([
      "enough",
      "enough",
    ]);
    await expect(service.get("a", { signal: controller.signal })).rejects.toThrow("enough");
    finish();
    expect([service.level, service.queue.size]).toEqual(["normal", 0]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: a write keeps its idempotency key from the first try to the replay", async () => {
    const tried: string[] = [];
    const { clock, store, service } = await scene();
    const put = store.put.bind(store);
    store.put = async (key, value, context) => {
      tried.push(context.idempotencyKey);
      await put(key, value, context);
    };
    store.awayFor = { writes: new Error("x") };
    const { idempotencyKey } = await service.put("a", "1");
    await service.put("b", "1", { idempotencyKey: "mine" });
    store.awayFor = {};
    await clock.advance(5_000);
    expect(store.keys).toEqual([idempotencyKey, "mine"]);
    expect(tried[0]).toBe(idempotencyKey);
    expect(idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    await service[Symbol.asyncDispose]();
  });

  it("R13: with a journal, what waited is waiting in the next process, and is said to be durable", async () => {
    const folder = await mkdtemp(join(tmpdir(), "degradable-"));
    const journal = () => diskReplayJournal({ disk: new NodeDisk(), path: join(folder, "journal") });
    const first = await scene({ queue: { journal: journal() } });
    first.store.awayFor = { writes: full };
    expect((await first.service.put("a", "1")).durability).toBe("queued-durable");
    expect((await first.service.delete("b")).durability).toBe("queued-durable");
    await first.service[Symbol.asyncDispose]();
    const second = await scene({ queue: { journal: journal() } });
    expect(await second.service.get("a")).toMatchObject({ value: "1", freshness: "fallback" });
    while (second.service.queue.size > 0) await second.service.recover();
    expect(second.store.written).toEqual(["a=1", "b gone"]);
    await second.service[Symbol.asyncDispose]();
  });

  it("R13: can be held at a level by hand, and answers from the caller's substitute last", async () => {
    const clock = new VirtualClock();
    const metrics = new MemoryMetrics();
    const ladder = storageLadder({ clock });
    const { store, service } = await scene({
      ladder,
      clock,
      metrics,
      fallback: (key) => `${key}?`,
      probeEveryMs: Infinity,
    });
    {
      using _hold = ladder.hold("memory-only", "maintenance");
      expect(await service.get("a")).toEqual({ value: "a?", freshness: "fallback", ageMs: 0, level: "memory-only" });
      expect((await service.put("a", "1")).durability).toBe("queued-volatile");
      expect([store.asked, store.written]).toEqual([0, []]);
    }
    expect(await service.recover()).toBe(true);
    expect(store.written).toEqual(["a=1"]);
    expect(metrics.value("holdfast_degradable_reads_total", { freshness: "fallback" })).toBe(1);
    await service[Symbol.asyncDispose]();
  });

  it("R13: under random outages every accepted write arrives once, and each key ends with its last", async () => {
    const clock = new VirtualClock();
    const random = seededRandom(77);
    const { store, service } = await scene({ clock });
    const last = new Map<string, string>();
    const labels = new Set<string>();
    for (let step = 0; step < 3_000; step++) {
      const dice = random();
      if (dice < 0.05) store.awayFor = { writes: new Error("x") };
      else if (dice < 0.1) store.awayFor = { reads: new Error("x"), writes: full };
      else if (dice < 0.25) store.awayFor = {};
      const key = `k${Math.floor(random() * 20)}`;
      labels.add((await service.put(key, String(step))).durability);
      last.set(key, String(step));
      const read = await service.get(key);
      labels.add(read.freshness);
      if (read.value !== String(step)) expect(read.value).toBe(String(step));
      await clock.advance(Math.floor(random() * 500));
    }
    store.awayFor = {};
    await clock.advance(30_000);
    expect([service.level, service.queue.size, service.queue.deadLetters]).toEqual(["normal", 0, []]);
    expect(store.values).toEqual(new Map([...store.values.keys()].map((key) => [key, last.get(key)])));
    expect(store.written).toHaveLength(3_000);
    expect(new Set(store.keys).size).toBe(3_000);
    expect([...labels].sort()).toEqual(["durable", "fallback", "fresh", "queued-volatile"]);
    await service[Symbol.asyncDispose]();
  });

  it("R13: what fails while the store takes no writes counts against nobody, however long that lasts", async () => {
    // A policy that judges nothing: the level stays, and only what the store takes tells how it is.
    const { clock, store, service } = await scene({ writePolicy: pipe() });
    await service.put("a", "1");
    store.awayFor = { writes: new Error("x") };
    for (const key of ["a", "b", "c", "d"]) await service.put(key, "2");
    await clock.advance(600_000);
    expect([service.level, service.queue.size, service.queue.deadLetters]).toEqual(["normal", 4, []]);
    store.awayFor = {};
    await clock.advance(1_000);
    expect(store.written).toEqual(["a=1", "a=2", "b=2", "c=2", "d=2"]);
    await service[Symbol.asyncDispose]();
  });
});
