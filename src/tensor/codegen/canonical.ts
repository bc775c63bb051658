/**
 * Expressions in a form where equal ones are the same object, with addresses instead of offsets.
 *
 * Interning gives each distinct node a number, the set of variables it depends on as the depth of the innermost one,
 * and whether it reads memory or a variable that changes. An access's element offset is split into a sum of terms;
 * the terms are added to the buffer's pointer outermost loop first, so that every partial sum is invariant in the
 * loops inside and is computed where it first can be; the constant goes into the instruction.
 */
import { assert } from "../../base/index.ts";
import { byteSizeOf, type ElementType, type ScalarType } from "../ir/element-type.ts";
import type { BinaryFunction, CompareFunction, Expr, UnaryFunction } from "../ir/expression.ts";

interface NodeBase {
  readonly id: number;
  readonly type: ScalarType;
  /** Scope depth of the innermost variable it depends on. */
  readonly depth: number;
  /** Buffers read somewhere inside. */
  readonly reads: ReadonlySet<number>;
  /** Depends on a variable that is assigned to: never kept. */
  readonly volatile: boolean;
  /** How often other nodes and statements use it. */
  uses: number;
}

export type Node = NodeBase &
  (
    | { readonly op: "const"; readonly value: number | bigint }
    | { readonly op: "var"; readonly variable: number }
    | {
        readonly op: "load";
        readonly buffer: number;
        readonly element: ElementType;
        readonly address: Node;
        readonly offset: number;
      }
    | { readonly op: "unary"; readonly fn: UnaryFunction; readonly a: Node }
    | { readonly op: "binary"; readonly fn: BinaryFunction; readonly a: Node; readonly b: Node }
    | { readonly op: "compare"; readonly fn: CompareFunction; readonly a: Node; readonly b: Node }
    | { readonly op: "select"; readonly condition: Node; readonly a: Node; readonly b: Node }
    | { readonly op: "cast"; readonly a: Node }
    | { readonly op: "bitcast"; readonly a: Node }
  );

export interface Address {
  readonly address: Node;
  /** Constant bytes, 0 or more. */
  readonly offset: number;
}

const none: ReadonlySet<number> = new Set();
/** Pointers of buffers are variables with ids from here downwards. */
const firstPointer = -1;

export function pointerVariable(buffer: number): number {
  return firstPointer - buffer;
}

type Shape = Omit<Extract<Node, { op: Node["op"] }>, keyof NodeBase>;

export class Interner {
  readonly #nodes = new Map<string, Node>();
  readonly #ofExpr = new WeakMap<Expr, Node>();
  readonly #depths = new Map<number, number>();
  readonly #assigned = new Set<number>();
  readonly #elements: readonly ElementType[];
  #next = 0;

  constructor(elements: readonly ElementType[]) {
    this.#elements = elements;
    for (const buffer of elements.keys()) this.#depths.set(pointerVariable(buffer), 0);
  }

  /** Says at which scope depth a variable is bound; must be known before expressions with it are interned. */
  bind(variable: number, depth: number, assigned = false): void {
    this.#depths.set(variable, depth);
    if (assigned) this.#assigned.add(variable);
  }

  node(expr: Expr): Node {
    const known = this.#ofExpr.get(expr);
    if (known) return known;
    const made = this.#intern(expr);
    this.#ofExpr.set(expr, made);
    return made;
  }

  /** Where an element of a buffer lies. */
  address(buffer: number, offset: Expr): Address {
    const size = byteSizeOf(this.#elements[buffer]!);
    const { terms, constant } = this.#linear(this.node(offset));
    const sorted = [...terms.values()].sort((x, y) => x.node.depth - y.node.depth || x.node.id - y.node.id);
    let address = this.variable(pointerVariable(buffer), "i32");
    // An instruction's constant is added without wrapping: it may only stand where the rest cannot be negative.
    const plain = sorted.every(({ node, factor }) => factor >= 0 && node.op === "var");
    const bytes = constant * size;
    if (bytes !== 0 && (bytes < 0 || !plain)) address = this.#binary("add", address, this.constant("i32", bytes));
    for (const { node, factor } of sorted) {
      if (factor !== 0) address = this.#binary("add", address, this.#times(node, factor * size));
    }
    return { address, offset: bytes >= 0 && plain ? bytes : 0 };
  }

  variable(id: number, type: ScalarType): Node {
    const depth = this.#depths.get(id);
    assert(depth !== undefined, `variable ${id} is not bound`);
    return this.#make(`v${id}`, { op: "var", variable: id } as Shape, type, depth, none, this.#assigned.has(id));
  }

  constant(type: ScalarType, value: number | bigint): Node {
    const key = Object.is(value, -0) ? "-0" : String(value);
    return this.#make(`c${type}${key}`, { op: "const", value } as Shape, type, 0, none, false);
  }

  /** How much a node grows when `variable` grows by one, or undefined where that is not constant. */
  coefficient(node: Node, variable: number): number | undefined {
    let sum = 0;
    for (const { node: term, factor } of this.#linear(node).terms.values()) {
      if (term.op === "var" && term.variable === variable) sum += factor;
      else if (this.dependsOn(term, variable)) return undefined;
    }
    return sum;
  }

  readonly #dependence = new Map<string, boolean>();

  dependsOn(node: Node, variable: number): boolean {
    const key = `${node.id}:${variable}`;
    const known = this.#dependence.get(key);
    if (known !== undefined) return known;
    const found =
      node.op === "var"
        ? node.variable === variable
        : childrenOf(node).some((child) => this.dependsOn(child, variable));
    this.#dependence.set(key, found);
    return found;
  }

  #times(node: Node, factor: number): Node {
    return factor === 1 ? node : this.#binary("mul", node, this.constant("i32", factor));
  }

  #binary(fn: BinaryFunction, a: Node, b: Node): Node {
    return this.#combine(`b${fn}:${a.id}:${b.id}`, { op: "binary", fn, a, b } as Shape, a.type, [a, b]);
  }

  #intern(expr: Expr): Node {
    switch (expr.op) {
      case "const":
        return this.constant(expr.type, expr.value);
      case "var":
        return this.variable(expr.id, expr.type);
      case "load": {
        const { address, offset } = this.address(expr.buffer, expr.offset);
        const element = this.#elements[expr.buffer]!;
        const reads = new Set([...address.reads, expr.buffer]);
        const shape = { op: "load", buffer: expr.buffer, element, address, offset } as Shape;
        address.uses++;
        return this.#make(
          `l${expr.buffer}:${address.id}:${offset}`,
          shape,
          expr.type,
          address.depth,
          reads,
          address.volatile,
        );
      }
      case "unary": {
        const a = this.node(expr.a);
        return this.#combine(`u${expr.fn}:${a.id}`, { op: "unary", fn: expr.fn, a } as Shape, expr.type, [a]);
      }
      case "binary":
        return this.#binary(expr.fn, this.node(expr.a), this.node(expr.b));
      case "compare": {
        const a = this.node(expr.a);
        const b = this.node(expr.b);
        return this.#combine(`q${expr.fn}:${a.id}:${b.id}`, { op: "compare", fn: expr.fn, a, b } as Shape, "bool", [
          a,
          b,
        ]);
      }
      case "select": {
        const parts = [this.node(expr.condition), this.node(expr.a), this.node(expr.b)] as const;
        const [condition, a, b] = parts;
        return this.#combine(
          `s${parts.map((part) => part.id)}`,
          { op: "select", condition, a, b } as Shape,
          expr.type,
          parts,
        );
      }
      case "cast":
      case "bitcast": {
        const a = this.node(expr.a);
        return this.#combine(`${expr.op}${expr.type}:${a.id}`, { op: expr.op, a } as Shape, expr.type, [a]);
      }
    }
  }

  #combine(key: string, shape: Shape, type: ScalarType, parts: readonly Node[]): Node {
    const known = this.#nodes.get(key);
    if (known) return known;
    const reads = parts.every((part) => part.reads.size === 0)
      ? none
      : new Set(parts.flatMap((part) => [...part.reads]));
    for (const part of parts) part.uses++;
    const depth = Math.max(...parts.map((part) => part.depth));
    return this.#make(
      key,
      shape,
      type,
      depth,
      reads,
      parts.some((part) => part.volatile),
    );
  }

  #make(
    key: string,
    shape: Shape,
    type: ScalarType,
    depth: number,
    reads: ReadonlySet<number>,
    isVolatile: boolean,
  ): Node {
    const known = this.#nodes.get(key);
    if (known) return known;
    const made = { ...shape, id: this.#next++, type, depth, reads, volatile: isVolatile, uses: 0 } as Node;
    this.#nodes.set(key, made);
    return made;
  }

  /** An i32 node as a sum of factors times nodes that are no sums, and a constant. */
  #linear(node: Node): { terms: Map<number, { node: Node; factor: number }>; constant: number } {
    const terms = new Map<number, { node: Node; factor: number }>();
    let constant = 0;
    const visit = (part: Node, factor: number): void => {
      if (part.op === "const") constant += factor * (part.value as number);
      else if (part.op === "binary" && part.fn === "add") {
        visit(part.a, factor);
        visit(part.b, factor);
      } else if (part.op === "binary" && part.fn === "sub") {
        visit(part.a, factor);
        visit(part.b, -factor);
      } else if (part.op === "binary" && part.fn === "mul" && part.b.op === "const") {
        visit(part.a, factor * (part.b.value as number));
      } else {
        const term = terms.get(part.id) ?? { node: part, factor: 0 };
        term.factor += factor;
        terms.set(part.id, term);
      }
    };
    visit(node, 1);
    return { terms, constant };
  }
}

export function childrenOf(node: Node): readonly Node[] {
  switch (node.op) {
    case "const":
    case "var":
      return [];
    case "load":
      return [node.address];
    case "unary":
    case "cast":
    case "bitcast":
      return [node.a];
    case "binary":
    case "compare":
      return [node.a, node.b];
    case "select":
      return [node.condition, node.a, node.b];
  }
}
