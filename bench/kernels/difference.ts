/** Whether two runtimes gave the same answers, before anything is said of their speed. */
import type { Outputs } from "./runtimes.ts";

const relative = 1e-3;
const absolute = 1e-5;

/** The largest distance of two elements in units of what is allowed: at most 1 where the answers agree. */
export function largestDifference(ours: Outputs, theirs: Outputs): number {
  const names = Object.keys(theirs);
  if (names.length === 0 || names.some((name) => ours[name]?.length !== theirs[name]!.length)) return Infinity;
  let largest = 0;
  for (const name of names) {
    for (let place = 0; place < theirs[name]!.length; place++) {
      const [have, want] = [Number(ours[name]![place]), Number(theirs[name]![place])];
      if (Object.is(have, want)) continue;
      const distance = Math.abs(have - want) / (absolute + relative * Math.abs(want));
      largest = Number.isNaN(distance) ? Infinity : Math.max(largest, distance);
    }
  }
  return largest;
}
