/**
 * Keeps a breaker's state over a restart (SPEC R6), in functions of their own: who keeps nothing ships nothing of it.
 *
 *     const breaker = circuitBreaker({ name: "database" });
 *     restoreBreaker(breaker, JSON.parse(kept));
 *     …
 *     keep(JSON.stringify(snapshotBreaker(breaker)));
 */

import { errorText } from "../../base/index.ts";
import type { CircuitBreaker } from "./breaker.ts";
import { longestMs } from "./check-option.ts";
import type { KeyedBreakers } from "./keyed.ts";
import { type BreakerSnapshot, decodeSnapshot, encodeSnapshot } from "./snapshot.ts";

export interface RestoreResult {
  /** "damaged": the breaker is open for its whole time, and `reason` says why the snapshot was not believed. */
  readonly status: "restored" | "damaged";
  readonly reason?: string;
}

/** The state as plain JSON. */
export function snapshotBreaker(breaker: CircuitBreaker): BreakerSnapshot {
  const { machine, name } = breaker;
  const { underlying, rules, settings, holds } = machine;
  const nowMs = settings.clock.monotonicMs();
  return encodeSnapshot({
    ...{ name, savedAtMs: settings.clock.nowMs(), state: underlying, openings: machine.openings },
    ...{ remainingMs: machine.remainingMs(), opening: machine.opening ?? null },
    ...{ consecutiveFailures: rules.consecutiveFailures, averageRate: rules.averageRate, calls: rules.calls },
    window: rules.window?.dump(nowMs) ?? [],
    rampElapsedMs: machine.rampElapsedMs ?? null,
    isolations: holds.map(({ reason, expiresAtMs }) => ({
      reason,
      remainingMs: expiresAtMs === Infinity ? null : Math.max(0, expiresAtMs - nowMs),
    })),
  });
}

/**
 * Puts the breaker into the snapshot's state, or into a more careful one where it is not whole: then it opens. Takes
 * anything and never throws. Isolations are held again; `breaker.isolations` has them. Calls under way count for
 * nothing.
 */
export function restoreBreaker(breaker: CircuitBreaker, snapshot: unknown): RestoreResult {
  const { machine } = breaker;
  const { settings, rules } = machine;
  const fields = decodeSnapshot(snapshot, breaker.name);
  if (typeof fields === "string") {
    machine.open({ rule: "damaged-snapshot", numbers: {}, reason: `its snapshot was not believed: ${fields}` });
    return { status: "damaged", reason: fields };
  }
  const { state, openings, opening } = fields;
  const passedMs = Math.max(0, settings.clock.nowMs() - fields.savedAtMs);
  if (state === "open") {
    // Another host's clock, or other options, may only shorten it.
    const longestMs = settings.openMaximumMs * (1 + settings.jitter);
    const remainingMs = Math.min(Math.max(0, fields.remainingMs - passedMs), longestMs);
    machine.open(opening ?? { rule: "by-hand", numbers: {}, reason: "opened" }, undefined, remainingMs);
  } else if (state === "half-open") machine.halfOpen();
  else machine.close(fields.rampElapsedMs ?? undefined);
  rules.consecutiveFailures = fields.consecutiveFailures;
  rules.averageRate = fields.averageRate;
  rules.calls = fields.calls;
  rules.window?.load(fields.window, settings.clock.monotonicMs());
  machine.openings = openings;
  machine.opening = opening ?? undefined;
  for (const { reason, remainingMs } of fields.isolations) {
    const forMs = Math.min(Math.max(0, (remainingMs ?? 0) - passedMs), longestMs);
    breaker.isolate(reason, remainingMs === null ? {} : { forMs });
  }
  return { status: "restored" };
}

/** What there is to keep of a keyed set. */
export interface KeyedSnapshot {
  /** Of the breakers that are not steady: the others have nothing to lose but counts. */
  readonly keys: Readonly<Record<string, BreakerSnapshot>>;
  /** Of the one for all keys beyond the bound; null where it is steady. */
  readonly shared: BreakerSnapshot | null;
}

export function snapshotBreakers(breakers: KeyedBreakers): KeyedSnapshot {
  const kept = [...breakers.entries()].filter(([, breaker]) => !breaker.isSteady);
  return {
    keys: Object.fromEntries(kept.map(([key, breaker]) => [key, snapshotBreaker(breaker)])),
    shared: breakers.shared.isSteady ? null : snapshotBreaker(breakers.shared),
  };
}

/**
 * As `restoreBreaker`, for each key, at most as many as there may be, and for the shared one. What came of it: by key,
 * also of one that no breaker can have, which restores nothing. Takes anything and never throws.
 */
export function restoreBreakers(
  breakers: KeyedBreakers,
  snapshot: unknown,
): { readonly keys: Readonly<Record<string, RestoreResult>>; readonly shared: RestoreResult | null } {
  const { keys, shared } = partsOf(snapshot);
  const kept = keys.slice(0, breakers.maximum);
  return {
    keys: Object.fromEntries(kept.map(([key, one]) => [key, restoreKey(breakers, key, one)])),
    shared: shared === undefined || shared === null ? null : restoreBreaker(breakers.shared, shared),
  };
}

/** Of anything: what is no keyed snapshot has no parts. */
function partsOf(snapshot: unknown): { readonly keys: readonly [string, unknown][]; readonly shared: unknown } {
  try {
    const { keys, shared } = (snapshot ?? {}) as { readonly keys?: unknown; readonly shared?: unknown };
    return { keys: typeof keys === "object" && keys !== null ? Object.entries(keys) : [], shared };
  } catch {
    return { keys: [], shared: undefined };
  }
}

function restoreKey(breakers: KeyedBreakers, key: string, snapshot: unknown): RestoreResult {
  try {
    return restoreBreaker(breakers.get(key), snapshot);
  } catch (error) {
    return { status: "damaged", reason: errorText(error) };
  }
}
