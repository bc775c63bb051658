import { describe, expect, it } from "vitest";
import { MemoryMetrics, seededRandom, VirtualClock } from "../../base/index.ts";
import { cacheLimitBytes, sweepEveryMs, ttlPresets } from "./presets.ts";
import { type Sweepable, sweeper } from "./sweeper.ts";
import { type Removal, type TtlCache, type TtlCacheOptions, ttlCache } from "./ttl-cache.ts";

function cacheOf(options: Partial<TtlCacheOptions<string, string>> = {}) {
  const clock = new VirtualClock();
  const cache = ttlCache<string, string>({ name: "test", ttlMs: 1_000, clock, ...options });
  const removed: string[] = [];
  cache.onRemoved(({ key, reason }) => removed.push(`${key} ${reason}`));
  return { clock, cache, removed };
}

describe("a cache with a time to live", () => {
  it("R15: has Holdfast's figures: 1,800 s, 3,600 s, 86,400 s, 4,096 MB, a sweep every 300 s", () => {
    expect(ttlPresets.compilations).toEqual({ ttlMs: 1_800_000, limitBytes: 4_294_967_296 });
    expect([ttlPresets.jobs.ttlMs, ttlPresets.artifacts.ttlMs]).toEqual([3_600_000, 86_400_000]);
    expect([cacheLimitBytes, sweepEveryMs]).toEqual([4_096 * 1_048_576, 300_000]);
  });

  it("R15: never serves what has expired, swept or not, and whatever the wall clock does", () => {
    const { clock, cache, removed } = cacheOf();
    cache.set("a", "1");
    clock.jumpWall(1e12);
    clock.advanceSync(999);
    expect([cache.get("a"), cache.peek("a"), cache.has("a")]).toEqual(["1", "1", true]);
    clock.jumpWall(-2e12);
    clock.advanceSync(1);
    expect([cache.get("a"), cache.peek("a"), cache.has("a"), [...cache.entries()]]).toEqual([
      undefined,
      undefined,
      false,
      [],
    ]);
    expect([cache.renew("a"), cache.size]).toEqual([false, 1]);
    expect(cache.delete("a")).toBe(false);
    expect(removed).toEqual(["a expired"]);
  });

  it("R15: a use does not prolong a life; renewing does", () => {
    const { clock, cache } = cacheOf();
    cache.set("a", "1");
    cache.set("b", "1", { ttlMs: 5_000 });
    clock.advanceSync(900);
    cache.get("a");
    expect(cache.renew("b", 200)).toBe(true);
    clock.advanceSync(150);
    expect([cache.get("a"), cache.get("b")]).toEqual([undefined, "1"]);
    clock.advanceSync(50);
    expect(cache.get("b")).toBeUndefined();
  });

  it("R15: beyond its limit of entries or bytes it gives up what was used longest ago", () => {
    const { cache, removed } = cacheOf({ limitEntries: 3, limitBytes: 10, sizeOf: (value) => value.length });
    for (const key of ["a", "b", "c"]) cache.set(key, "xx");
    cache.get("a");
    cache.set("d", "xx");
    expect(removed).toEqual(["b evicted"]);
    cache.set("e", "xxxxxxxx");
    expect(removed).toEqual(["b evicted", "c evicted", "a evicted"]);
    expect([cache.bytes, cache.size]).toEqual([10, 2]);
    expect(cache.set("f", "x".repeat(11))).toBe(false);
    expect(cache.set("d", "x".repeat(11))).toBe(false);
    expect([cache.get("d"), cache.statistics().refused]).toEqual([undefined, 2]);
  });

  it("R15: what is referred to is swept neither for age nor for room, and goes when nobody refers to it", async () => {
    const used = new Set(["a", "b"]);
    const { clock, cache, removed } = cacheOf({ limitEntries: 3, isReferenced: (key) => used.has(key) });
    for (const key of ["a", "b", "c", "d"]) cache.set(key, "x");
    expect(removed).toEqual(["c evicted"]);
    clock.advanceSync(2_000);
    expect(cache.get("a")).toBeUndefined();
    using sweeping = sweeper({ clock });
    using _membership = sweeping.add(cache);
    await sweeping.sweep();
    expect(removed).toEqual(["c evicted", "d expired"]);
    expect(cache.statistics()).toMatchObject({ entries: 2, held: 2, expired: 1 });
    cache.set("e", "x");
    used.add("e");
    expect([cache.set("f", "x"), cache.size]).toEqual([false, 3]);
    used.clear();
    await clock.advance(300_000);
    expect(removed.slice(2).sort()).toEqual(["a expired", "b expired", "e expired"]);
    expect(cache.statistics()).toMatchObject({ entries: 0, held: 0, refused: 1 });
  });

  it("R15: among very many that may not go the search for room is short", () => {
    let asked = 0;
    const { cache } = cacheOf({ limitEntries: 10_000, isReferenced: () => ++asked > 0 });
    for (let number = 0; number < 10_000; number++) cache.set(String(number), "x");
    expect([cache.set("one more", "x"), asked]).toEqual([false, 64]);
  });

  it("R15: an observer that throws, or a guard that does, harms nothing", () => {
    const warn = process.emitWarning;
    process.emitWarning = () => {};
    try {
      const { cache, removed } = cacheOf({
        limitEntries: 2,
        isReferenced: (key) => {
          if (key === "a") throw new Error("who knows");
          return false;
        },
      });
      cache.onRemoved(() => {
        throw new Error("mine");
      });
      for (const key of ["a", "b", "c"]) expect(cache.set(key, "x")).toBe(true);
      expect([removed, cache.get("a")]).toEqual([["b evicted"], "x"]);
    } finally {
      process.emitWarning = warn;
    }
  });

  it("R15: an observer that sets entries again while others leave finds a cache whose sums are right", () => {
    const { cache, removed } = cacheOf({ limitEntries: 2, limitBytes: 1_000, sizeOf: (value) => value.length });
    let left = 20;
    cache.onRemoved(({ key }) => left-- > 0 && cache.set(key, "again"));
    cache.set("a", "first");
    cache.set("a", "second");
    for (const key of ["b", "c", "d"]) cache.set(key, "x");
    expect(left).toBeLessThan(20);
    cache.clear();
    cache.clear();
    left = 0;
    cache.clear();
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
    const told = removed.filter((one) => one.startsWith("a "));
    expect(told.length).toBeGreaterThan(2);
  });

  it("R15: a guard that takes entries out itself leaves sums that are right", async () => {
    const clock = new VirtualClock();
    const cache: TtlCache<string, string> = ttlCache<string, string>({
      ...{ name: "test", ttlMs: 1_000, clock, limitEntries: 2, sizeOf: (value) => value.length },
      isReferenced: (key): boolean => !cache.delete(key),
    });
    for (const key of ["a", "b", "c", "d"]) expect(cache.set(key, "12345")).toBe(true);
    expect([cache.size, cache.bytes]).toEqual([2, 10]);
    clock.advanceSync(1_000);
    using sweeping = sweeper({ clock });
    sweeping.add(cache);
    await sweeping.sweep();
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });

  it("R15: no life is without an end: a time that is no number is refused by every call", () => {
    const { clock, cache } = cacheOf();
    cache.set("a", "1");
    expect(() => ttlCache({ name: "x", ttlMs: Number.NaN })).toThrow("MEMORY_OPTION");
    expect(() => ttlCache({ name: "x", ttlMs: 1, limitEntries: Number.NaN })).toThrow("MEMORY_OPTION");
    expect(() => sweeper({ everyMs: Number.NaN })).toThrow("MEMORY_OPTION");
    expect(() => sweeper({ sliceEntries: 0 })).toThrow("MEMORY_OPTION");
    expect(() => cache.renew("a", Number.NaN)).toThrow("MEMORY_OPTION");
    expect(() => cache.set("a", "2", { ttlMs: Number.NaN })).toThrow("MEMORY_OPTION");
    clock.advanceSync(1_000);
    expect(cache.has("a")).toBe(false);
  });

  it("R15: refuses a size that is none", () => {
    const { cache } = cacheOf({ sizeOf: () => Number.NaN });
    expect(() => cache.set("a", "1")).toThrow("MEMORY_BAD_SIZE");
    expect(() => ttlCache({ name: "x", ttlMs: 0 })).toThrow("MEMORY_OPTION");
    expect(() => ttlCache({ name: "x", ttlMs: 1, limitBytes: 1 })).toThrow("limitBytes needs");
  });

  it("R15: over 100,000 random operations it does what a plain list of entries would", () => {
    const random = seededRandom(15);
    const clock = new VirtualClock();
    const referenced = new Set<string>();
    const sizeOf = (value: string): number => value.length;
    const limits = { limitEntries: 12, limitBytes: 100 };
    const isReferenced = (key: string): boolean => referenced.has(key);
    const cache = ttlCache<string, string>({ name: "m", ttlMs: 500, clock, sizeOf, isReferenced, ...limits });
    const events: Removal<string, string>[] = [];
    cache.onRemoved((removal) => events.push(removal));
    let model: { key: string; value: string; expiresMs: number }[] = [];
    let [added, gone, hits] = [0, 0, 0];
    for (let step = 0; step < 100_000; step++) {
      const key = `k${Math.floor(random() * 20)}`;
      const dice = random();
      const nowMs = clock.monotonicMs();
      const live = model.find((entry) => entry.key === key && entry.expiresMs > nowMs);
      if (dice < 0.35) {
        const value = `${step}`.padEnd(1 + Math.floor(random() * 40), "x");
        const ttlMs = random() < 0.2 ? 1 + Math.floor(random() * 2_000) : undefined;
        if (model.some((entry) => entry.key === key)) gone++;
        model = model.filter((entry) => entry.key !== key);
        const used = (): number => model.reduce((sum, entry) => sum + entry.value.length, 0);
        let held = 0;
        let hasRoom = true;
        while (hasRoom && (model.length >= limits.limitEntries || used() + value.length > limits.limitBytes)) {
          const oldest = model.shift()!;
          if (!referenced.has(oldest.key)) gone++;
          else {
            model.push(oldest);
            hasRoom = ++held < model.length;
          }
        }
        if (hasRoom) model.push({ key, value, expiresMs: nowMs + (ttlMs ?? 500) });
        const isKept = cache.set(key, value, ttlMs === undefined ? {} : { ttlMs });
        if (isKept) added++;
        if (isKept !== hasRoom) expect(isKept, `step ${step}`).toBe(hasRoom);
      } else if (dice < 0.75) {
        const found = cache.get(key);
        if (found !== undefined) hits++;
        if (found !== live?.value) expect(found, `step ${step}`).toBe(live?.value);
        if (live !== undefined) model = [...model.filter((entry) => entry !== live), live];
      } else if (dice < 0.8) {
        if (model.some((entry) => entry.key === key)) gone++;
        model = model.filter((entry) => entry.key !== key);
        cache.delete(key);
      } else if (dice < 0.83) {
        if (live !== undefined) live.expiresMs = nowMs + 500;
        cache.renew(key);
      } else if (dice < 0.86) {
        if (!referenced.delete(key) && referenced.size < 6) referenced.add(key);
      } else if (dice < 0.9) {
        while (!cache.sweepSlice(1 + Math.floor(random() * 5)).isDone);
        const left = model.filter((entry) => entry.expiresMs > nowMs || referenced.has(entry.key));
        gone += model.length - left.length;
        model = left;
      } else if (dice < 0.98) clock.advanceSync(Math.floor(random() * 100));
      else clock.jumpWall((random() - 0.5) * 1e9);
      if (cache.size !== model.length) expect(cache.size, `step ${step}`).toBe(model.length);
    }
    expect([...cache.entries()].map(([key]) => key)).toEqual(
      model.filter((entry) => entry.expiresMs > clock.monotonicMs()).map(({ key }) => key),
    );
    expect(cache.bytes).toBe(model.reduce((sum, entry) => sum + entry.value.length, 0));
    expect([events.length, cache.statistics().hits]).toEqual([gone, hits]);
    expect([added - gone, cache.statistics().refused > 0]).toEqual([model.length, true]);
  });
});

describe("a sweeper", () => {
  it("R15: sweeps all caches every 300 s by one timer, and has none without caches", async () => {
    const clock = new VirtualClock();
    const metrics = new MemoryMetrics();
    const sweeping = sweeper({ clock, metrics });
    expect(clock.timers).toBe(0);
    const caches = Array.from({ length: 50 }, (_, number) =>
      ttlCache<number, number>({ name: `c${number}`, ttlMs: 1, clock }),
    );
    const memberships = caches.map((cache) => sweeping.add(cache));
    for (const cache of caches) cache.set(1, 1);
    expect(clock.timers).toBe(1);
    await clock.advance(299_999);
    expect(caches.map(({ size }) => size)).toEqual(caches.map(() => 1));
    await clock.advance(1);
    expect(caches.map(({ size }) => size)).toEqual(caches.map(() => 0));
    expect(metrics.value("holdfast_ttl_cleanups_total", { cache: "c7" })).toBe(1);
    expect(metrics.value("holdfast_ttl_removed_total", { cache: "c7" })).toBe(1);
    expect(metrics.value("holdfast_ttl_cleanup_duration_ms_count", { cache: "c7" })).toBe(1);
    await clock.advance(600_000);
    expect(metrics.value("holdfast_ttl_cleanups_total", { cache: "c7" })).toBe(3);
    for (const membership of memberships) membership[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it("R15: goes in slices: between two of them others get their turn", async () => {
    const clock = new VirtualClock();
    const cache = ttlCache<number, number>({ name: "large", ttlMs: 10, clock });
    for (let number = 0; number < 10_000; number++) cache.set(number, number);
    clock.advanceSync(10);
    using sweeping = sweeper({ clock, sliceEntries: 1_000 });
    using _membership = sweeping.add(cache);
    const done = sweeping.sweep();
    expect([cache.size, sweeping.sweep() === done]).toEqual([9_000, true]);
    cache.set(-1, 1);
    expect(cache.get(9_999)).toBeUndefined();
    await clock.advance(0);
    expect(await done).toEqual({ removed: 10_000, slices: 10 });
    expect([cache.size, cache.get(-1)]).toEqual([1, 1]);
  });

  it("R15: ends within a turn, also in the middle of a sweep; what cannot be swept keeps nothing else from it", async () => {
    const clock = new VirtualClock();
    const metrics = new MemoryMetrics();
    const sweeping = sweeper({ clock, metrics });
    const broken: Sweepable = {
      name: "broken",
      size: 1,
      sweepSlice: () => {
        throw new Error("no");
      },
    };
    let slices = 0;
    const endless: Sweepable = { name: "endless", size: 1, sweepSlice: () => ({ removed: ++slices, isDone: false }) };
    sweeping.add(broken);
    sweeping.add(endless);
    const sweep = sweeping.sweep();
    sweeping[Symbol.dispose]();
    await sweep;
    expect([clock.timers, slices]).toEqual([0, 1]);
    expect(metrics.value("holdfast_ttl_cleanup_errors_total", { cache: "broken" })).toBe(1);
  });
});
