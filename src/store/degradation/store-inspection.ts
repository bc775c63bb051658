/**
 * What a health check of the store looks at (SPEC R9): whether the log takes a test entry, and, one segment at a time
 * and again from the first when all were seen, whether every byte on the disk is what was written.
 *
 * A large segment takes longer than a check may: its verification goes on beside, and what it finds is said by a later
 * check. On a degraded store the disk itself is tried; where it works, recovery need not wait any longer.
 */

import { delay } from "../../base/index.ts";
import { type CheckResult, type HealthCheck, writableFolderCheck } from "../../resilience/index.ts";
import type { EngineParts } from "../engine/engine-parts.ts";
import { SegmentLayer } from "../engine/segment-layer.ts";
import { corruptError, type SegmentDamage } from "../segment/damage.ts";
import { headerBytes } from "../segment/format.ts";
import { verifySegment } from "../segment/verify.ts";
import type { StoreEvent } from "../store.ts";
import type { StorageGuard } from "./storage-guard.ts";

/** A check waits so long for the verification that it began. */
const patienceMs = 2_000;

export interface InspectionPort {
  readonly parts: EngineParts;
  readonly guard: StorageGuard;
  publish(event: StoreEvent): void;
}

export class StoreInspection {
  readonly #port: InspectionPort;
  readonly #folder: HealthCheck;
  readonly #ending = new AbortController();
  #verifying: Promise<void> | undefined;
  /** Segments up to this one were verified in this round. */
  #lastVerified = 0;
  #verifiedSegments = 0;
  #damages = new Map<number, readonly SegmentDamage[]>();

  constructor(port: InspectionPort) {
    this.#port = port;
    const { disk, folder, clock } = port.parts;
    this.#folder = writableFolderCheck({ disk, folder, clock });
  }

  async check(): Promise<CheckResult> {
    const { guard, parts } = this.#port;
    if (guard.isDegraded) {
      await this.#folder.check(this.#ending.signal);
      guard.allowProbe();
      return { state: "degraded", detail: `the store is ${guard.level}, and its disk can be written` };
    }
    const syncMs = await this.#probeLog();
    this.#verifying ??= this.#verifyNext().finally(() => {
      this.#verifying = undefined;
    });
    const waiting = new AbortController();
    const patience = delay(patienceMs, { clock: parts.clock, signal: waiting.signal }).catch(() => undefined);
    try {
      await Promise.race([this.#verifying, patience]);
    } finally {
      waiting.abort();
    }
    return this.#result(syncMs);
  }

  /** A few bytes of each; rejects where one cannot be read. */
  async readSegments(): Promise<void> {
    using hold = this.#port.parts.holds.snapshot();
    for (const { segment } of hold.view.layers.filter((layer) => layer instanceof SegmentLayer))
      await segment?.file.read(0, headerBytes, "header");
  }

  /** Ends a verification that is under way. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#verifying?.catch(() => undefined);
  }

  async #probeLog(): Promise<number> {
    const { guard, parts } = this.#port;
    try {
      return await parts.log.probe(parts.clock);
    } finally {
      guard.logFailed();
    }
  }

  async #verifyNext(): Promise<void> {
    using hold = this.#port.parts.holds.snapshot();
    const layers = hold.view.layers.filter((layer) => layer instanceof SegmentLayer);
    const ids = new Set(layers.map(({ file }) => file.id));
    for (const id of this.#damages.keys()) if (!ids.has(id)) this.#damages.delete(id);
    layers.sort((a, b) => a.file.id - b.file.id);
    const next = layers.find(({ file }) => file.id > this.#lastVerified) ?? layers[0];
    if (next === undefined) return;
    // One that cannot even be opened is known to be damaged, and waits to be salvaged.
    if (next.segment === undefined) {
      this.#lastVerified = next.file.id;
      return;
    }
    const { damages } = await verifySegment(next.segment, { signal: this.#ending.signal });
    this.#lastVerified = next.file.id;
    this.#verifiedSegments++;
    if (damages.length === 0) this.#damages.delete(next.file.id);
    else if (!this.#damages.has(next.file.id)) this.#tell(damages);
    if (damages.length > 0) this.#damages.set(next.file.id, damages);
  }

  #tell(damages: readonly SegmentDamage[]): void {
    for (const damage of damages) this.#port.parts.damage.told(corruptError(damage));
  }

  #result(syncMs: number): CheckResult {
    const [damaged] = [...this.#damages.values()].flat();
    const count = this.#damages.size;
    const values = { sync_ms: syncMs, verified_segments: this.#verifiedSegments, damaged_segments: count };
    if (damaged === undefined) return { state: "healthy", values };
    const { path, offset, reason } = damaged;
    return { state: "unhealthy", detail: `${path} is damaged at offset ${offset}: ${reason}`, values };
  }
}
