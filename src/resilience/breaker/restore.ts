/**
 * From a machine to a snapshot, and back: in the same state, or in a more careful one where the snapshot is not whole.
 */

import type { BreakerMachine } from "./machine.ts";
import { type BreakerSnapshot, decodeSnapshot, encodeSnapshot } from "./snapshot.ts";

export function save(name: string, machine: BreakerMachine): BreakerSnapshot {
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

/** Puts the machine into the snapshot's state; gives the isolations to be held again, and why it was not believed. */
export function restore(
  snapshot: unknown,
  name: string,
  machine: BreakerMachine,
): { isolations: BreakerSnapshot["isolations"]; reason?: string } {
  const { settings, rules } = machine;
  const fields = decodeSnapshot(snapshot, name);
  if (typeof fields === "string") {
    machine.open({ rule: "damaged-snapshot", numbers: {}, reason: `its snapshot was not believed: ${fields}` });
    return { isolations: [], reason: fields };
  }
  const { state, openings, opening } = fields;
  const passedMs = Math.max(0, settings.clock.nowMs() - fields.savedAtMs);
  if (state === "open") {
    // Another host's clock, or other options, may only shorten it.
    const longestMs = settings.openMaximumMs * (1 + settings.jitter);
    const remainingMs = Math.min(Math.max(0, fields.remainingMs - passedMs), longestMs);
    machine.open(opening ?? { rule: "by-hand", numbers: {}, reason: "opened" }, undefined, remainingMs);
  } else if (state === "half-open") machine.halfOpen();
  else {
    if (fields.rampElapsedMs !== null) machine.close(fields.rampElapsedMs);
    rules.consecutiveFailures = fields.consecutiveFailures;
    rules.averageRate = fields.averageRate;
    rules.calls = fields.calls;
    rules.window?.load(fields.window, settings.clock.monotonicMs());
  }
  machine.openings = openings;
  machine.opening = opening ?? undefined;
  const isolations = fields.isolations.map(({ reason, remainingMs }) => ({
    reason,
    remainingMs: remainingMs === null ? null : Math.max(0, remainingMs - passedMs),
  }));
  return { isolations };
}
