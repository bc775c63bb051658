/** Exact bounds of a rate of which only a count is known (Garwood 1936), by bisection on the Poisson distribution. */

export interface RateBounds {
  /** Events to be expected in the time that was watched. */
  readonly least: number;
  readonly most: number;
}

/** With the confidence given (0.95: in 95 of 100 such intervals the true mean lies within). */
export function poissonBounds(count: number, confidence = 0.95): RateBounds {
  const tail = (1 - confidence) / 2;
  const most = solve((mean) => atMost(count, mean) - tail);
  const least = count === 0 ? 0 : solve((mean) => tail - (1 - atMost(count - 1, mean)));
  return { least, most };
}

/** The probability of at most `count` events where `mean` are expected. */
function atMost(count: number, mean: number): number {
  let sum = 0;
  let logTerm = -mean;
  for (let events = 0; events <= count; events++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log(mean) - Math.log(events + 1);
  }
  return sum;
}

/** Where a falling function crosses 0. */
function solve(falling: (mean: number) => number): number {
  let low = 1e-9;
  let high = 1;
  while (falling(high) > 0) high *= 2;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
