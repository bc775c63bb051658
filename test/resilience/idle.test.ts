import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const door = pathToFileURL(join(import.meta.dirname, "../../src/resilience/index.ts")).href;

/** Everything that ever has a timer, made to have it, and nothing disposed of. */
const program = `
  const r = await import(${JSON.stringify(door)});
  const monitor = r.healthMonitor();
  monitor.onLevelChange(() => {});
  const checks = r.healthChecks({ monitor, everyMs: 20 });
  checks.add(r.memoryCheck());
  checks.add(r.eventLoopCheck());
  checks.add({ name: "hangs", check: () => new Promise(() => {}) });
  const mode = r.conservativeMode({ settings: {}, conservative: (s) => s, sample: () => ({}) });
  mode.trigger("something");
  const cache = r.ttlCache({ name: "c", ttlMs: 1_000 });
  r.sweeper().add(cache);
  const away = () => { throw new Error("away"); };
  const service = await r.degradable({ store: { get: away, put: away, delete: away } });
  await service.put("a", 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.stdout.write([monitor.component("memory").reports > 0, mode.active, service.level].join());
`;

describe("a process in which everything waits", () => {
  it("ends by itself when its own work is done", async () => {
    const flags = ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", program];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 20_000 });
    expect(stdout).toBe("true,true,read-only");
  });
});
