/**
 * What identifies a unit: its graph, which inputs are weights, the compiler's version and the strategy. The hash of
 * the encoded specification is the key of every cache, of the journal and of the artifact's report.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { bytesEqual, HoldfastError, hexOf, sha256 } from "../../base/index.ts";
import { blueprintOf, graphOf } from "../blueprint/codec.ts";
import { type UnitSpec, UnitSpecSchema } from "../gen/holdfast/v2/blueprint_pb.ts";
import type { UnitGraph } from "../lower/unit.ts";
import { compilerVersion } from "./version.ts";

export interface SpecifiedUnit extends UnitGraph {
  readonly strategy: string;
}

export function encodeUnitSpec(unit: UnitGraph, strategy: string): Uint8Array {
  const weights = [...unit.weights].sort((a, b) => a - b);
  const message = create(UnitSpecSchema, {
    graph: blueprintOf(unit.graph),
    weights,
    compiler: compilerVersion,
    strategy,
  });
  return toBinary(UnitSpecSchema, message);
}

/** Throws BLUEPRINT_* where the bytes are not the canonical encoding of a unit for this compiler. */
export function decodeUnitSpec(bytes: Uint8Array): SpecifiedUnit {
  let message: UnitSpec;
  try {
    message = fromBinary(UnitSpecSchema, bytes);
  } catch (cause) {
    throw new HoldfastError("BLUEPRINT_MALFORMED", "the bytes are not a unit specification", { cause });
  }
  if (!message.graph) throw new HoldfastError("BLUEPRINT_MALFORMED", "the unit specification has no graph");
  if (message.compiler !== compilerVersion) {
    throw new HoldfastError(
      "BLUEPRINT_VERSION",
      `the unit is for compiler ${message.compiler}, this is ${compilerVersion}`,
    );
  }
  const unit = { graph: graphOf(message.graph), weights: new Set(message.weights), strategy: message.strategy };
  if (!bytesEqual(encodeUnitSpec(unit, unit.strategy), bytes)) {
    throw new HoldfastError(
      "BLUEPRINT_NOT_CANONICAL",
      "the unit specification does not encode to the bytes it came from",
    );
  }
  return unit;
}

export function hashUnitSpec(bytes: Uint8Array): string {
  return hexOf(sha256(bytes));
}
