/**
 * Holdfast's own figures for conservative mode (SPEC R14): what a forge works with, what it works with while something
 * is wrong, and what makes it so.
 */

import type { Condition } from "../condition.ts";
import type { ConservativeTrigger } from "./conservative-mode.ts";

export interface ForgeSettings {
  /** Compilations at a time. */
  readonly jobs: number;
  /** Share of a graphics processor, from 0 to 1. */
  readonly gpuLimit: number;
  /** Times every time limit. */
  readonly timeoutFactor: number;
  readonly cacheLimitMegabytes: number;
  /** Times every memory budget. */
  readonly memoryFactor: number;
  readonly aggressiveStrategy: boolean;
  readonly automaticRecompilation: boolean;
  /** How many levels below the one asked for a compilation is done. */
  readonly strategyStepsDown: number;
}

export const forgeSettings: ForgeSettings = {
  jobs: 2,
  gpuLimit: 0.25,
  timeoutFactor: 1,
  cacheLimitMegabytes: 16_384,
  memoryFactor: 1,
  aggressiveStrategy: true,
  automaticRecompilation: true,
  strategyStepsDown: 0,
};

/** One job at a time, longer time limits, less of everything else; never more than what was set. */
export function conservativeForgeSettings(settings: ForgeSettings): ForgeSettings {
  return {
    jobs: Math.min(1, settings.jobs),
    gpuLimit: Math.min(0.15, settings.gpuLimit),
    timeoutFactor: settings.timeoutFactor * 1.5,
    cacheLimitMegabytes: Math.min(8_192, settings.cacheLimitMegabytes),
    memoryFactor: settings.memoryFactor * 0.5,
    aggressiveStrategy: false,
    automaticRecompilation: false,
    strategyStepsDown: settings.strategyStepsDown + 1,
  };
}

const strategies = ["AGGRESSIVE", "STANDARD", "FAST", "EMERGENCY"] as const;

export type StrategyName = (typeof strategies)[number];

/** AGGRESSIVE → STANDARD → FAST → EMERGENCY, and no further. */
export function stepDown(strategy: StrategyName, steps = 1): StrategyName {
  return strategies[Math.min(strategies.length - 1, strategies.indexOf(strategy) + steps)]!;
}

/** Expressions of the policy language, over shares from 0 to 1. */
export const forgeTriggerTexts = {
  "gpu-utilisation": { when: "gpu.utilisation > 0.2", forMs: 300_000 },
  memory: { when: "memory.used > 0.8", forMs: 0 },
} as const;

/** The triggers of a forge, by a compiler of the policy language: `forgeTriggers(compilePolicy)`. */
export function forgeTriggers(compile: (text: string) => Condition): readonly ConservativeTrigger[] {
  return Object.entries(forgeTriggerTexts).map(([name, { when, forMs }]) => ({ name, when: compile(when), forMs }));
}
