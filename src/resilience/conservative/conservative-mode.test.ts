import { describe, expect, it } from "vitest";
import { MemoryMetrics, VirtualClock } from "../../base/index.ts";
import { compilePolicy } from "../../policy/index.ts";
import { circuitBreaker } from "../breaker/index.ts";
import { type ConservativeModeOptions, conservativeMode, type ModeChange } from "./conservative-mode.ts";
import {
  conservativeForgeSettings,
  type ForgeSettings,
  forgeSettings,
  forgeTriggers,
  stepDown,
} from "./forge-settings.ts";

function scene(options: Partial<ConservativeModeOptions<ForgeSettings>> = {}) {
  const clock = new VirtualClock();
  const metrics = new MemoryMetrics();
  const mode = conservativeMode<ForgeSettings>({
    settings: forgeSettings,
    conservative: conservativeForgeSettings,
    triggers: forgeTriggers((text) => compilePolicy(text, { result: "boolean" })),
    clock,
    metrics,
    ...options,
  });
  const changes: ModeChange<ForgeSettings>[] = [];
  mode.onChange((change) => changes.push(change));
  const sample = (gpu: number, memory: number): void =>
    mode.sample({ gpu: { utilisation: gpu }, memory: { used: memory } });
  return { clock, metrics, mode, changes, sample };
}

describe("conservative mode", () => {
  it("R14: works with one job, GPU 0.15, timeouts x1.5, 8,192 MB, half the memory, and nothing that is optional", () => {
    const { mode } = scene();
    expect(mode.settings).toBe(forgeSettings);
    expect(forgeSettings).toMatchObject({ jobs: 2, gpuLimit: 0.25, timeoutFactor: 1, cacheLimitMegabytes: 16_384 });
    using _hand = mode.enter("maintenance");
    expect(mode.settings).toEqual({
      jobs: 1,
      gpuLimit: 0.15,
      timeoutFactor: 1.5,
      cacheLimitMegabytes: 8_192,
      memoryFactor: 0.5,
      aggressiveStrategy: false,
      automaticRecompilation: false,
      strategyStepsDown: 1,
    });
    const small = conservativeForgeSettings({ ...forgeSettings, gpuLimit: 0.1, cacheLimitMegabytes: 4_096, jobs: 0 });
    expect(small).toMatchObject({ gpuLimit: 0.1, cacheLimitMegabytes: 4_096, jobs: 0 });
  });

  it("R14: steps a strategy down one level: AGGRESSIVE, STANDARD, FAST, EMERGENCY, and no further", () => {
    const all = ["AGGRESSIVE", "STANDARD", "FAST", "EMERGENCY"] as const;
    expect(all.map((strategy) => stepDown(strategy))).toEqual(["STANDARD", "FAST", "EMERGENCY", "EMERGENCY"]);
    expect([stepDown("STANDARD", 0), stepDown("AGGRESSIVE", 5)]).toEqual(["STANDARD", "EMERGENCY"]);
  });

  it("R14: is entered by memory above 80 % at once, and left after 300 s of health, with the very same settings", async () => {
    const { clock, metrics, mode, changes, sample } = scene();
    sample(0, 0.8);
    expect(mode.active).toBe(false);
    sample(0, 0.81);
    expect(changes).toMatchObject([{ active: true, settings: { jobs: 1 } }]);
    expect(mode.reasons).toEqual(['memory: {"gpu":{"utilisation":0},"memory":{"used":0.81}}']);
    expect(metrics.value("holdfast_conservative_mode_active")).toBe(1);
    await clock.advance(3_600_000);
    expect([mode.active, mode.endsInMs]).toEqual([true, undefined]);
    sample(0, 0.5);
    expect([mode.reasons, mode.endsInMs]).toEqual([[], 300_000]);
    await clock.advance(299_999);
    expect(mode.active).toBe(true);
    await clock.advance(1);
    expect([mode.active, mode.endsInMs, clock.timers]).toEqual([false, undefined, 0]);
    expect(changes.at(-1)).toEqual({ active: false, settings: forgeSettings, reason: "recovered" });
    expect(mode.settings).toBe(forgeSettings);
    expect(metrics.value("holdfast_conservative_mode_active")).toBe(0);
    expect(metrics.value("holdfast_conservative_mode_triggers_total", { reason: "memory" })).toBe(1);
  });

  it("R14: trouble before the 300 s are over starts them anew", async () => {
    const { clock, mode, sample } = scene();
    for (let time = 0; time < 5; time++) {
      sample(0, 0.9);
      sample(0, 0.1);
      await clock.advance(299_000);
      expect(mode.active).toBe(true);
    }
    mode.trigger("an artifact was wrong", "verification");
    await clock.advance(299_999);
    expect(mode.active).toBe(true);
    await clock.advance(1);
    expect(mode.active).toBe(false);
    expect(mode.counts).toEqual({ memory: 5, verification: 1 });
  });

  it("R14: is entered by GPU utilisation above 20 % only when that lasted 5 minutes without a break", async () => {
    const { clock, mode, sample } = scene();
    const minutes = async (gpu: number, count: number): Promise<void> => {
      for (let step = 0; step < count * 6; step++) {
        sample(gpu, 0);
        await clock.advance(10_000);
      }
    };
    await minutes(0.3, 4.9);
    await minutes(0.1, 0.2);
    await minutes(0.3, 5);
    expect(mode.active).toBe(false);
    await minutes(0.3, 1);
    expect(mode.active).toBe(true);
    await minutes(0.1, 6);
    expect(mode.active).toBe(false);
  });

  it("R14: samples too far apart are no proof that it lasted", async () => {
    const { clock, mode, sample } = scene();
    for (let step = 0; step < 100; step++) {
      sample(0.9, 0);
      await clock.advance(40_000);
    }
    expect(mode.active).toBe(false);
  });

  it("R14: samples by itself where it is told how, and a measurement that fails changes nothing", async () => {
    let used: number | undefined = 0.9;
    const { clock, metrics, mode } = scene({
      sampleEveryMs: 1_000,
      sample: () => {
        if (used === undefined) throw new Error("no reading");
        return { gpu: { utilisation: 0 }, memory: { used } };
      },
    });
    await clock.advance(999);
    expect(mode.active).toBe(false);
    await clock.advance(1);
    expect(mode.active).toBe(true);
    used = undefined;
    await clock.advance(3_600_000);
    expect(mode.active).toBe(true);
    expect(metrics.value("holdfast_conservative_mode_sample_errors_total")).toBe(3_600);
    used = 0.1;
    await clock.advance(302_000);
    expect([mode.active, clock.timers]).toEqual([false, 1]);
    mode[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it("R14: an expression that cannot be evaluated neither enters nor ends it", () => {
    const { mode, sample } = scene();
    mode.sample({ gpu: { utilisation: 0.1 } });
    expect(mode.active).toBe(false);
    sample(0, 0.9);
    mode.sample({ gpu: { utilisation: 0.1 } });
    expect(mode.reasons).toHaveLength(1);
  });

  it("R14: by hand it is entered by several, and ends with the last of them, at once", () => {
    const { mode, changes } = scene();
    const [one, other] = [mode.enter("release"), mode.enter("audit")];
    expect([mode.reasons, changes.length]).toEqual([["release", "audit"], 1]);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(mode.active).toBe(true);
    other[Symbol.dispose]();
    expect([mode.active, changes.at(-1)?.reason]).toEqual([false, "released"]);
  });

  it("R14: with a trigger among the reasons, letting go by hand does not end it before 300 s of health", async () => {
    const { clock, mode, sample } = scene();
    const hand = mode.enter("release");
    sample(0, 0.9);
    sample(0, 0.1);
    await clock.advance(400_000);
    expect(mode.active).toBe(true);
    hand[Symbol.dispose]();
    expect(mode.active).toBe(false);
    const again = mode.enter("release");
    sample(0, 0.9);
    again[Symbol.dispose]();
    sample(0, 0.1);
    expect([mode.active, mode.endsInMs]).toEqual([true, 300_000]);
  });

  it("R14: leaving by hand ends it whatever holds; what still holds counts again once it was gone", async () => {
    const { clock, mode, sample } = scene();
    const hand = mode.enter("release");
    sample(0, 0.9);
    mode.leave();
    expect([mode.active, mode.settings]).toEqual([false, forgeSettings]);
    sample(0, 0.95);
    hand[Symbol.dispose]();
    expect([mode.active, clock.timers]).toEqual([false, 0]);
    sample(0, 0.1);
    sample(0, 0.9);
    expect(mode.active).toBe(true);
  });

  it("R14: settings replaced meanwhile are the ones that come back", () => {
    const { mode } = scene();
    const hand = mode.enter("x");
    const other = { ...forgeSettings, timeoutFactor: 2 };
    mode.replaceSettings(other);
    expect(mode.settings.timeoutFactor).toBe(3);
    hand[Symbol.dispose]();
    expect(mode.settings).toBe(other);
  });

  it("R14: keeps every trigger's reason within bounds, and counts them all", () => {
    const { metrics, mode } = scene();
    for (let time = 0; time < 1_000; time++) mode.trigger(`reason ${time} ${"x".repeat(2_000)}`, `s${time % 3}`);
    expect(mode.history).toHaveLength(100);
    expect(mode.history.at(-1)).toMatchObject({ source: "s0" });
    expect(mode.history.at(-1)?.reason).toHaveLength(500);
    expect(mode.counts).toEqual({ s0: 334, s1: 333, s2: 333 });
    expect(metrics.value("holdfast_conservative_mode_triggers_total", { reason: "s1" })).toBe(333);
    mode[Symbol.dispose]();
  });

  it("R14: is entered by a breaker that opens, and lasts until it has not been open for 300 s", async () => {
    const { clock, metrics, mode } = scene();
    const breaker = circuitBreaker({ name: "gpu", clock, jitter: 0, openMs: 60_000 });
    using _watch = mode.watchBreaker(breaker);
    const call = (works: boolean): Promise<unknown> =>
      breaker.run(() => (works ? 1 : Promise.reject(new Error("no")))).catch(() => undefined);
    for (let time = 0; time < 4; time++) await call(false);
    expect([mode.active, clock.timers]).toEqual([false, 0]);
    await call(false);
    expect(mode.reasons).toEqual(['the breaker "gpu" is open']);
    // Nobody calls it any more: that it is half-open by now is seen all the same.
    await clock.advance(70_000);
    expect([mode.reasons, mode.active]).toEqual([[], true]);
    await call(false);
    expect(mode.reasons).toHaveLength(1);
    await clock.advance(60_000);
    await call(true);
    await call(true);
    expect(breaker.state).toBe("closed");
    await clock.advance(289_000);
    expect(mode.active).toBe(true);
    await clock.advance(11_000);
    expect([mode.active, clock.timers]).toEqual([false, 0]);
    expect(mode.counts).toEqual({ "breaker:gpu": 2 });
    expect(metrics.value("holdfast_conservative_mode_triggers_total", { reason: "breaker:gpu" })).toBe(2);
  });

  it("R5: a check that fails while its breaker is open triggers it, with the message as the reason", () => {
    const { clock, mode } = scene();
    const breaker = circuitBreaker({ name: "kernel", clock });
    using _watch = mode.watchBreaker(breaker);
    expect(breaker.check(false, "a shape is wrong")).toBe(false);
    expect(mode.active).toBe(false);
    breaker.trip("by hand");
    breaker.check(false, "outputs differ", 0.3);
    expect(mode.history.map(({ source, reason }) => [source, reason])).toEqual([
      ["breaker:kernel", 'the breaker "kernel" is open'],
      ["check:kernel", "outputs differ"],
    ]);
    mode[Symbol.dispose]();
  });

  it("R14: a breaker that was dismissed by hand counts again once it has closed; one watched no more does not count", () => {
    const { clock, mode } = scene();
    const breaker = circuitBreaker({ name: "b", clock });
    const watch = mode.watchBreaker(breaker);
    breaker.trip("x");
    mode.leave();
    breaker.trip("y");
    expect(mode.active).toBe(false);
    breaker.reset();
    breaker.trip("z");
    expect(mode.active).toBe(true);
    watch[Symbol.dispose]();
    expect(mode.reasons).toEqual([]);
    mode[Symbol.dispose]();
  });

  it("R14: settings that cannot be made are met when it is made, not in the middle of trouble", () => {
    const broken = (): never => {
      throw new Error("no such setting");
    };
    expect(() => scene({ conservative: broken })).toThrow("no such setting");
    const { mode } = scene({ conservative: (settings) => (settings.jobs === 7 ? broken() : settings) });
    expect(() => mode.replaceSettings({ ...forgeSettings, jobs: 7 })).toThrow("no such setting");
    expect(mode.settings).toBe(forgeSettings);
    mode[Symbol.dispose]();
  });

  it("R14: a listener that leaves it at its trigger leaves it, and everybody hears of both in order", () => {
    const { mode, changes } = scene();
    mode.onTrigger(() => mode.leave("a false alarm"));
    mode.trigger("it smells of smoke");
    expect([mode.active, mode.settings, mode.endsInMs]).toEqual([false, forgeSettings, undefined]);
    expect(changes.map(({ active }) => active)).toEqual([true, false]);
    mode[Symbol.dispose]();
  });

  it("R14: refuses options that bound nothing or would sample without a pause", () => {
    const wrong = [{ sampleEveryMs: 0 }, { sampleEveryMs: Number.NaN }, { healthyForMs: Number.NaN }, { clock: 5 }];
    for (const options of [...wrong, { historyLimit: Number.NaN }, { healthyMs: 5 }, { conservative: undefined }]) {
      expect(() => scene(options as never)).toThrow("CONSERVATIVE_OPTION");
    }
    const rule = { name: "rule", when: "gpu > 1" as never };
    expect(() => scene({ triggers: [rule] })).toThrow('trigger rule\'s when is "gpu > 1"');
  });

  it("R14: a breaker that two watch is one reason, until the second watches no more", () => {
    const { clock, mode } = scene();
    const breaker = circuitBreaker({ name: "gpu", clock });
    const [first, second] = [mode.watchBreaker(breaker), mode.watchBreaker(breaker)];
    breaker.trip("it overheats");
    expect(mode.counts).toEqual({ "breaker:gpu": 1 });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(mode.reasons).toEqual(['the breaker "gpu" is open']);
    second[Symbol.dispose]();
    expect(mode.reasons).toEqual([]);
    breaker.reset();
    breaker.trip("again");
    expect(mode.counts).toEqual({ "breaker:gpu": 1 });
    mode[Symbol.dispose]();
  });

  it("R14: once disposed of it samples nothing, ends nothing and holds on to no breaker", async () => {
    const { clock, mode } = scene();
    const breaker = circuitBreaker({ name: "gpu", clock });
    mode.watchBreaker(breaker);
    mode[Symbol.dispose]();
    mode[Symbol.dispose]();
    breaker.trip("later");
    await clock.advance(1_000_000);
    expect([mode.active, mode.counts, clock.timers]).toEqual([false, {}, 0]);
  });
});
