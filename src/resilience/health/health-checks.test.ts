import { describe, expect, it } from "vitest";
import { MemoryMetrics, seededRandom, VirtualClock } from "../../base/index.ts";
import { compilePolicy } from "../../policy/index.ts";
import { circuitBreaker } from "../breaker/index.ts";
import { breakerCheck } from "./built-in-checks.ts";
import type { CheckResult, HealthCheck } from "./check.ts";
import { type HealthAlert, healthChecks } from "./health-checks.ts";
import { healthMonitor } from "./health-monitor.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function scene(options: { readonly random?: () => number } = {}) {
  const clock = new VirtualClock();
  const monitor = healthMonitor({ clock });
  const metrics = new MemoryMetrics();
  const checks = healthChecks({ monitor, clock, metrics, random: options.random ?? (() => 0) });
  const alerts: HealthAlert[] = [];
  checks.onAlert((alert) => alerts.push(alert));
  return { clock, monitor, metrics, checks, alerts };
}

/** A check that says what it is told to say. */
function told(name: string): HealthCheck & { says: CheckResult | boolean | Error; started: number } {
  return {
    name,
    says: true,
    started: 0,
    check() {
      this.started++;
      if (this.says instanceof Error) throw this.says;
      return this.says;
    },
  };
}

describe("health checks", () => {
  it("R9: run every 30 s, first runs spread over the period, and report to the monitor", async () => {
    const { clock, monitor, checks } = scene({ random: seededRandom(9) });
    const all = Array.from({ length: 20 }, (_, number) => told(`c${number}`));
    for (const check of all) checks.add(check);
    const startedAfter: number[] = [];
    for (let second = 0; second < 30; second++) {
      await clock.advance(1_000);
      startedAfter.push(all.filter(({ started }) => started > 0).length);
    }
    expect(startedAfter.at(-1)).toBe(20);
    expect(startedAfter[9]).toBeGreaterThan(2);
    expect(startedAfter[9]).toBeLessThan(13);
    all[3]!.says = { state: "degraded", detail: "slow", values: { lag: 3 } };
    await clock.advance(30_000);
    expect(all.map(({ started }) => started)).toEqual(all.map(() => 2));
    expect(monitor.component("c3")).toMatchObject({ state: "degraded", detail: "slow", values: { lag: 3 } });
    await clock.advance(600_000);
    expect(monitor.report().stale).toBe(0);
    checks[Symbol.dispose]();
    expect([clock.timers, monitor.size]).toEqual([0, 0]);
  });

  it("R9: an alert after 3 failures in a row, and an all-clear with the first success", async () => {
    const { clock, checks, alerts, metrics } = scene();
    const check = told("database");
    checks.add(check);
    const period = async (says: CheckResult | boolean | Error): Promise<void> => {
      check.says = says;
      await clock.advance(30_000);
    };
    await clock.advance(1);
    for (const says of [false, false, true, false, new Error("no route"), { state: "unhealthy" } as const, false]) {
      await period(says);
    }
    expect(alerts).toEqual([
      { name: "database", kind: "check", raised: true, failures: 3, detail: "the check failed" },
    ]);
    expect([checks.alerts, checks.statistics("database")?.failuresInARow]).toEqual([["database"], 4]);
    expect(metrics.value("holdfast_health_alert", { name: "database", kind: "check" })).toBe(1);
    await period({ state: "degraded" });
    expect(alerts.slice(1)).toMatchObject([{ raised: false, failures: 4 }]);
    expect(checks.alerts).toEqual([]);
    expect(metrics.value("holdfast_health_check_failures_total", { check: "database" })).toBe(6);
    checks[Symbol.dispose]();
  });

  it("R9: a hung check fails after 5 s, holds up nobody, is not started again, and recovers when it ends", async () => {
    const { clock, monitor, checks, alerts } = scene();
    const signals: AbortSignal[] = [];
    const ends: (() => void)[] = [];
    let isHanging = true;
    const other = told("other");
    checks.add({
      name: "hangs",
      check: (signal) => {
        signals.push(signal);
        return isHanging ? new Promise<void>((resolve) => ends.push(resolve)) : undefined;
      },
    });
    checks.add(other);
    await clock.advance(4_999);
    expect(monitor.component("hangs")?.reports).toBe(0);
    await clock.advance(1);
    expect(monitor.component("hangs")).toMatchObject({ state: "unhealthy", stale: false });
    expect(monitor.component("hangs")?.detail).toContain("HEALTH_CHECK_TIMEOUT");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await clock.advance(90_000);
    expect(signals).toHaveLength(1);
    expect(checks.statistics("hangs")).toMatchObject({ runs: 1, timeouts: 1, skipped: 3, isHung: true });
    expect(other.started).toBe(4);
    expect(alerts).toMatchObject([{ name: "hangs", raised: true, failures: 3 }]);
    expect(monitor.report().components.map(({ stale }) => stale)).toEqual([false, false]);
    await checks.runAll();
    isHanging = false;
    ends[0]!();
    await settled();
    expect(monitor.component("hangs")?.state).toBe("unhealthy");
    await clock.advance(30_000);
    expect(signals).toHaveLength(2);
    expect(monitor.component("hangs")?.state).toBe("healthy");
    expect(alerts.at(-1)).toMatchObject({ name: "hangs", raised: false });
    checks[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it("R9: a late result of a run whose time was up is not heard", async () => {
    const { clock, monitor, checks } = scene();
    let end = (_: CheckResult): void => {};
    checks.add({ name: "late", check: () => new Promise<CheckResult>((resolve) => (end = resolve)) });
    await clock.advance(6_000);
    end({ state: "healthy" });
    await settled();
    expect(monitor.component("late")).toMatchObject({ state: "unhealthy", reports: 1 });
    checks[Symbol.dispose]();
  });

  it("R9: a run asked for while one is under way is that one", async () => {
    const { clock, checks, monitor } = scene();
    let end = (): void => {};
    let started = 0;
    checks.add({
      name: "slow",
      check: () => {
        started++;
        return new Promise<void>((resolve) => (end = resolve));
      },
    });
    const first = checks.runAll();
    const second = checks.runAll();
    end();
    await Promise.all([first, second]);
    expect([started, monitor.component("slow")?.reports]).toEqual([1, 1]);
    checks[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it("R9: a recovery seen by a check feeds the breaker; an alert trips it only where that is wanted", async () => {
    const { clock, checks } = scene();
    const said: string[] = [];
    const breakerOf = (name: string) => ({
      allowProbe: (reason: string) => said.push(`${name} probe: ${reason}`),
      trip: (reason: string) => said.push(`${name} trip: ${reason}`),
    });
    const [calm, strict] = [told("calm"), told("strict")];
    checks.add(calm, { breaker: breakerOf("calm") });
    checks.add(strict, { breaker: breakerOf("strict"), trips: true, alertAfter: 2 });
    await clock.advance(1);
    expect(said).toEqual([]);
    calm.says = false;
    strict.says = { state: "unhealthy", detail: "no answer" };
    await clock.advance(90_000);
    expect(said).toEqual(['strict trip: the health check "strict" failed: no answer']);
    calm.says = true;
    strict.says = { state: "degraded" };
    await clock.advance(60_000);
    expect(said.slice(1)).toEqual([
      'calm probe: the health check "calm" saw a recovery',
      'strict probe: the health check "strict" saw a recovery',
    ]);
    checks[Symbol.dispose]();
  });

  it("R9: disposal ends everything within a turn, and nothing is heard afterwards", async () => {
    const { clock, monitor, checks, alerts } = scene();
    let disposed = 0;
    let reason: unknown;
    checks.add({
      name: "hangs",
      check: (signal) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject((reason = signal.reason)));
        }),
      [Symbol.dispose]: () => void disposed++,
    });
    const waiting = checks.runAll();
    checks[Symbol.dispose]();
    await waiting;
    expect(reason).toMatchObject({ code: "HEALTH_CHECKS_STOPPED" });
    expect([clock.timers, monitor.size, alerts.length, disposed]).toEqual([0, 0, 0, 1]);
    expect(() => checks.add(told("later"))).toThrow("HEALTH_CHECKS_STOPPED");
  });

  it("R9: one check can be taken out while it runs, and its name used again", async () => {
    const { clock, monitor, checks } = scene();
    let end = (): void => {};
    const first = checks.add({ name: "a", check: () => new Promise<void>((resolve) => (end = resolve)) });
    await clock.advance(0);
    first[Symbol.dispose]();
    const again = told("a");
    checks.add(again);
    end();
    await settled();
    expect(monitor.component("a")?.reports).toBe(0);
    first[Symbol.dispose]();
    await clock.advance(0);
    expect(monitor.component("a")?.reports).toBe(1);
    checks[Symbol.dispose]();
  });

  it("R9: what a check says that is no state counts as a failure", async () => {
    const { clock, monitor, checks } = scene();
    checks.add({ name: "odd", check: () => ({ state: "fine" }) as unknown as CheckResult });
    await clock.advance(0);
    expect(monitor.component("odd")).toMatchObject({ state: "unhealthy" });
    expect(monitor.component("odd")?.detail).toContain('"fine"');
    checks[Symbol.dispose]();
  });

  it("R9: a rule over what was measured raises an alert once it has held long enough, and clears it", async () => {
    const clock = new VirtualClock();
    const monitor = healthMonitor({ clock });
    const checks = healthChecks({
      monitor,
      clock,
      random: () => 0,
      everyMs: 1_000,
      rules: [
        {
          name: "filling-up",
          when: compilePolicy("checks.disk_space.used > 0.8 && health.level == 'running'"),
          forMs: 5_000,
        },
        {
          name: "broken",
          when: compilePolicy("checks.no_such.used > 0.8"),
        },
      ],
    });
    const alerts: HealthAlert[] = [];
    checks.onAlert((alert) => alerts.push(alert));
    let used = 0.9;
    checks.add({ name: "disk-space", check: () => ({ state: "healthy", values: { used } }) });
    await clock.advance(4_900);
    expect(alerts).toEqual([]);
    await clock.advance(100);
    expect(alerts).toMatchObject([{ name: "filling-up", kind: "rule", raised: true }]);
    expect(checks.alerts).toEqual(["filling-up"]);
    used = 0.5;
    await clock.advance(1_000);
    expect(alerts.slice(1)).toMatchObject([{ name: "filling-up", raised: false }]);
    checks[Symbol.dispose]();
  });

  it("R9: a recovery seen by a check lets a real breaker probe at once, and a breaker's state is a component's", async () => {
    const { clock, monitor, checks } = scene();
    const breaker = circuitBreaker({ name: "db", clock, openMs: 600_000 });
    const database = told("database");
    checks.add(database, { breaker, trips: true });
    checks.add(breakerCheck(breaker));
    await clock.advance(1);
    database.says = false;
    await clock.advance(90_000);
    expect([breaker.state, monitor.component("breaker-db")?.state]).toEqual(["open", "unhealthy"]);
    database.says = true;
    await clock.advance(30_000);
    expect([breaker.state, monitor.component("breaker-db")?.state]).toEqual(["half-open", "degraded"]);
    await breaker.run(() => 1);
    await breaker.run(() => 1);
    await clock.advance(30_000);
    expect([breaker.state, monitor.level]).toEqual(["closed", "running"]);
    checks[Symbol.dispose]();
  });

  it("a check that throws what has no text, or says a detail that is none, is heard like any other", async () => {
    const { clock, monitor, checks } = scene();
    checks.add({
      name: "textless",
      check: () => {
        throw Object.create(null);
      },
    });
    const wrong = { state: "healthy", detail: 42 } as unknown as CheckResult;
    checks.add({ name: "numeric", check: () => wrong });
    await checks.runAll();
    expect(monitor.component("textless")?.state).toBe("unhealthy");
    expect(monitor.component("numeric")).toMatchObject({ state: "healthy", detail: "42" });
    checks[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it("a breaker of somebody else's that throws leaves the result heard and the next run made", async () => {
    const { clock, monitor, checks } = scene();
    const database = told("database");
    const breaker = {
      allowProbe: () => {
        throw new Error("not now");
      },
    };
    checks.add(database, { breaker });
    database.says = false;
    await checks.runAll();
    database.says = true;
    await checks.runAll();
    expect(monitor.component("database")?.state).toBe("healthy");
    await clock.advance(30_000);
    expect(database.started).toBeGreaterThan(2);
    checks[Symbol.dispose]();
  });

  it("disposal ends the wait for a check that ignores its signal, and one that cannot be disposed of stops no other", async () => {
    const { clock, checks } = scene();
    let disposed = false;
    const hanging = { check: () => new Promise<boolean>(() => {}) };
    checks.add({
      ...{ name: "stubborn", ...hanging },
      [Symbol.dispose]: () => {
        throw new Error("in use");
      },
    });
    checks.add({ ...{ name: "other", ...hanging }, [Symbol.dispose]: () => void (disposed = true) });
    const all = checks.runAll();
    checks[Symbol.dispose]();
    await all;
    expect([disposed, clock.timers]).toEqual([true, 0]);
  });

  it("options that are none are refused when checks and monitors are made", () => {
    const monitor = healthMonitor();
    monitor.register("b");
    const makes: readonly (() => unknown)[] = [
      () => healthChecks({ monitor, everyMs: 0 }),
      () => healthChecks({ monitor, everyMs: Number.NaN }),
      () => healthChecks({ monitor, timeoutMs: Number.NaN }),
      () => healthChecks({} as never),
      () => healthChecks({ monitor, rules: [{ name: "r", when: "a > 1" as never }] }),
      () => healthChecks({ monitor }).add(told("a"), { alertAfter: 0 }),
      () => healthChecks({ monitor }).add(told("a"), { wieght: 3 } as never),
      () => healthMonitor({ staleMs: Number.NaN }),
      () => healthMonitor({ runningFrom: 90 }),
      () => healthMonitor({ runningFrom: 0.5, degradedFrom: 0.6 }),
      () => healthMonitor({ agreement: { agree: 3, of: 2 } }),
      () => monitor.register("a", { staleMs: 0 }),
      () => monitor.register("a", { caps: "down" as never }),
      () => monitor.update("b", "fine" as never),
    ];
    for (const make of makes) expect(make).toThrow("HEALTH_OPTION");
    expect(monitor.size).toBe(1);
  });
});
