export {
  type ConservativeMode,
  type ConservativeModeOptions,
  type ConservativeTrigger,
  conservativeMode,
  type ModeChange,
  type TriggerRecord,
  type WatchedBreaker,
} from "./conservative-mode.ts";
export {
  conservativeForgeSettings,
  type ForgeSettings,
  forgeSettings,
  forgeTriggers,
  forgeTriggerTexts,
  type StrategyName,
  stepDown,
} from "./forge-settings.ts";
