/** Everybody in every round, each round beginning with another and every second going round the other way. */

export async function inTurns<T>(
  turns: readonly (() => Promise<T>)[],
  rounds: number,
): Promise<readonly (readonly T[])[]> {
  const results = turns.map((): T[] => []);
  const places = [...turns.keys()];
  for (let round = 0; round < rounds; round++) {
    const first = round % turns.length;
    const rotated = [...places.slice(first), ...places.slice(0, first)];
    for (const place of round % 2 === 0 ? rotated : rotated.toReversed()) results[place]!.push(await turns[place]!());
  }
  return results;
}
