/**
 * Cells: child processes that may crash, hang or exhaust memory without touching anyone else.
 *
 * `createCellPool` keeps a few of them warm around one handler module; `run` gives a job to one and always comes back
 * with an outcome, a payload or a typed verdict.
 */

export { createCellPool } from "./cell-pool.ts";
export type { Enforcement, Measure, WaivableMeasure } from "./enforcement.ts";
export type { CellContext, CellHandler } from "./handler.ts";
export type { CellJob, CellPool, CellPoolEvents, CellPoolOptions, CellPoolStats } from "./options.ts";
export type { CellOutcome, Verdict, VerdictKind } from "./verdict.ts";
