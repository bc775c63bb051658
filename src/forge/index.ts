export type { ForgeEvent, ForgeListener, JobState, UnitVerdict } from "./events.ts";
export {
  type Forge,
  type ForgeOptions,
  type JobHandle,
  type JobRequest,
  type JobSummary,
  openForge,
} from "./forge.ts";
export { readLedger, storeFolder } from "./forge-store.ts";
export { type JobResult, type UnitCells, unitKeyOf } from "./job-run.ts";
export type { CompiledUnit, EagerUnit, Ledger, StoredFile } from "./ledger.ts";
export { defaultStrategy, type Strategy, type StrategyLimits, strategies } from "./strategy.ts";
export { tensorToolchain } from "./tensor-toolchain.ts";
export type { ArtifactFile, Plan, PlanUnit, Toolchain } from "./toolchain.ts";
