/**
 * Health as the gRPC health checking protocol tells it: a status for each name, and a watch that speaks when the status
 * changes and only then.
 *
 * The name "" is the whole system: it serves unless it is Critical. A component serves while it is healthy or degraded;
 * a stale one, or one that has not reported yet, is UNKNOWN; a name that nobody registered is SERVICE_UNKNOWN, and a
 * watch on it waits for it to come.
 */

import { type Listener, Topic } from "../../base/index.ts";
import type { HealthMonitor } from "./health-monitor.ts";

export type ServingStatus = "SERVING" | "NOT_SERVING" | "UNKNOWN" | "SERVICE_UNKNOWN";

export interface ServingChange {
  readonly name: string;
  readonly status: ServingStatus;
}

export function servingStatus(monitor: HealthMonitor, name = ""): ServingStatus {
  if (name === "") return monitor.level === "critical" ? "NOT_SERVING" : "SERVING";
  const component = monitor.component(name);
  if (component === undefined) return "SERVICE_UNKNOWN";
  if (component.stale || component.reports === 0) return "UNKNOWN";
  return component.state === "unhealthy" ? "NOT_SERVING" : "SERVING";
}

/** Tells the present status at once, then each other one it changes to, until disposed of. */
export function watchServing(monitor: HealthMonitor, name: string, listener: Listener<ServingChange>): Disposable {
  const changes = new Topic<ServingChange>("health.serving");
  const heard = changes.subscribe(listener);
  let last: ServingStatus | undefined;
  const look = (): void => {
    const status = servingStatus(monitor, name);
    if (status === last) return;
    last = status;
    changes.publish({ name, status });
  };
  const subscription =
    name === ""
      ? monitor.onLevelChange(look)
      : monitor.onComponentChange((change) => {
          if (change.name === name) look();
        });
  look();
  return {
    [Symbol.dispose]: () => {
      subscription[Symbol.dispose]();
      heard[Symbol.dispose]();
    },
  };
}

/** All names and their status, "" among them: the answer to `List`. */
export function allServing(monitor: HealthMonitor): Readonly<Record<string, ServingStatus>> {
  const names = monitor.report().components.map(({ name }) => name);
  return Object.fromEntries(["", ...names].map((name) => [name, servingStatus(monitor, name)]));
}
