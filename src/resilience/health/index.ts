export type { AlertRule } from "./alert-rules.ts";
export type { SystemLevel } from "./availability.ts";
export {
  breakerCheck,
  type CheckpointLagOptions,
  checkpointLagCheck,
  type DiskSpaceOptions,
  diskSpaceCheck,
  type EventLoopCheckOptions,
  eventLoopCheck,
  type MemoryCheckOptions,
  memoryCheck,
  type ObservedBreaker,
  type WritableFolderOptions,
  writableFolderCheck,
} from "./built-in-checks.ts";
export type { CheckResult, HealthCheck } from "./check.ts";
export type { Agreement, ComponentHealth } from "./component.ts";
export {
  type CheckedBreaker,
  type CheckOptions,
  type CheckStatistics,
  type HealthAlert,
  type HealthChecks,
  type HealthChecksOptions,
  healthChecks,
} from "./health-checks.ts";
export {
  type ComponentChange,
  type ComponentOptions,
  type HealthComponent,
  type HealthMonitor,
  type HealthMonitorOptions,
  healthMonitor,
  type LevelChange,
  type ReportOptions,
} from "./health-monitor.ts";
export type { ComponentReport, HealthReport } from "./health-report.ts";
export type { LoopDelayReading, LoopDelaySource, MemoryReading } from "./machine.ts";
export { allServing, type ServingChange, type ServingStatus, servingStatus, watchServing } from "./serving.ts";
