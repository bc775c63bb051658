/** Holdfast, whole: the compiler, the forge that runs it, the cells it runs in, the log it stands on. */
export { HoldfastError } from "./base/index.ts";
export * from "./forge/index.ts";
export { type CompileOptions, compileInProcess, encodeCompileOptions, importOnnx, planModel } from "./tensor/index.ts";
