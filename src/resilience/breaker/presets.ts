/**
 * The figures with which Holdfast guards its own parts (SPEC R2, R3), for breakers of the same kind:
 * `circuitBreaker({ name: "disk", ...breakerPresets.storage })`.
 */

import type { CircuitBreakerOptions } from "./options.ts";

type Preset = Pick<CircuitBreakerOptions, "opensOn" | "openMs" | "halfOpen">;

const preset = (consecutiveFailures: number, successes: number, openMs: number): Preset => ({
  opensOn: { consecutiveFailures },
  openMs,
  halfOpen: { successes },
});

export const breakerPresets = {
  storage: /* @__PURE__ */ preset(5, 2, 60_000),
  unit: /* @__PURE__ */ preset(5, 3, 30_000),
  memory: /* @__PURE__ */ preset(3, 3, 30_000),
  gpuMemory: /* @__PURE__ */ preset(3, 3, 30_000),
  gpu: /* @__PURE__ */ preset(5, 3, 30_000),
  compilationTimeout: /* @__PURE__ */ preset(2, 3, 300_000),
  kernelValidation: /* @__PURE__ */ preset(5, 3, 30_000),
} as const;
