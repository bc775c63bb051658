/**
 * The edges of the store's graph: typed, weighted, directed, and versioned like everything else in it.
 *
 * An edge is known by its source, type and target. Each change of it carries the sequence number of the write that made
 * it; of several changes that a reader may see the one with the highest number counts. A removal is a change too: it
 * hides older ones, in layers that cannot be written any more, until a merge takes both away.
 */

import { HoldfastError } from "../../base/index.ts";

export interface Edge {
  readonly source: string;
  readonly type: string;
  readonly target: string;
  /** A finite number; what it means is for the type to say. */
  readonly weight: number;
}

/** An edge as it was written at a sequence number; `weight` is undefined where it was removed. */
export interface EdgeChange {
  readonly source: string;
  readonly type: string;
  readonly target: string;
  readonly weight: number | undefined;
  readonly sequence: number;
}

export type Direction = "out" | "in";

/** Something that holds changes: the one that is written to, or one of those that were. */
export interface GraphLayer {
  /** How many changes there are. */
  readonly size: number;
  /** Every change of an edge that leaves the item (or enters it), in no particular order. */
  changesOf(id: string, direction: Direction): Iterable<EdgeChange>;
  /** Every change, by source, type and target (compared by their UTF-8 bytes), the newest first. */
  all(): Iterable<EdgeChange>;
}

const longestBytes = 4_096;

/** Throws STORE_GRAPH_EDGE where an id, a type, a weight or a sequence number is not one. */
export function checkChange(change: EdgeChange): void {
  for (const part of ["source", "type", "target"] as const) {
    const text = change[part];
    if (typeof text !== "string" || text === "" || !text.isWellFormed() || Buffer.byteLength(text) > longestBytes) {
      throw new HoldfastError("STORE_GRAPH_EDGE", `an edge's ${part} is ${JSON.stringify(text)?.slice(0, 80)}`, {
        hint: `give it 1 to ${longestBytes} bytes of well-formed text`,
        details: { part },
      });
    }
  }
  if (change.weight !== undefined && !Number.isFinite(Math.fround(change.weight))) {
    throw new HoldfastError("STORE_GRAPH_EDGE", `an edge's weight is ${change.weight}`, {
      hint: "a weight is a finite number that 32 bits can hold",
      details: { part: "weight" },
    });
  }
  if (!Number.isSafeInteger(change.sequence) || change.sequence < 0) {
    throw new HoldfastError("STORE_GRAPH_EDGE", `an edge's sequence number is ${change.sequence}`, {
      details: { part: "sequence" },
    });
  }
}

/** By source, type and target, each by its UTF-8 bytes; of one edge the newest first. */
export function compareChanges(a: EdgeChange, b: EdgeChange): number {
  return (
    compareText(a.source, b.source) ||
    compareText(a.type, b.type) ||
    compareText(a.target, b.target) ||
    b.sequence - a.sequence
  );
}

/** As their UTF-8 bytes compare: by code point, not by UTF-16 unit. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let place = 0; place < length; place++) {
    const [left, right] = [a.charCodeAt(place), b.charCodeAt(place)];
    if (left === right) continue;
    // A surrogate stands for a code point above every unit that is none.
    const [isHighLeft, isHighRight] = [left >= 0xd800 && left <= 0xdfff, right >= 0xd800 && right <= 0xdfff];
    return isHighLeft === isHighRight ? left - right : isHighLeft ? 1 : -1;
  }
  return a.length - b.length;
}
