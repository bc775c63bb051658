import { describe, expect, it } from "vitest";
import { HoldfastError, type Random, seededRandom } from "../../base/index.ts";
import { compareText, type Edge, type EdgeChange, type GraphLayer } from "./edge.ts";
import { adoptGraph, encodeGraph, GraphDelta, GraphView, mergeGraphs } from "./index.ts";

const ids = ["a", "b", "c", "d", "e", "é", "😀", "\uffee", "long ".repeat(20)];
const types = ["knows", "cites"];

function randomChanges(random: Random, count: number): EdgeChange[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  return Array.from({ length: count }, (_, sequence) => ({
    ...{ source: pick(ids), type: pick(types), target: pick(ids), sequence },
    weight: random() < 0.25 ? undefined : Math.fround(random() * 2 - 0.5),
  }));
}

/** The changes spread over layers: some still written to, some as bytes, in no order. */
function layered(changes: readonly EdgeChange[], random: Random): GraphLayer[] {
  const layers = Array.from({ length: 4 }, () => new GraphDelta());
  for (const change of changes) layers[Math.floor(random() * layers.length)]!.write(change);
  return layers.map((layer, place) => (place < 2 ? adoptGraph(encodeGraph(layer.all())) : layer));
}

/** What a plain list of edges holds after all changes up to a sequence number. */
function plain(changes: readonly EdgeChange[], sequence = Infinity): Edge[] {
  const edges = new Map<string, EdgeChange>();
  for (const change of changes) {
    if (change.sequence <= sequence) edges.set(JSON.stringify([change.source, change.type, change.target]), change);
  }
  return [...edges.values()].flatMap(({ source, type, target, weight }) =>
    weight === undefined ? [] : [{ source, type, target, weight }],
  );
}

const byAll = (a: Edge, b: Edge): number =>
  compareText(a.source, b.source) || compareText(a.type, b.type) || compareText(a.target, b.target);

describe("the graph", () => {
  it("S3: over all layers answers as a plain list of edges does, at every sequence number", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const changes = randomChanges(random, 80);
      const layers = layered(changes, random);
      for (const sequence of [Infinity, 60, 20, 0]) {
        const view = new GraphView(layers, sequence);
        const edges = plain(changes, sequence);
        for (const id of ids) {
          const out = edges.filter((edge) => edge.source === id).sort(byAll);
          expect(view.neighbours(id)).toEqual(out);
          const into = edges.filter((edge) => edge.target === id).sort(byAll);
          expect(view.neighbours(id, { direction: "in" }).sort(byAll)).toEqual(into);
          const cites = edges.filter((edge) => edge.type === "cites" && (edge.source === id || edge.target === id));
          expect(view.neighbours(id, { direction: "both", types: ["cites"] }).sort(byAll)).toEqual(cites.sort(byAll));
          for (const edge of out) expect(view.weight(id, edge.type, edge.target)).toBe(edge.weight);
        }
      }
    }
  });

  it("S3: finds what lies within so many steps, as breadth first over a plain list does", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const changes = randomChanges(random, 25);
      const edges = plain(changes);
      const view = new GraphView(layered(changes, random));
      for (const steps of [0, 1, 2, 9]) {
        const distances = new Map([["a", 0]]);
        for (let step = 1; step <= steps; step++) {
          for (const { source, target } of edges) {
            if (distances.get(source) === step - 1 && !distances.has(target)) distances.set(target, step);
          }
        }
        const found = view.within("a", steps);
        expect(new Map([...found].sort())).toEqual(new Map([...distances].sort()));
        expect([...found.values()]).toEqual([...found.values()].sort((a, b) => a - b));
      }
    }
  });

  it("S3: spreads activation by weight over fan, step by step", () => {
    const delta = new GraphDelta();
    const write = (source: string, target: string, weight: number): void =>
      delta.write({ source, type: "knows", target, weight, sequence: 1 });
    write("sun", "light", 3);
    write("sun", "heat", 1);
    write("light", "eye", 1);
    const spread = new GraphView([delta]).spread(new Map([["sun", 1]]), { decay: 0.5, steps: 2 });
    expect([...spread]).toEqual([
      ["sun", 1],
      ["light", 0.375],
      ["eye", 0.1875],
      ["heat", 0.125],
    ]);
    const weak = new GraphView([delta]).spread(new Map([["sun", 1]]), { threshold: 0.4 });
    expect(weak.has("eye")).toBe(false);
    expect([...new GraphView([delta]).spread(new Map([["sun", 1]]), { limit: 2 }).keys()]).toEqual(["sun", "light"]);
  });

  it("S3: does not bring back by a loop more than it was given", () => {
    const delta = new GraphDelta();
    for (const [source, target] of [
      ["a", "b"],
      ["b", "a"],
      ["a", "a"],
    ] as const) {
      delta.write({ source, type: "knows", target, weight: 5, sequence: 1 });
    }
    const spread = new GraphView([delta]).spread(new Map([["a", 1]]), { decay: 0.5, steps: 100, threshold: 0 });
    const sum = [...spread.values()].reduce((total, one) => total + one, 0);
    expect(sum).toBeCloseTo(2, 9);
  });

  it("S4: merged, says what it said before, now and at every snapshot, and keeps no more than that needs", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const changes = randomChanges(random, 80);
      const snapshots = [50, 20];
      const merged = mergeGraphs(layered(changes, random), { snapshots, isBottom: true });
      const view = (layer: GraphLayer, sequence: number): Edge[] =>
        ids.flatMap((id) => new GraphView([layer], sequence).neighbours(id)).sort(byAll);
      const layer = adoptGraph(encodeGraph(merged));
      for (const sequence of [Infinity, ...snapshots]) {
        expect(view(layer, sequence)).toEqual(plain(changes, sequence).sort(byAll));
      }
      for (const change of merged) {
        const without = new GraphDelta();
        for (const other of merged) if (other !== change) without.write(other);
        const same = [Infinity, ...snapshots].every(
          (sequence) => JSON.stringify(view(without, sequence)) === JSON.stringify(view(layer, sequence)),
        );
        expect(same, `seed ${seed}: ${JSON.stringify(change)} is not needed`).toBe(false);
      }
      expect(mergeGraphs([layer], {}).length).toBeLessThanOrEqual(merged.length);
    }
  });

  it("S2: as bytes is the same whatever order its changes came in, and is read where it lies", () => {
    const changes = randomChanges(seededRandom(5), 100);
    const bytes = encodeGraph(changes);
    expect(encodeGraph(changes.toReversed())).toEqual(bytes);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect([...adoptGraph(shifted.subarray(3)).all()]).toEqual([...adoptGraph(bytes).all()]);
    expect(encodeGraph(adoptGraph(bytes).all())).toEqual(bytes);
    expect([...adoptGraph(encodeGraph([])).all()]).toEqual([]);
  });

  it("S8: with any byte changed, or cut anywhere, ends in an error that says where", () => {
    const bytes = encodeGraph(randomChanges(seededRandom(6), 40));
    for (let place = 0; place < bytes.length; place++) {
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[place]! ^= flip;
        expect(() => adoptGraph(damaged), `byte ${place}`).toThrow(HoldfastError);
      }
      expect(() => adoptGraph(bytes.subarray(0, place)), `${place} bytes`).toThrow("STORE_GRAPH_CORRUPT");
    }
  });

  it("refuses what is no edge", () => {
    const delta = new GraphDelta();
    const edge = { source: "a", type: "knows", target: "b", weight: 1, sequence: 1 };
    for (const wrong of [
      { source: "" },
      { target: "x".repeat(5_000) },
      { type: "\ud800" },
      { weight: Number.NaN },
      { weight: 1e300 },
      { sequence: -1 },
      { sequence: 0.5 },
    ]) {
      expect(() => delta.write({ ...edge, ...wrong })).toThrow("STORE_GRAPH_EDGE");
    }
    expect(() => new GraphView([delta]).spread(new Map(), { decay: 2 })).toThrow("STORE_GRAPH_OPTION");
    expect(delta.size).toBe(0);
  });
});
