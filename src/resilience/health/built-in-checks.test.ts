import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { seededRandom, systemClock, utf8, VirtualClock } from "../../base/index.ts";
import { faults, NodeDisk, SimDisk } from "../../disk/index.ts";
import {
  breakerCheck,
  checkpointLagCheck,
  diskSpaceCheck,
  eventLoopCheck,
  memoryCheck,
  writableFolderCheck,
} from "./built-in-checks.ts";
import type { CheckResult, HealthCheck } from "./check.ts";
import { healthChecks } from "./health-checks.ts";
import { healthMonitor } from "./health-monitor.ts";

const run = async (check: HealthCheck): Promise<CheckResult> =>
  (await check.check(new AbortController().signal)) as CheckResult;

describe("the built-in checks", () => {
  it("R9: read the real disk, folder, memory and event loop of this process", async () => {
    const folder = await mkdtemp(join(tmpdir(), "health-"));
    const disk = new NodeDisk();
    const monitor = healthMonitor();
    using checks = healthChecks({ monitor });
    checks.add(diskSpaceCheck({ disk, path: folder, degradedBelowBytes: 2, unhealthyBelowBytes: 1 }));
    checks.add(writableFolderCheck({ disk, folder }));
    checks.add(memoryCheck({ degradedAbove: 1, unhealthyAbove: 1 }));
    checks.add(eventLoopCheck({ degradedAboveMs: 60_000, unhealthyAboveMs: 60_000 }));
    await checks.runAll();
    const components = monitor.report().components;
    expect(components.map(({ name, state, reports }) => [name, state, reports])).toEqual([
      ["disk-space", "healthy", 1],
      ["writable-folder", "healthy", 1],
      ["memory", "healthy", 1],
      ["event-loop", "healthy", 1],
    ]);
    expect(components[0]!.values?.["free_bytes"]).toBeGreaterThan(0);
    expect(components[2]!.values?.["process_bytes"]).toBeGreaterThan(1_000_000);
    expect(await disk.list(folder)).toEqual([]);
    await rm(folder, { recursive: true });
    await checks.runAll();
    expect(monitor.component("writable-folder")).toMatchObject({ state: "unhealthy" });
  });

  it("R9: see an event loop that was blocked", async () => {
    using check = eventLoopCheck({ degradedAboveMs: 50 }) as HealthCheck & Disposable;
    await run(check);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const endMs = systemClock.monotonicMs() + 200;
    while (systemClock.monotonicMs() < endMs);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const found = await run(check);
    expect(found.state).toBe("degraded");
    expect(found.values?.["delay_max_ms"]).toBeGreaterThan(100);
  });

  it("R9: see a disk that fills up", async () => {
    const disk = new SimDisk({ faults: [faults.noSpaceAfter(1_000)] });
    const check = diskSpaceCheck({ disk, path: "/", degradedBelowBytes: 800, unhealthyBelowBytes: 300 });
    const states: string[] = [];
    for (const used of [100, 300, 500]) {
      await disk.writeFile("/file", new Uint8Array(used));
      states.push((await run(check)).state);
    }
    await disk.writeFile("/file", new Uint8Array(800));
    states.push((await run(check)).state);
    expect(states).toEqual(["healthy", "degraded", "degraded", "unhealthy"]);
  });

  it.each([
    ["write", faults.failWrite({})],
    ["sync", faults.failSync({})],
    ["open", faults.failOpen({ path: /health/ })],
  ])("R9: see a folder where a %s fails, and leave nothing there", async (_, fault) => {
    const disk = new SimDisk({ faults: [fault] });
    await disk.makeFolder("/data");
    const check = writableFolderCheck({ disk, folder: "/data", clock: new VirtualClock(), random: seededRandom(1) });
    await expect(run(check)).rejects.toThrow("DISK_IO");
    expect(await disk.list("/data")).toEqual([]);
    expect((await run(check)).state).toBe("healthy");
  });

  it("R9: remove what a killed process left in a folder, and nothing else", async () => {
    const disk = new SimDisk();
    await disk.makeFolder("/data");
    await disk.writeFile("/data/.holdfast-health-0011", utf8("left"));
    await disk.writeFile("/data/mine", utf8("mine"));
    const check = writableFolderCheck({ disk, folder: "/data", clock: new VirtualClock(), random: seededRandom(1) });
    await run(check);
    expect((await disk.list("/data")).map(({ name }) => name)).toEqual(["mine"]);
  });

  it("R9: weigh memory by the worse of the machine and the heap", async () => {
    const reading = { processBytes: 1, heapUsedBytes: 10, heapLimitBytes: 100, availableBytes: 50, totalBytes: 100 };
    const state = async (changes: object): Promise<string> =>
      (await run(memoryCheck({ read: () => ({ ...reading, ...changes }) }))).state;
    expect(await state({})).toBe("healthy");
    expect(await state({ availableBytes: 20 })).toBe("healthy");
    expect(await state({ availableBytes: 19 })).toBe("degraded");
    expect(await state({ availableBytes: 4 })).toBe("unhealthy");
    expect(await state({ heapUsedBytes: 90 })).toBe("degraded");
    expect(await state({ heapUsedBytes: 96, availableBytes: 19 })).toBe("unhealthy");
  });

  it("R9: tell a breaker's state and a checkpoint's lag", async () => {
    const states = ["closed", "half-open", "HALF_OPEN", "open", "isolated"];
    const found = await Promise.all(states.map((state) => run(breakerCheck({ name: "db", state }))));
    expect(found.map(({ state }) => state)).toEqual(["healthy", "degraded", "degraded", "unhealthy", "unhealthy"]);
    const lag = async (lagMs: number | undefined): Promise<string> =>
      (await run(checkpointLagCheck({ lagMs: () => lagMs, degradedAboveMs: 100 }))).state;
    expect([await lag(undefined), await lag(100), await lag(101), await lag(401)]).toEqual([
      "degraded",
      "healthy",
      "degraded",
      "unhealthy",
    ]);
  });

  it("refuse limits that would never be met", () => {
    expect(() => memoryCheck({ degradedAbove: 80 })).toThrow("option degradedAbove is 80, which is not a number of at");
    expect(() => eventLoopCheck({ degradedAboveMs: Number.NaN })).toThrow("HEALTH_OPTION");
    expect(() => eventLoopCheck({ degradedAbove: 5 } as never)).toThrow("HEALTH_OPTION");
    expect(() => checkpointLagCheck({ lagMs: () => 0 } as never)).toThrow("HEALTH_OPTION");
  });
});
