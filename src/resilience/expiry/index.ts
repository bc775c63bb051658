export { cacheLimitBytes, sweepEveryMs, ttlPresets } from "./presets.ts";
export { type Sweepable, type Sweeper, type SweeperOptions, type SweepReport, sweeper } from "./sweeper.ts";
export {
  type Removal,
  type RemovalReason,
  type TtlCache,
  type TtlCacheOptions,
  type TtlCacheStatistics,
  ttlCache,
} from "./ttl-cache.ts";
