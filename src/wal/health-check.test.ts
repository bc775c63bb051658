import { describe, expect, it } from "vitest";
import { utf8 } from "../base/index.ts";
import { faults, SimDisk } from "../disk/index.ts";
import { circuitBreaker, healthChecks, healthMonitor } from "../resilience/index.ts";
import { openWal, readWal, walCheck } from "./index.ts";

describe("the health check of a log", () => {
  it("R9: writes and syncs a test entry that no reader ever sees", async () => {
    const disk = new SimDisk();
    const wal = await openWal({ disk, folder: "/log" });
    await wal.append(utf8("mine"));
    const { syncs } = wal.statistics;
    const monitor = healthMonitor();
    using checks = healthChecks({ monitor });
    checks.add(walCheck(wal));
    await checks.runAll();
    expect(monitor.level).toBe("running");
    expect(wal.statistics.syncs).toBe(syncs + 1);
    await wal.append(utf8("mine too"));
    await wal.close();
    const seen: string[] = [];
    for await (const entry of readWal(disk, "/log")) seen.push(new TextDecoder().decode(entry.payload));
    expect(seen).toEqual(["mine", "mine too"]);
    const again = await openWal({ disk, folder: "/log" });
    expect(again.recovery.entries).toBe(2);
    await again.close();
  });

  it("R9: is unhealthy once a sync has failed, and the log's recovery in a new one lets its breaker try", async () => {
    const disk = new SimDisk({ faults: [faults.failSync({ path: /\.wal$/, occurrence: 4, forever: true })] });
    const wal = await openWal({ disk, folder: "/log" });
    const breaker = circuitBreaker({ name: "storage" });
    const monitor = healthMonitor();
    using checks = healthChecks({ monitor, alertAfter: 1 });
    const added = { current: wal };
    checks.add({ name: "wal", check: (signal) => walCheck(added.current).check(signal) }, { breaker, trips: true });
    for (let turn = 0; turn < 6; turn++) await checks.runAll();
    expect(monitor.level).toBe("critical");
    expect(breaker.state).toBe("open");
    await wal.close().catch(() => undefined);
    const healed = await openWal({ disk: disk.restarted(), folder: "/log" });
    added.current = healed;
    await checks.runAll();
    expect(monitor.level).toBe("running");
    expect(breaker.state).toBe("half-open");
    await healed.close();
  });
});
