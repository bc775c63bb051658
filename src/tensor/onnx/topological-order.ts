/** Nodes in an order in which what they read is made before; as the model has them where that is such an order. */

export interface NamedNode {
  readonly input: readonly string[];
  readonly output: readonly string[];
}

/** A cycle is one that there is, each place read by the next and the last by the first. */
export type Ordered = { readonly order: readonly number[] } | { readonly cycle: readonly number[] };

/** Places in `nodes`; names that no node makes are taken as given. */
export function topologicalOrder(nodes: readonly NamedNode[]): Ordered {
  const makerOf = new Map<string, number>();
  for (const [place, { output }] of nodes.entries())
    for (const name of output) if (name !== "") makerOf.set(name, place);
  const waiters = nodes.map((): number[] => []);
  const waitsFor = new Int32Array(nodes.length);
  let inOrder = true;
  for (const [place, { input }] of nodes.entries()) {
    const makers = new Set(input.map((name) => makerOf.get(name)).filter((maker) => maker !== undefined));
    waitsFor[place] = makers.size;
    for (const maker of makers) {
      waiters[maker]!.push(place);
      inOrder &&= maker < place;
    }
  }
  if (inOrder) return { order: nodes.map((_, place) => place) };
  const order: number[] = [];
  for (const place of nodes.keys()) if (waitsFor[place] === 0) order.push(place);
  // The list grows while it is walked: it is the queue as well.
  for (const place of order) {
    for (const waiter of waiters[place]!) if (--waitsFor[waiter]! === 0) order.push(waiter);
  }
  if (order.length === nodes.length) return { order };
  const isStuck = (place: number): boolean => waitsFor[place]! > 0;
  return { cycle: cycleAmong([...nodes.keys()].filter(isStuck), nodes, makerOf) };
}

/** Whatever is stuck waits for something stuck: walking up from any of it comes round. */
function cycleAmong(
  stuck: readonly number[],
  nodes: readonly NamedNode[],
  makerOf: ReadonlyMap<string, number>,
): number[] {
  const remaining = new Set(stuck);
  const walked = new Map<number, number>();
  let place = stuck[0]!;
  while (!walked.has(place)) {
    walked.set(place, walked.size);
    const makers = nodes[place]!.input.map((name) => makerOf.get(name));
    place = makers.find((maker) => maker !== undefined && remaining.has(maker))!;
  }
  const round = [...walked.keys()].slice(walked.get(place)!).reverse();
  const first = round.indexOf(round.reduce((least, one) => Math.min(least, one)));
  return [...round.slice(first), ...round.slice(0, first)];
}
