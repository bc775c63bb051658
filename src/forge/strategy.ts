/** How much time and memory a job may take. */

export type Strategy = "EMERGENCY" | "FAST" | "STANDARD" | "AGGRESSIVE";

export interface StrategyLimits {
  readonly budgetMs: number;
  /** For all cells of the job together. */
  readonly memoryMb: number;
  /** False: every unit stays eager and no cell is started. */
  readonly compiles: boolean;
}

export const strategies: Readonly<Record<Strategy, StrategyLimits>> = {
  EMERGENCY: { budgetMs: 10_000, memoryMb: 2_048, compiles: false },
  FAST: { budgetMs: 65_000, memoryMb: 4_096, compiles: true },
  STANDARD: { budgetMs: 250_000, memoryMb: 8_192, compiles: true },
  AGGRESSIVE: { budgetMs: 960_000, memoryMb: 16_384, compiles: true },
};

export const defaultStrategy: Strategy = "STANDARD";
