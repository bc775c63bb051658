/** What an artifact weighs without its weights: the code that a page or a server must fetch and compile. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface ArtifactSize {
  /** Bytes as they are, and through gzip. Only one of the two modules is ever loaded. */
  readonly strictModule: Size;
  readonly relaxedModule: Size;
  readonly wrapper: Size;
  readonly weights: number;
}

export interface Size {
  readonly raw: number;
  readonly gzip: number;
}

export function artifactSize(folder: string, name: string): ArtifactSize {
  const sizeOf = (file: string): Size => {
    const bytes = readFileSync(join(folder, file));
    return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
  };
  return {
    strictModule: sizeOf(`${name}.wasm`),
    relaxedModule: sizeOf(`${name}.relaxed.wasm`),
    wrapper: sizeOf(`${name}.mjs`),
    weights: readFileSync(join(folder, `${name}.weights`)).length,
  };
}

/** The larger module and the wrapper. */
export function codeBytes({ strictModule, relaxedModule, wrapper }: ArtifactSize): number {
  return Math.max(strictModule.raw, relaxedModule.raw) + wrapper.raw;
}
