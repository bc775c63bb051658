/** Speeds at equal recall: between two settings of a contender, the logarithm of its speed is taken as straight. */

export interface Point {
  readonly ef: number;
  readonly recall: number;
  /** Queries a second, round by round. */
  readonly speeds: readonly number[];
}

export function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Queries a second at that recall in that round; undefined where no setting comes as far. */
function speedAt(points: readonly Point[], recall: number, round: number): number | undefined {
  const next = points.findIndex((point) => point.recall >= recall);
  if (next < 0) return undefined;
  const above = points[next]!;
  const below = points[next - 1];
  if (below === undefined || above.recall === below.recall) return above.speeds[round]!;
  const share = (recall - below.recall) / (above.recall - below.recall);
  return Math.exp(Math.log(below.speeds[round]!) * (1 - share) + Math.log(above.speeds[round]!) * share);
}

/** How many times as fast as the other, at that recall: the median of the rounds. */
export function ratioAt(ours: readonly Point[], theirs: readonly Point[], recall: number): number | undefined {
  const ratios = ours[0]!.speeds.map((_, round) => {
    const [a, b] = [speedAt(ours, recall, round), speedAt(theirs, recall, round)];
    return a === undefined || b === undefined ? undefined : a / b;
  });
  return ratios.some((ratio) => ratio === undefined) ? undefined : median(ratios as number[]);
}

export function speedsAt(points: readonly Point[], recall: number): number | undefined {
  const speeds = points[0]!.speeds.map((_, round) => speedAt(points, recall, round));
  return speeds.some((speed) => speed === undefined) ? undefined : median(speeds as number[]);
}
