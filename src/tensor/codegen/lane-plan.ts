/**
 * Chooses the loops that are run four lanes at a time.
 *
 * A parallel loop, or a reduction, may get lanes where all that varies with it fits 32-bit lanes. Among nested
 * candidates the one with the best accesses wins: steps of one element are good, the same element for all lanes is
 * free, anything else is a gather. Accesses in inner loops weigh more.
 */
import { byteSizeOf, type ElementType, type ScalarType } from "../ir/element-type.ts";
import type { Stmt } from "../ir/kernel.ts";
import { childrenOf, type Interner, type Node } from "./canonical.ts";

export const laneCount = 4;

const unitStep = 4;
const fixedGather = -3;
const freeGather = -12;
const depthWeight = 4;
const inLanes = new Set<ScalarType>(["f32", "i32", "u32", "bool"]);

/** Ids of the index variables whose loops get lanes. */
export function planLanes(
  interner: Interner,
  statements: readonly Stmt[],
  elements: readonly ElementType[],
): ReadonlySet<number> {
  const chosen = new Set<number>();
  new LanePlanner(interner, elements, chosen).choose(statements);
  return chosen;
}

/** Whether statements can be run for four lanes of a variable, with another variable varying along. */
export function lanesFit(
  interner: Interner,
  body: readonly Stmt[],
  elements: readonly ElementType[],
  variable: number,
  varying: number,
): boolean {
  const index = { op: "var", type: "i32", id: variable } as const;
  const extent = { op: "const", type: "i32", value: laneCount } as const;
  const score = new LaneScore(interner, elements, { do: "for", index, extent, parallel: true, body }, [
    varying,
  ]).score();
  return score !== undefined && score > 0;
}

class LanePlanner {
  readonly #interner: Interner;
  readonly #elements: readonly ElementType[];
  readonly #chosen: Set<number>;

  constructor(interner: Interner, elements: readonly ElementType[], chosen: Set<number>) {
    this.#interner = interner;
    this.#elements = elements;
    this.#chosen = chosen;
  }

  /** The worth of the best choices within the statements; what was chosen is in `#chosen`. */
  choose(statements: readonly Stmt[]): number {
    let worth = 0;
    for (const one of statements) {
      if (one.do === "for" || one.do === "reduce") worth += this.#chooseLoop(one);
      else if (one.do === "if") worth += this.choose(one.then) + this.choose(one.otherwise);
      else if (one.do === "while") worth += this.choose(one.body);
    }
    return worth;
  }

  #chooseLoop(loop: Extract<Stmt, { do: "for" | "reduce" }>): number {
    const before = new Set(this.#chosen);
    const extent = loop.extent.op === "const" ? (loop.extent.value as number) : 0;
    const inner = this.choose(loop.body) * depthWeight;
    if (extent < laneCount || (loop.do === "for" && !loop.parallel)) return inner;
    const own = new LaneScore(this.#interner, this.#elements, loop).score();
    if (own === undefined || own <= 0 || own < inner) return inner;
    for (const id of this.#chosen) if (!before.has(id)) this.#chosen.delete(id);
    this.#chosen.add(loop.index.id);
    return own;
  }
}

class LaneScore {
  readonly #interner: Interner;
  readonly #elements: readonly ElementType[];
  readonly #loop: Extract<Stmt, { do: "for" | "reduce" }>;
  readonly #varying: Set<number>;
  readonly #seen = new Set<number>();
  #sum = 0;
  #possible = true;

  constructor(
    interner: Interner,
    elements: readonly ElementType[],
    loop: Extract<Stmt, { do: "for" | "reduce" }>,
    varying: readonly number[] = [],
  ) {
    this.#interner = interner;
    this.#elements = elements;
    this.#loop = loop;
    this.#varying = new Set([loop.index.id, ...varying]);
  }

  score(): number | undefined {
    this.#statements(this.#loop.body, 1);
    if (this.#loop.do === "reduce") {
      for (const { target, value } of this.#loop.accumulators) {
        if (!inLanes.has(target.type)) this.#possible = false;
        this.#value(this.#interner.node(value), 1);
      }
    }
    return this.#possible ? this.#sum : undefined;
  }

  #varies(node: Node): boolean {
    for (const variable of this.#varying) if (this.#interner.dependsOn(node, variable)) return true;
    return false;
  }

  #statements(statements: readonly Stmt[], weight: number): void {
    for (const one of statements) {
      switch (one.do) {
        case "for":
          if (this.#varies(this.#interner.node(one.extent))) this.#possible = false;
          this.#statements(one.body, weight * depthWeight);
          break;
        case "reduce":
          this.#reduce(one, weight * depthWeight);
          break;
        case "let":
          this.#bind(one.target.id, one.target.type, this.#interner.node(one.value), weight);
          break;
        case "store":
          this.#store(one, weight);
          break;
        case "if":
          if (this.#varies(this.#interner.node(one.condition))) this.#possible = false;
          this.#statements(one.then, weight);
          this.#statements(one.otherwise, weight);
          break;
        default:
          this.#possible = false;
      }
    }
  }

  #reduce(one: Extract<Stmt, { do: "reduce" }>, weight: number): void {
    if (this.#varies(this.#interner.node(one.extent))) this.#possible = false;
    this.#statements(one.body, weight);
    for (const { target, value } of one.accumulators)
      this.#bind(target.id, target.type, this.#interner.node(value), weight);
  }

  #bind(id: number, type: ScalarType, value: Node, weight: number): void {
    this.#value(value, weight);
    if (!this.#varies(value)) return;
    if (!inLanes.has(type)) this.#possible = false;
    this.#varying.add(id);
  }

  #store(one: Extract<Stmt, { do: "store" }>, weight: number): void {
    const { address } = this.#interner.address(one.buffer, one.offset);
    const value = this.#interner.node(one.value);
    this.#value(value, weight);
    this.#value(address, weight);
    if (!inLanes.has(value.type) || !this.#varies(address)) this.#possible = false;
    this.#sum += weight * this.#step(address, this.#elements[one.buffer]!);
  }

  #value(node: Node, weight: number): void {
    if (this.#seen.has(node.id)) return;
    this.#seen.add(node.id);
    if (node.op === "load" && this.#varies(node)) this.#sum += weight * this.#step(node.address, node.element);
    for (const child of childrenOf(node)) this.#value(child, weight);
  }

  #step(address: Node, element: ElementType): number {
    for (const variable of this.#varying) {
      if (variable !== this.#loop.index.id && this.#interner.dependsOn(address, variable)) return freeGather;
    }
    const step = this.#interner.coefficient(address, this.#loop.index.id);
    if (step === undefined) return freeGather;
    return step === byteSizeOf(element) ? unitStep : fixedGather;
  }
}
