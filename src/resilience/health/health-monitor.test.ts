import { describe, expect, it } from "vitest";
import { MemoryMetrics, seededRandom, VirtualClock } from "../../base/index.ts";
import type { SystemLevel } from "./availability.ts";
import type { ComponentHealth } from "./component.ts";
import { type ComponentChange, healthMonitor, type LevelChange } from "./health-monitor.ts";
import { allServing, type ServingChange, servingStatus, watchServing } from "./serving.ts";

const states: readonly ComponentHealth[] = ["healthy", "degraded", "unhealthy"];

describe("a health monitor", () => {
  it("R8: weighs healthy 1, degraded 0.5, unhealthy 0: A = Σwh/Σw", () => {
    const monitor = healthMonitor({ clock: new VirtualClock() });
    expect(monitor.availability).toBe(1);
    monitor.register("a", { weight: 3 });
    monitor.register("b", { weight: 2 }).degraded();
    monitor.register("c", { weight: 5 }).unhealthy({ detail: "down" });
    expect(monitor.availability).toBe((3 + 2 * 0.5) / 10);
    expect(monitor.component("c")).toMatchObject({ state: "unhealthy", weight: 5, detail: "down", reports: 1 });
    monitor.unregister("c");
    expect(monitor.availability).toBe(4 / 5);
    expect(monitor.unregister("c")).toBe(false);
  });

  it("R8: is Running at A of 0.9 and more, Degraded at 0.5 and more, else Critical", () => {
    const monitor = healthMonitor({ clock: new VirtualClock() });
    for (let number = 0; number < 10; number++) monitor.register(`c${number}`);
    const expected: SystemLevel[] = ["running", "degraded", "degraded", "degraded", "degraded", "critical"];
    for (const [number, level] of expected.entries()) {
      monitor.update(`c${number}`, "unhealthy");
      expect([monitor.availability, monitor.level]).toEqual([(9 - number) / 10, level]);
    }
  });

  it("R8: takes a component for stale that was silent for 30 s, until it is heard again", () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    monitor.register("talks");
    monitor.register("silent");
    clock.advanceSync(29_999);
    monitor.update("talks", "healthy");
    expect([monitor.level, monitor.report().stale]).toEqual(["running", 0]);
    clock.advanceSync(1);
    expect([monitor.level, monitor.availability, monitor.report().stale]).toEqual(["degraded", 0.5, 1]);
    expect(monitor.component("silent")).toMatchObject({ state: "unhealthy", reported: "healthy", stale: true });
    monitor.update("silent", "healthy");
    expect(monitor.level).toBe("running");
    expect(clock.timers).toBe(0);
  });

  it("R8: staleness goes by the monotonic clock: neither a jump of the wall clock nor a suspend makes it", () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    monitor.register("a");
    clock.jumpWall(86_400_000);
    clock.suspend(86_400_000);
    expect(monitor.report().stale).toBe(0);
  });

  it("R8: tells of staleness with one timer in all, and with none while nobody listens", async () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    for (let number = 0; number < 1_000; number++) monitor.register(`c${number}`, { staleMs: 1_000 + (number % 7) });
    expect(clock.timers).toBe(0);
    const changes: LevelChange[] = [];
    using subscription = monitor.onLevelChange((change) => changes.push(change));
    expect(clock.timers).toBe(1);
    await clock.advance(990);
    for (let number = 0; number < 900; number++) monitor.update(`c${number}`, "healthy");
    await clock.advance(100);
    expect(changes).toEqual([]);
    await clock.advance(910);
    expect(changes.map(({ to }) => to)).toEqual(["degraded", "critical"]);
    await clock.advance(10_000);
    expect(clock.timers).toBe(0);
    for (let number = 0; number < 1_000; number++) monitor.update(`c${number}`, "healthy");
    expect([clock.timers, changes.at(-1)?.to]).toEqual([1, "running"]);
    await clock.advance(1_010);
    expect(changes.at(-1)?.to).toBe("critical");
    subscription[Symbol.dispose]();
    await clock.advance(10_000);
    expect(clock.timers).toBe(0);
    monitor[Symbol.dispose]();
  });

  it("R8: what is kept in O(1) never differs from what is added up anew, over 100,000 random operations", () => {
    const clock = new VirtualClock();
    const random = seededRandom(8);
    const monitor = healthMonitor({ clock });
    const model = new Map<string, { weight: number; state: ComponentHealth; heardMs: number; caps: string }>();
    let compared = 0;
    for (let step = 0; step < 100_000; step++) {
      const name = `c${Math.floor(random() * 60)}`;
      const dice = random();
      const known = model.get(name);
      if (known === undefined && dice < 0.5) {
        const weight = Math.round(random() * 1e9) / 1e6;
        const caps = (["", "", "", "degraded", "critical"] as const)[Math.floor(random() * 5)]!;
        monitor.register(name, { weight, ...(caps === "" ? {} : { caps }) });
        model.set(name, { weight, state: "healthy", heardMs: clock.monotonicMs(), caps });
      } else if (known !== undefined && dice < 0.1) {
        monitor.unregister(name);
        model.delete(name);
      } else if (known !== undefined && dice < 0.9) {
        known.state = states[Math.floor(random() ** 3 * 3)]!;
        known.heardMs = clock.monotonicMs();
        monitor.update(name, known.state);
      } else clock.advanceSync(Math.floor(random() * 2_000));
      if (step % 3 !== 0) continue;
      compared++;
      let health = 0;
      let weights = 0;
      let worst = 0;
      for (const { weight, state, heardMs, caps } of model.values()) {
        const isStale = clock.monotonicMs() - heardMs >= 30_000;
        const h = isStale || state === "unhealthy" ? 0 : state === "degraded" ? 0.5 : 1;
        health += Math.round(weight * 1e6) * h;
        weights += Math.round(weight * 1e6);
        if (caps !== "" && h < 1) worst = Math.max(worst, caps === "critical" && h === 0 ? 2 : 1);
      }
      const a = weights === 0 ? 1 : health / weights;
      if (monitor.availability !== a) expect(monitor.availability).toBe(a);
      const level = (["running", "degraded", "critical"] as const)[Math.max(worst, a >= 0.9 ? 0 : a >= 0.5 ? 1 : 2)];
      if (monitor.level !== level) expect(monitor.level).toBe(level);
    }
    expect(compared).toBeGreaterThan(33_000);
  });

  it("R8: a critical component caps the level, whatever the others weigh", () => {
    const monitor = healthMonitor({ clock: new VirtualClock() });
    for (let number = 0; number < 100; number++) monitor.register(`c${number}`);
    using database = monitor.register("database", { caps: "critical", weight: 1 });
    using search = monitor.register("search", { caps: "degraded", weight: 1 });
    database.degraded();
    expect(monitor.level).toBe("degraded");
    database.unhealthy();
    expect(monitor.level).toBe("critical");
    database.healthy();
    search.unhealthy();
    expect(monitor.level).toBe("degraded");
    search[Symbol.dispose]();
    expect(monitor.level).toBe("running");
  });

  it("R8: with a margin, a level is left for a better one above where it was entered", () => {
    const monitor = healthMonitor({ clock: new VirtualClock(), margin: 0.05 });
    const levelAt = (healthy: number): SystemLevel => {
      for (let number = 0; number < 100; number++)
        monitor.update(`c${number}`, number < healthy ? "healthy" : "unhealthy");
      return monitor.level;
    };
    for (let number = 0; number < 100; number++) monitor.register(`c${number}`);
    expect([90, 89, 90, 94].map(levelAt)).toEqual(["running", "degraded", "degraded", "degraded"]);
    expect([95, 90, 49, 52].map(levelAt)).toEqual(["running", "running", "critical", "critical"]);
    expect([55, 50, 95].map(levelAt)).toEqual(["degraded", "degraded", "running"]);
    expect(levelAt(0)).toBe("critical");
    expect(levelAt(100)).toBe("running");
  });

  it("R8: with k of n, a component that flaps changes nothing, and one that stays changed does", () => {
    const monitor = healthMonitor({ clock: new VirtualClock(), agreement: { agree: 3, of: 4 } });
    using component = monitor.register("a");
    let changes = 0;
    using _subscription = monitor.onLevelChange(() => changes++);
    component.healthy();
    component.healthy();
    for (let flap = 0; flap < 50; flap++) {
      component.unhealthy();
      component.healthy();
    }
    expect([monitor.level, changes]).toEqual(["running", 0]);
    component.unhealthy();
    component.healthy();
    component.unhealthy();
    expect(monitor.level).toBe("running");
    component.unhealthy();
    expect([monitor.level, changes]).toEqual(["critical", 1]);
    component.healthy();
    component.healthy();
    expect(monitor.level).toBe("critical");
    expect(monitor.component("a")).toMatchObject({ state: "unhealthy", reported: "healthy" });
    component.healthy();
    expect(monitor.level).toBe("running");
  });

  it("R8: gives a full report as plain data", () => {
    const clock = new VirtualClock({ nowMs: 1_000_000 });
    const metrics = new MemoryMetrics();
    const monitor = healthMonitor({ clock, metrics });
    monitor.register("a", { weight: 0.25, caps: "degraded" });
    monitor.update("a", "degraded", { detail: "x".repeat(5_000), values: { used: 0.5 } });
    clock.advanceSync(10);
    const report = monitor.report();
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report).toEqual({
      level: "degraded",
      availability: 0.5,
      atMs: 1_000_010,
      counts: { healthy: 0, degraded: 1, unhealthy: 0 },
      stale: 0,
      components: [
        {
          name: "a",
          state: "degraded",
          stale: false,
          reported: "degraded",
          weight: 0.25,
          caps: "degraded",
          sinceMs: 10,
          heardAgoMs: 10,
          reports: 1,
          detail: "x".repeat(1_000),
          values: { used: 0.5 },
        },
      ],
    });
    expect(metrics.value("holdfast_health_availability")).toBe(0.5);
  });

  it("R8: refuses what makes no sense, and says what is meant", () => {
    const monitor = healthMonitor({ clock: new VirtualClock() });
    const first = monitor.register("database");
    const code = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return [(error as { code: string }).code, (error as { hint: string }).hint];
      }
    };
    expect(code(() => monitor.register("database"))).toContain("HEALTH_COMPONENT_EXISTS");
    expect(code(() => monitor.update("databse", "healthy"))).toEqual([
      "HEALTH_UNKNOWN_COMPONENT",
      'Did you mean "database"?',
    ]);
    for (const weight of [-1, 1_001, Number.NaN]) {
      expect(code(() => monitor.register("w", { weight }))).toContain("HEALTH_OPTION");
    }
    first[Symbol.dispose]();
    const second = monitor.register("database");
    first[Symbol.dispose]();
    expect(monitor.has("database")).toBe(true);
    second[Symbol.dispose]();
    expect(monitor.size).toBe(0);
  });

  it("R8: a listener that throws changes nothing, and all see the changes in one order", () => {
    const monitor = healthMonitor({ clock: new VirtualClock() });
    const seen: ComponentChange[] = [];
    const warnings: string[] = [];
    const warn = process.emitWarning;
    process.emitWarning = ((warning: string) => void warnings.push(String(warning))) as typeof process.emitWarning;
    try {
      using _bad = monitor.onComponentChange((change) => {
        if (change.name === "a" && change.to === "unhealthy") monitor.update("b", "degraded");
        throw new Error("mine");
      });
      using _good = monitor.onComponentChange((change) => seen.push(change));
      monitor.register("a");
      monitor.register("b");
      monitor.update("a", "unhealthy");
    } finally {
      process.emitWarning = warn;
    }
    expect(seen.map(({ name, from, to }) => [name, from, to])).toEqual([
      ["a", undefined, "healthy"],
      ["b", undefined, "healthy"],
      ["a", "healthy", "unhealthy"],
      ["b", "healthy", "degraded"],
    ]);
  });
});

describe("health for gRPC", () => {
  it("R8: tells SERVING, NOT_SERVING, UNKNOWN and SERVICE_UNKNOWN by name", () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    expect([servingStatus(monitor), servingStatus(monitor, "a")]).toEqual(["SERVING", "SERVICE_UNKNOWN"]);
    monitor.register("a");
    expect(servingStatus(monitor, "a")).toBe("UNKNOWN");
    monitor.update("a", "degraded");
    expect(servingStatus(monitor, "a")).toBe("SERVING");
    monitor.update("a", "unhealthy");
    expect(allServing(monitor)).toEqual({ "": "NOT_SERVING", a: "NOT_SERVING" });
    clock.advanceSync(30_000);
    expect(servingStatus(monitor, "a")).toBe("UNKNOWN");
  });

  it("R8: a watch tells the status at once and then only when it changes, staleness by itself too", async () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    const seen: ServingChange[] = [];
    using watch = watchServing(monitor, "a", (change) => seen.push(change));
    const statuses = (): string[] => seen.map(({ status }) => status);
    monitor.register("b");
    expect(statuses()).toEqual(["SERVICE_UNKNOWN"]);
    monitor.register("a");
    for (let time = 0; time < 5; time++) monitor.update("a", "healthy");
    monitor.update("a", "degraded");
    expect(statuses()).toEqual(["SERVICE_UNKNOWN", "UNKNOWN", "SERVING"]);
    await clock.advance(30_000);
    expect(statuses().slice(3)).toEqual(["UNKNOWN"]);
    monitor.update("a", "degraded");
    monitor.update("a", "unhealthy");
    monitor.unregister("a");
    expect(statuses().slice(4)).toEqual(["SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]);
    watch[Symbol.dispose]();
    monitor.register("a");
    expect(seen).toHaveLength(7);
  });
});
