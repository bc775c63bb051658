import { simulateAvailability } from "./availability.ts";
import { simulateCascade } from "./cascade.ts";
const t0 = performance.now();
for (const protection of ["all", "retry", "timeout"] as const) {
  const r = await simulateAvailability({ seed: 1, operations: 10_000, operationsPerHour: 60, protection, faults: { faultRate: 0.01, meanUpMs: Infinity, meanDownMs: 0 } });
  console.log(protection, JSON.stringify(r), performance.now() - t0);
}
for (const protection of ["all", "retry", "timeout"] as const) {
  const r = await simulateAvailability({ seed: 1, operations: 10_000, operationsPerHour: 2, protection, faults: { faultRate: 0.01, meanUpMs: 100 * 3.6e6, meanDownMs: 600_000 } });
  console.log(protection, JSON.stringify(r), performance.now() - t0);
}
for (const withBreaker of [true, false]) {
  const r = await simulateCascade({ seed: 1, withBreaker });
  console.log(r.levels.map((l) => l[0]).join(""), r.answered.map((a) => a.toFixed(2)).join(" "), r.openings, performance.now() - t0);
}
