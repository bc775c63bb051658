/** A contraction's epilogue, emitted from its expressions for four results at a time or for one. */
import { add, type Expr, index as indexConstant, type VarExpr } from "../ir/expression.ts";
import type { Epilogue, Stmt } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";
import { childrenOf, Interner, type Node } from "./canonical.ts";
import type { EpilogueEmitter, IndexBinding } from "./interface.ts";
import { type EmitterContext, KernelEmitter } from "./kernel-emitter.ts";
import { lanesFit } from "./lane-plan.ts";

export class ExpressionEpilogue implements EpilogueEmitter {
  readonly canUseLanes: boolean;
  readonly #epilogue: Epilogue;
  readonly #context: EmitterContext;
  #zero: Local | undefined;

  constructor(epilogue: Epilogue, context: EmitterContext) {
    this.#epilogue = epilogue;
    this.#context = context;
    const interner = new Interner(context.elements);
    for (const { id } of [...epilogue.indices, epilogue.result]) interner.bind(id, 0);
    for (const one of epilogue.body) if (one.do === "let") interner.bind(one.target.id, 0);
    this.canUseLanes = lanesFit(
      interner,
      epilogue.body,
      context.elements,
      epilogue.indices.at(-1)!.id,
      epilogue.result.id,
    );
  }

  flattens(extents: readonly number[]): boolean {
    const { indices, body, result } = this.#epilogue;
    const interner = new Interner(this.#context.elements);
    for (const { id } of [...indices, result]) interner.bind(id, 0);
    for (const one of body) if (one.do === "let") interner.bind(one.target.id, 0);
    const rows = indices.slice(0, -1);
    return accessesOf(interner, body).every((address) => {
      const steps = rows.map(({ id }) => interner.coefficient(address, id));
      const last = steps.at(-1);
      if (steps.some((step) => step === undefined)) return false;
      let expected = last!;
      for (let axis = rows.length - 1; axis >= 0; axis--) {
        if (extents[axis]! > 1 && steps[axis] !== expected) return false;
        expected *= extents[axis]!;
      }
      return true;
    });
  }

  lanes(indices: readonly IndexBinding[], result: Local): void {
    const { emitter, body, last } = this.#start(indices, true);
    emitter.runLanes(body, last, new Map([[this.#epilogue.result.id, result]]));
  }

  single(indices: readonly IndexBinding[], result: Local): void {
    const { emitter, body } = this.#start(indices, false);
    emitter.bindLocal(this.#epilogue.result.id, result);
    emitter.run(body);
  }

  /** A fresh emitter with the indices bound: constants go into the expressions, and so into the instructions. */
  #start(
    indices: readonly IndexBinding[],
    lanes: boolean,
  ): { emitter: KernelEmitter; body: readonly Stmt[]; last: number } {
    const emitter = new KernelEmitter(this.#context);
    const replacements = new Map<number, Expr>();
    const { builder } = this.#context;
    for (const [place, variable] of this.#epilogue.indices.entries()) {
      const { local, constant } = indices[place]!;
      const isLane = lanes && place === this.#epilogue.indices.length - 1;
      if (local) emitter.bindLocal(variable.id, local);
      else if (isLane) {
        this.#zero ??= builder.local("i32");
        builder.i32(0).set(this.#zero);
        emitter.bindLocal(variable.id, this.#zero);
      }
      const base: Expr = local || isLane ? variable : indexConstant(0);
      replacements.set(variable.id, add(base, indexConstant(constant)));
    }
    const body = this.#epilogue.body.map((one) => replaceInStatement(one, replacements));
    return { emitter, body, last: this.#epilogue.indices.at(-1)!.id };
  }
}

/** Addresses of all loads and stores. */
function accessesOf(interner: Interner, body: readonly Stmt[]): Node[] {
  const found: Node[] = [];
  const visit = (node: Node): void => {
    if (node.op === "load") found.push(node.address);
    for (const child of childrenOf(node)) visit(child);
  };
  for (const one of body) {
    if (one.do === "store") found.push(interner.address(one.buffer, one.offset).address);
    if (one.do === "store" || one.do === "let") visit(interner.node(one.value));
  }
  return found;
}

function replaceInStatement(one: Stmt, replacements: ReadonlyMap<number, Expr>): Stmt {
  const memo = new Map<Expr, Expr>();
  const replace = (expr: Expr): Expr => replaceVariables(expr, replacements, memo);
  if (one.do === "let") return { ...one, value: replace(one.value) };
  if (one.do === "store") return { ...one, offset: replace(one.offset), value: replace(one.value) };
  throw new TypeError(`an epilogue holds lets and stores, not ${one.do}`);
}

function replaceVariables(expr: Expr, replacements: ReadonlyMap<number, Expr>, memo: Map<Expr, Expr>): Expr {
  const known = memo.get(expr);
  if (known) return known;
  const inner = (part: Expr): Expr => replaceVariables(part, replacements, memo);
  let made: Expr;
  switch (expr.op) {
    case "const":
      made = expr;
      break;
    case "var":
      made = replacements.get((expr as VarExpr).id) ?? expr;
      break;
    case "load":
      made = { ...expr, offset: inner(expr.offset) };
      break;
    case "unary":
    case "cast":
    case "bitcast":
      made = { ...expr, a: inner(expr.a) };
      break;
    case "binary":
    case "compare":
      made = { ...expr, a: inner(expr.a), b: inner(expr.b) };
      break;
    case "select":
      made = { ...expr, condition: inner(expr.condition), a: inner(expr.a), b: inner(expr.b) };
  }
  memo.set(expr, made);
  return made;
}
