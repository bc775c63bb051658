/** The store's own health check (SPEC R9), for `healthChecks`: see `Store.checkHealth`. */

import type { HealthCheck } from "../../resilience/index.ts";
import type { Store } from "../store.ts";

export interface StoreCheckOptions {
  /** Default "store". */
  readonly name?: string | undefined;
}

/**
 * Measures `sync_ms`, `verified_segments` and `damaged_segments`. Unhealthy where the log fails, where the disk of a
 * degraded store cannot be written, and as long as a segment that is damaged belongs to the store.
 */
export function storeCheck(store: Pick<Store, "checkHealth">, { name = "store" }: StoreCheckOptions = {}): HealthCheck {
  return { name, check: () => store.checkHealth() };
}
