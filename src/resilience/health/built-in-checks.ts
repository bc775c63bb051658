/**
 * Checks of what every service stands on: room on the disk, a folder that takes durable writes, memory, the event loop,
 * and the breakers and checkpoints of the system itself (SPEC R9). Each measures the real thing; limits are options.
 */

import { type Clock, hexOf, type Random, systemClock, systemRandom, utf8 } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { durationOption, knownOptions, numberOption } from "../option.ts";
import type { CheckResult, HealthCheck } from "./check.ts";
import type { ComponentHealth } from "./component.ts";
import { type LoopDelaySource, loopDelaySource, type MemoryReading, readMemory } from "./machine.ts";

const mebibyte = 2 ** 20;

type Limits = Readonly<Record<string, number>>;

/** Throws HEALTH_OPTION where a name is not among the options, or a limit is none. */
function limitsOf<const Given extends Limits>(check: string, options: object, given: Given, others: readonly string[]) {
  const owner = { name: check, code: "HEALTH_OPTION" } as const;
  knownOptions(owner, options, [...Object.keys(given), "name", ...others]);
  for (const [option, value] of Object.entries(given)) {
    if (option.endsWith("Ms")) durationOption(owner, option, value);
    else numberOption(owner, option, value, option.endsWith("Bytes") ? { least: 0 } : { least: 0, most: 1 });
  }
  return given;
}

export interface DiskSpaceOptions {
  readonly name?: string | undefined;
  readonly disk: Disk;
  readonly path: string;
  /** Default 1 GiB. */
  readonly degradedBelowBytes?: number | undefined;
  /** Default 128 MiB. */
  readonly unhealthyBelowBytes?: number | undefined;
}

/** Room on the file system that holds a path. Throws HEALTH_OPTION. */
export function diskSpaceCheck(options: DiskSpaceOptions): HealthCheck {
  const { disk, path, degradedBelowBytes = 1_024 * mebibyte, unhealthyBelowBytes = 128 * mebibyte } = options;
  limitsOf("diskSpaceCheck", options, { degradedBelowBytes, unhealthyBelowBytes }, ["disk", "path"]);
  return {
    name: options.name ?? "disk-space",
    async check() {
      const { freeBytes, totalBytes } = await disk.freeSpace(path);
      const state = below(freeBytes, degradedBelowBytes, unhealthyBelowBytes);
      const detail = `${Math.floor(freeBytes / mebibyte)} MiB free at ${path}`;
      return { state, detail, values: { free_bytes: freeBytes, free_ratio: freeBytes / Math.max(1, totalBytes) } };
    },
  };
}

const testFilePrefix = ".holdfast-health-";
const leftoverAfterMs = 3_600_000;

export interface WritableFolderOptions {
  readonly name?: string | undefined;
  readonly disk: Disk;
  readonly folder: string;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/**
 * A folder takes a write and a sync: a small file is made there, written, synced and removed again. What a killed
 * process left behind is removed after an hour by whoever checks the folder next.
 */
export function writableFolderCheck(options: WritableFolderOptions): HealthCheck {
  const { disk, folder, clock = systemClock, random = systemRandom } = options;
  const unique = hexOf(Uint8Array.from({ length: 8 }, () => Math.floor(random() * 256)));
  const path = `${folder}/${testFilePrefix}${unique}`;
  let isSwept = false;
  return {
    name: options.name ?? "writable-folder",
    async check() {
      if (!isSwept) await sweepTestFiles(disk, folder, clock.nowMs() - leftoverAfterMs);
      isSwept = true;
      const startMs = clock.monotonicMs();
      await disk.remove(path);
      try {
        await using file = await disk.open(path, "create-new");
        await file.writeAt([utf8("A health check writes this and removes it.\n")], 0);
        await file.syncData();
      } finally {
        await disk.remove(path).catch(() => undefined);
      }
      return { state: "healthy", values: { sync_ms: clock.monotonicMs() - startMs } };
    },
  };
}

async function sweepTestFiles(disk: Disk, folder: string, beforeMs: number): Promise<void> {
  for (const { name } of await disk.list(folder)) {
    if (!name.startsWith(testFilePrefix)) continue;
    const found = await disk.stat(`${folder}/${name}`);
    if (found !== undefined && found.modifiedMs < beforeMs) await disk.remove(`${folder}/${name}`);
  }
}

export interface MemoryCheckOptions {
  readonly name?: string | undefined;
  /** Of the machine or the control group, from 0 to 1. Default 0.8. */
  readonly degradedAbove?: number | undefined;
  /** Default 0.95. */
  readonly unhealthyAbove?: number | undefined;
  /** Of the heap of JavaScript. Default 0.85. */
  readonly heapDegradedAbove?: number | undefined;
  /** Default 0.95. */
  readonly heapUnhealthyAbove?: number | undefined;
  readonly read?: (() => MemoryReading) | undefined;
}

/**
 * Memory of the machine (or of the control group, where smaller) and of this process's heap: the worse counts.
 * Throws HEALTH_OPTION.
 */
export function memoryCheck(options: MemoryCheckOptions = {}): HealthCheck {
  const limits = limitsOf(
    "memoryCheck",
    options,
    {
      degradedAbove: options.degradedAbove ?? 0.8,
      unhealthyAbove: options.unhealthyAbove ?? 0.95,
      heapDegradedAbove: options.heapDegradedAbove ?? 0.85,
      heapUnhealthyAbove: options.heapUnhealthyAbove ?? 0.95,
    },
    ["read"],
  );
  const read = options.read ?? readMemory;
  return {
    name: options.name ?? "memory",
    check() {
      const reading = read();
      const used = 1 - reading.availableBytes / Math.max(1, reading.totalBytes);
      const heap = reading.heapUsedBytes / Math.max(1, reading.heapLimitBytes);
      const state = worse(
        above(used, limits.degradedAbove, limits.unhealthyAbove),
        above(heap, limits.heapDegradedAbove, limits.heapUnhealthyAbove),
      );
      const detail = `${percent(used)} of the memory and ${percent(heap)} of the heap in use`;
      return { state, detail, values: { used, heap, process_bytes: reading.processBytes } };
    },
  };
}

export interface EventLoopCheckOptions {
  readonly name?: string | undefined;
  /** Of the 99th percentile since the last run. Default 100. */
  readonly degradedAboveMs?: number | undefined;
  /** Default 1,000. */
  readonly unhealthyAboveMs?: number | undefined;
  readonly source?: LoopDelaySource | undefined;
}

/** How late the event loop is: what it delays, it delays for everybody. Throws HEALTH_OPTION. */
export function eventLoopCheck(options: EventLoopCheckOptions = {}): HealthCheck {
  const { degradedAboveMs = 100, unhealthyAboveMs = 1_000 } = options;
  limitsOf("eventLoopCheck", options, { degradedAboveMs, unhealthyAboveMs }, ["source"]);
  let source = options.source;
  return {
    name: options.name ?? "event-loop",
    check() {
      source ??= loopDelaySource();
      const { percentile99Ms, greatestMs } = source.read();
      const detail = `99 % of delays below ${percentile99Ms.toFixed(1)} ms, the longest ${greatestMs.toFixed(1)} ms`;
      const state = above(percentile99Ms, degradedAboveMs, unhealthyAboveMs);
      return { state, detail, values: { delay_p99_ms: percentile99Ms, delay_max_ms: greatestMs } };
    },
    [Symbol.dispose]: () => source?.[Symbol.dispose](),
  };
}

/** The part of a breaker that tells how it stands. */
export interface ObservedBreaker {
  readonly name: string;
  readonly state: string;
}

/** A breaker's state: closed is healthy, open or isolated is unhealthy, and on the way back it is degraded. */
export function breakerCheck(breaker: ObservedBreaker, name = `breaker-${breaker.name}`): HealthCheck {
  const states: Readonly<Record<string, ComponentHealth>> = {
    closed: "healthy",
    half_open: "degraded",
    open: "unhealthy",
    isolated: "unhealthy",
  };
  return {
    name,
    check() {
      const { state } = breaker;
      const key = state.toLowerCase().replaceAll(/\W/g, "_");
      return { state: states[key] ?? "degraded", detail: `the breaker "${breaker.name}" is ${state}` };
    },
  };
}

export interface CheckpointLagOptions {
  readonly name?: string | undefined;
  /** Milliseconds since the last checkpoint that is durable; undefined before the first. */
  readonly lagMs: () => number | undefined;
  readonly degradedAboveMs: number;
  /** Default: four times as much. */
  readonly unhealthyAboveMs?: number | undefined;
}

/** How much work a crash would lose now. Throws HEALTH_OPTION. */
export function checkpointLagCheck(options: CheckpointLagOptions): HealthCheck {
  const { degradedAboveMs, unhealthyAboveMs = 4 * degradedAboveMs } = options;
  limitsOf("checkpointLagCheck", options, { degradedAboveMs, unhealthyAboveMs }, ["lagMs"]);
  return {
    name: options.name ?? "checkpoint-lag",
    check(): CheckResult {
      const lagMs = options.lagMs();
      if (lagMs === undefined) return { state: "degraded", detail: "no checkpoint has been written yet" };
      const state = above(lagMs, degradedAboveMs, unhealthyAboveMs);
      return { state, detail: `the last checkpoint is ${Math.round(lagMs)} ms old`, values: { lag_ms: lagMs } };
    },
  };
}

function above(value: number, degraded: number, unhealthy: number): ComponentHealth {
  if (value > unhealthy) return "unhealthy";
  return value > degraded ? "degraded" : "healthy";
}

function below(value: number, degraded: number, unhealthy: number): ComponentHealth {
  return above(-value, -degraded, -unhealthy);
}

const order: readonly ComponentHealth[] = ["healthy", "degraded", "unhealthy"];

function worse(a: ComponentHealth, b: ComponentHealth): ComponentHealth {
  return order[Math.max(order.indexOf(a), order.indexOf(b))]!;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
