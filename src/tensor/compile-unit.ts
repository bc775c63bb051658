/**
 * Compiles one unit and holds it against the eager reference, as a cell does.
 *
 * Both variants are generated, validated by the engine and run on seeded inputs; the results must agree with the
 * unfused plain loops. What fails throws: TENSOR_MISMATCH for wrong numbers, TENSOR_INVALID_CODE for a module the
 * engine refuses.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { bytesEqual, HoldfastError } from "../base/index.ts";
import { entrySymbol, type LinkableUnit } from "./artifact/link.ts";
import { generateUnit } from "./codegen/unit.ts";
import { executeUnit } from "./eager/execute.ts";
import { type CodeVariant, type UnitObject, UnitObjectSchema } from "./gen/holdfast/v2/blueprint_pb.ts";
import type { ElementArray } from "./ir/element-type.ts";
import { lowerUnit } from "./lower/unit.ts";
import { decodeUnitSpec, hashUnitSpec, type SpecifiedUnit } from "./plan/unit-spec.ts";
import { type Comparison, compareOutputs, seededInputs } from "./validate/compare.ts";
import { runUnit } from "./validate/run-unit.ts";
import { type ValueType, valueTypeCodes, type WasmFunction } from "./wasm/function-builder.ts";

/** For tests: makes a unit misbehave in one of the ways a compiler can. */
export type UnitFault = "wrong-numbers";

export interface CompileUnitOptions {
  readonly fault?: UnitFault;
  /** False skips the comparison with the reference. Default true. */
  readonly validate?: boolean;
}

export function compileUnit(spec: Uint8Array, options: CompileUnitOptions = {}): Uint8Array {
  const unit = decodeUnitSpec(spec);
  const symbol = entrySymbol(hashUnitSpec(spec));
  const program = lowerUnit(unit, { fuse: true });
  const strict = generateUnit(program, { symbol, relaxed: false });
  const relaxed = generateUnit(program, { symbol, relaxed: true });
  const object = create(UnitObjectSchema, { strict: variantOf(strict), relaxed: variantOf(relaxed) });
  if (options.validate ?? true) {
    const inputs = seededInputs(unit);
    const expected = executeUnit(unit, inputs);
    object.strictValidation = validate(unit, strict, symbol, inputs, expected, options.fault);
    if (relaxedSupported()) object.relaxedValidation = validate(unit, relaxed, symbol, inputs, expected, options.fault);
  }
  return toBinary(UnitObjectSchema, object);
}

function validate(
  unit: SpecifiedUnit,
  code: LinkableUnit,
  symbol: string,
  inputs: readonly ElementArray[],
  expected: readonly ElementArray[],
  fault: UnitFault | undefined,
): NonNullable<UnitObject["strictValidation"]> {
  const actual = runUnit(unit, code, symbol, inputs);
  if (fault === "wrong-numbers") spoil(actual);
  const found: Comparison = compareOutputs(expected, actual);
  return { $typeName: "holdfast.v2.Validation", ...found, elements: BigInt(found.elements) };
}

function spoil(outputs: readonly ElementArray[]): void {
  const [first] = outputs;
  if (first && first.length > 0)
    (first as { [place: number]: number | bigint })[0] =
      typeof first[0] === "bigint" ? first[0] + 7n : Number(first[0]) + 7;
}

let relaxedKnown: boolean | undefined;

/** Whether this engine takes relaxed SIMD: asks it about the smallest function with a fused multiply-add. */
function relaxedSupported(): boolean {
  relaxedKnown ??= WebAssembly.validate(relaxedProbe);
  return relaxedKnown === true;
}

/** (func (param v128) (result v128) local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd) */
export const relaxedProbe = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x06, 0x01, 0x60, 0x01, 0x7b, 0x01, 0x7b, 0x03, 0x02, 0x01,
  0x00, 0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x00, 0x20, 0x00, 0xfd, 0x85, 0x02, 0x0b,
]);

function variantOf({ functions, scratchBytes }: LinkableUnit): CodeVariant {
  const codes = (types: readonly ValueType[]): Uint8Array => Uint8Array.from(types, (type) => valueTypeCodes[type]);
  return {
    $typeName: "holdfast.v2.CodeVariant",
    scratchBytes,
    functions: functions.map((fn) => ({
      $typeName: "holdfast.v2.Function",
      symbol: fn.symbol,
      params: codes(fn.params),
      results: codes(fn.results),
      locals: codes(fn.locals),
      pieces: [...fn.pieces],
      calls: [...fn.calls],
    })),
  };
}

/** Both variants of a compiled unit, read back; throws TENSOR_BAD_OBJECT where the bytes are not canonical. */
export function decodeUnitObject(bytes: Uint8Array): { readonly strict: LinkableUnit; readonly relaxed: LinkableUnit } {
  let object: UnitObject;
  try {
    // Fields that nobody knows are not kept, or they would come out as they went in and pass for canonical.
    object = fromBinary(UnitObjectSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new HoldfastError("TENSOR_BAD_OBJECT", "the bytes are not a compiled unit", { cause });
  }
  if (!object.strict || !object.relaxed || !bytesEqual(toBinary(UnitObjectSchema, object), bytes)) {
    throw new HoldfastError("TENSOR_BAD_OBJECT", "the compiled unit does not encode to the bytes it came from");
  }
  return { strict: linkableOf(object.strict), relaxed: linkableOf(object.relaxed) };
}

const typeByCode = new Map<number, ValueType>(
  Object.entries(valueTypeCodes).map(([type, code]) => [code, type as ValueType]),
);

function linkableOf(variant: CodeVariant): LinkableUnit {
  const types = (codes: Uint8Array): ValueType[] =>
    Array.from(codes, (code) => {
      const type = typeByCode.get(code);
      if (!type) throw new HoldfastError("TENSOR_BAD_OBJECT", `value type ${code} does not exist`);
      return type;
    });
  const functions = variant.functions.map((fn): WasmFunction => {
    if (fn.pieces.length !== fn.calls.length + 1)
      throw new HoldfastError("TENSOR_BAD_OBJECT", `function ${fn.symbol} has a piece too many or too few`);
    return {
      symbol: fn.symbol,
      params: types(fn.params),
      results: types(fn.results),
      locals: types(fn.locals),
      pieces: fn.pieces,
      calls: fn.calls,
    };
  });
  return { functions, scratchBytes: variant.scratchBytes };
}
