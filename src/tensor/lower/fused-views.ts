/**
 * Views of values that have no memory of their own: computed where they are read, renamed, or held in a variable.
 *
 * A computed value is wrapped or rounded as a store would have done it, so fusion changes no result of a narrow type.
 * Reading one at the same index expressions twice gives the same expression object, which is computed once.
 */
import { assert } from "../../base/index.ts";
import type { TensorType } from "../ir/element-type.ts";
import { type Expr, type UnaryFunction, unary } from "../ir/expression.ts";
import { delinearize, linearize } from "../operators/broadcast.ts";
import type { TensorView } from "../operators/definition.ts";

const narrowings: Partial<Record<TensorType["type"], UnaryFunction>> = {
  int8: "wrapInt8",
  uint8: "wrapUint8",
  int16: "wrapInt16",
  uint16: "wrapUint16",
  float16: "roundFloat16",
  bfloat16: "roundBfloat16",
};

function narrow(type: TensorType["type"], value: Expr): Expr {
  const fn = narrowings[type];
  return fn === undefined ? value : unary(fn, value);
}

const identities = new WeakMap<Expr, number>();
let identitiesGiven = 0;

/** Equal for indices made of the same expression objects (or equal constants). */
function keyOf(index: readonly Expr[]): string {
  return index
    .map((part) => {
      if (part.op === "const") return `c${part.value}`;
      if (part.op === "var") return `v${part.id}`;
      let identity = identities.get(part);
      if (identity === undefined) {
        identity = identitiesGiven++;
        identities.set(part, identity);
      }
      return String(identity);
    })
    .join();
}

/** A value given by an expression of its index. */
export function computedView({ type, shape }: TensorType, at: (index: readonly Expr[]) => Expr): TensorView {
  const known = new Map<string, { readonly index: readonly Expr[]; readonly value: Expr }>();
  const view: TensorView = {
    type,
    shape,
    at(index) {
      const key = keyOf(index);
      const found = known.get(key);
      if (found) return found.value;
      const value = narrow(type, at(index));
      known.set(key, { index, value });
      return value;
    },
    atOffset: (offset) => view.at(delinearize(offset, shape)),
  };
  return view;
}

/** The elements of another view in another shape. */
export function aliasView({ type, shape }: TensorType, source: TensorView): TensorView {
  return {
    type,
    shape,
    at: (index) => source.atOffset(linearize(index, shape)),
    atOffset: (offset) => source.atOffset(offset),
  };
}

/** A value at the one place it is being computed for, whatever index it is asked at. */
export function pinnedView({ type, shape }: TensorType, value: Expr): TensorView {
  const narrowed = narrow(type, value);
  assert(narrowed.type === value.type, "narrowing keeps the scalar type");
  return { type, shape, at: () => narrowed, atOffset: () => narrowed };
}
