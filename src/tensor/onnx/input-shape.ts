/**
 * Static shapes of a model's inputs: what the model declares, open extents filled from the shapes given.
 *
 * Extents that the model calls by one name are equal: giving one of them gives the others.
 */
import { HoldfastError } from "../../base/index.ts";
import type { TypeProto } from "../gen/onnx/onnx_pb.ts";
import type { ElementType, Shape } from "../ir/element-type.ts";
import { elementTypeFromOnnx } from "./tensor.ts";

/** What the model says about a value's type; extents it leaves open are undefined, or have a name. */
export interface DeclaredType {
  readonly type: ElementType;
  readonly shape: readonly (number | undefined)[] | undefined;
  readonly extentNames: readonly (string | undefined)[];
}

export function declaredType(proto: TypeProto | undefined, where: string): DeclaredType | undefined {
  const value = proto?.value;
  if (value?.case === undefined) return undefined;
  if (value.case !== "tensorType") {
    const kind = value.case.replace(/Type$/, "").replace("sparseTensor", "sparse tensor");
    throw new HoldfastError("ONNX_UNSUPPORTED_TYPE", `${where} is a ${kind}, not a tensor`, {
      hint: "only dense tensors are taken",
    });
  }
  const extents = value.value.shape?.dim.map(({ value: extent }) => extent);
  return {
    type: elementTypeFromOnnx(value.value.elemType, where),
    shape: extents?.map((extent) =>
      extent.case === "dimValue" && extent.value >= 0n ? Number(extent.value) : undefined,
    ),
    extentNames: (extents ?? []).map((extent) =>
      extent.case === "dimParam" && extent.value !== "" ? extent.value : undefined,
    ),
  };
}

export interface NamedInput {
  readonly name: string;
  readonly declared: DeclaredType;
  readonly given: Shape | undefined;
}

/** A shape for each input. Throws ONNX_SHAPE_DISAGREES, and ONNX_DYNAMIC_SHAPE with the flags that are missing. */
export function resolveShapes(inputs: readonly NamedInput[]): Shape[] {
  const named = new Map<string, number>();
  for (const input of inputs) if (input.given) takeGiven(input, input.given, named);
  const open: { readonly name: string; readonly flag: string }[] = [];
  const shapes = inputs.map(({ name, declared, given }): Shape => {
    if (given) return given;
    const filled = declared.shape?.map((extent, axis) => extent ?? named.get(declared.extentNames[axis] ?? ""));
    if (filled?.every((extent) => extent !== undefined)) return filled;
    const form = filled ? filled.map((extent) => extent ?? 1).join("x") : "1";
    open.push({ name, flag: `--shape ${shellWord(`${name}=${form}`)}` });
    return [];
  });
  if (open.length === 0) return shapes;
  throw new HoldfastError(
    "ONNX_DYNAMIC_SHAPE",
    `the model leaves the shape open of: ${open.map(({ name }) => name).join(", ")}`,
    {
      hint: `give it: ${open.map(({ flag }) => flag).join(" ")}`,
      details: { flags: open.map(({ flag }) => flag) },
    },
  );
}

/** As it must be typed: names of inputs may hold spaces and signs that a shell would take for its own. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Checks a shape given against the model's and learns the extents that have names. */
function takeGiven(
  { name, declared: { shape, extentNames } }: NamedInput,
  given: Shape,
  named: Map<string, number>,
): void {
  const refuse = (expected: string): never => {
    throw new HoldfastError(
      "ONNX_SHAPE_DISAGREES",
      `input ${JSON.stringify(name)} has shape ${expected} in the model, but ${given.join("x")} was given`,
      {
        hint: `give a shape of the form ${expected}`,
      },
    );
  };
  if (!given.every((extent) => Number.isInteger(extent) && extent >= 0)) refuse("of whole numbers");
  if (!shape) return;
  const form = shape.map((extent, axis) => extent ?? extentNames[axis] ?? "?").join("x");
  if (shape.length !== given.length) refuse(form);
  for (const [axis, extent] of shape.entries()) {
    if (extent !== undefined && extent !== given[axis]) refuse(form);
    const extentName = extentNames[axis];
    if (extentName === undefined) continue;
    const known = named.get(extentName);
    if (known !== undefined && known !== given[axis]) refuse(`${form} (and ${extentName} is ${known})`);
    named.set(extentName, given[axis]!);
  }
}
