/** The compiler: ONNX or a Blueprint in, units, code and artifacts out. Pure: no files, processes, network or clock. */
export type { ArtifactDescription, ArtifactFile, UnitReport } from "./artifact/description.ts";
export { entrySymbol, type LinkedArtifact } from "./artifact/link.ts";
export { type ArtifactOptions, artifactFiles, type Manifest } from "./artifact/wrapper.ts";
export { constantOf, decodeBlueprint, encodeBlueprint, tensorOf } from "./blueprint/codec.ts";
export { compileInProcess, linkPlan } from "./compile-model.ts";
export { type CompileOptions, decodeCompileOptions, encodeCompileOptions, planOptionsOf } from "./compile-options.ts";
export {
  type CompileUnitOptions,
  compileUnit,
  decodeUnitObject,
  relaxedProbe,
  type UnitFault,
} from "./compile-unit.ts";
export { executeGraph } from "./eager/execute.ts";
export { denseConstant, elementsOf } from "./graph/constant.ts";
export type { ConstantData, Graph, GraphNode, GraphValue } from "./graph/graph.ts";
export {
  arrayNameOf,
  byteSizeOf,
  type ElementArray,
  type ElementType,
  elementCount,
  elementTypes,
  newArray,
  type Shape,
  viewOf,
} from "./ir/element-type.ts";
export { externalLocations, staysInside } from "./onnx/external.ts";
export { type ImportOptions, importOnnx, opsetRange } from "./onnx/import.ts";
export type { ReadExternal } from "./onnx/tensor.ts";
export { operatorNames } from "./operators/registry.ts";
export {
  type ModelPlan,
  type PlanOptions,
  planGraph,
  planModel,
  type Strategy,
  strategies,
} from "./plan/model-plan.ts";
export { compilerVersion } from "./plan/version.ts";
export { compareOutputs, seededArray } from "./validate/compare.ts";
