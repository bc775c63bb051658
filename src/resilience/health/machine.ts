/**
 * The door to what the process and the machine say of themselves. The modules are asked for when a check is made, so
 * importing this costs nothing, and where there is no Node the checks say so instead of failing to load.
 */

import { HoldfastError } from "../../base/index.ts";

export interface MemoryReading {
  /** Resident, of this process. */
  readonly processBytes: number;
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
  /** What this process may still take, by the machine and by its control group. */
  readonly availableBytes: number;
  readonly totalBytes: number;
}

/** Delays of the event loop since the last reading, beyond what the timer itself takes. */
export interface LoopDelayReading {
  readonly percentile99Ms: number;
  readonly greatestMs: number;
}

export interface LoopDelaySource extends Disposable {
  read(): LoopDelayReading;
}

export function readMemory(): MemoryReading {
  const os = builtin("node:os");
  const { heap_size_limit } = builtin("node:v8").getHeapStatistics();
  const { rss, heapUsed } = process.memoryUsage();
  const constrained = process.constrainedMemory();
  return {
    processBytes: rss,
    heapUsedBytes: heapUsed,
    heapLimitBytes: heap_size_limit,
    availableBytes: process.availableMemory(),
    totalBytes: constrained > 0 ? Math.min(os.totalmem(), constrained) : os.totalmem(),
  };
}

const resolutionMs = 20;

/** Measures from now on, until disposed of; does not keep Node alive. */
export function loopDelaySource(): LoopDelaySource {
  const histogram = builtin("node:perf_hooks").monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const beyondTimer = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  return {
    read: () => {
      const found = { percentile99Ms: beyondTimer(histogram.percentile(99)), greatestMs: beyondTimer(histogram.max) };
      histogram.reset();
      return found;
    },
    [Symbol.dispose]: () => void histogram.disable(),
  };
}

interface Modules {
  readonly "node:os": typeof import("node:os");
  readonly "node:v8": typeof import("node:v8");
  readonly "node:perf_hooks": typeof import("node:perf_hooks");
}

function builtin<Name extends keyof Modules>(name: Name): Modules[Name] {
  const module = globalThis.process?.getBuiltinModule?.(name);
  if (module !== undefined) return module as unknown as Modules[Name];
  throw new HoldfastError("HEALTH_NOT_SUPPORTED", `this check needs ${name}, which this platform does not have`, {
    hint: "Bring a source of readings of your own.",
  });
}
