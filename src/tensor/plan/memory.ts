/**
 * Places everything a model needs at fixed addresses, before it ever runs.
 *
 *   0        64                 arena                       end (whole pages)
 *   | unused | dense | splats   | values and scratch        |
 *            |    weights       | by lifetime              |
 *
 * Values whose lifetimes do not meet share bytes: intervals are placed largest first, each at the lowest address that
 * is free for its whole life. Every block starts at a multiple of 64 and is followed by at least 16 bytes that may be
 * read. The memory never grows.
 */

/** What has to be placed: alive from `first` to `last` step, both included. */
export interface Interval {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface Placement {
  /** Offsets in the arena, by interval. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export const alignmentBytes = 64;
const slackBytes = 16;
export const weightsStart = 64;

export function alignUp(offset: number): number {
  return Math.ceil(offset / alignmentBytes) * alignmentBytes;
}

/** Bytes a block takes with its slack, rounded to the alignment. */
export function blockBytes(bytes: number): number {
  return alignUp(bytes + slackBytes);
}

export function placeIntervals(intervals: readonly Interval[]): Placement {
  const order = intervals.map((_, place) => place);
  order.sort((a, b) => intervals[b]!.bytes - intervals[a]!.bytes || a - b);
  const offsets = new Array<number>(intervals.length).fill(0);
  const placed: number[] = [];
  let end = 0;
  for (const place of order) {
    const interval = intervals[place]!;
    const size = blockBytes(interval.bytes);
    const busy = placed
      .filter((other) => intervals[other]!.first <= interval.last && interval.first <= intervals[other]!.last)
      .sort((a, b) => offsets[a]! - offsets[b]!);
    let offset = 0;
    for (const other of busy) {
      if (offsets[other]! - offset >= size) break;
      offset = Math.max(offset, offsets[other]! + blockBytes(intervals[other]!.bytes));
    }
    offsets[place] = offset;
    placed.push(place);
    end = Math.max(end, offset + size);
  }
  return { offsets, bytes: end };
}
