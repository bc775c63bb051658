/**
 * Everything the wrapper, the type declarations and the manifest of an artifact are written from.
 *
 * Offsets are byte addresses in the module's memory. The weights file holds the dense weights, byte for byte as they
 * lie in memory from `weights.offset` on; splats are filled in by the wrapper.
 */
import type { ElementType, Shape } from "../ir/element-type.ts";

export interface TensorPort {
  /** The model's own name. */
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  readonly offset: number;
}

export interface SplatFill {
  readonly offset: number;
  readonly bytes: number;
  /** One element, little-endian. */
  readonly element: readonly number[];
}

export type Step =
  | { readonly kind: "wasm" /** Name of an exported function without parameters. */; readonly call: string }
  | {
      readonly kind: "eager";
      /** Place in `eagerSources`. */
      readonly source: number;
      /** Arguments of the source's function: typed views over the module's memory. */
      readonly buffers: readonly { readonly type: ElementType; readonly count: number; readonly offset: number }[];
    };

export interface UnitReport {
  readonly name: string;
  /** sha256 of the unit's specification, hex. */
  readonly hash: string;
  readonly mode: "compiled" | "eager";
  /** Nodes of the model inside. */
  readonly nodes: readonly string[];
  /** Why it is eager. */
  readonly reason?: string;
}

export interface ArtifactDescription {
  readonly name: string;
  readonly inputs: readonly TensorPort[];
  readonly outputs: readonly TensorPort[];
  readonly memory: { readonly pages: number; readonly arenaBytes: number };
  readonly weights: {
    readonly offset: number;
    readonly bytes: number;
    readonly fills: readonly SplatFill[];
    readonly sha256: string;
  };
  readonly steps: readonly Step[];
  /** JavaScript function expressions `(b0, b1, …) => void` of the units that run eagerly. */
  readonly eagerSources: readonly string[];
  readonly units: readonly UnitReport[];
  /** sha256 of the Blueprint, hex. */
  readonly blueprintHash: string;
  readonly strategy: string;
  readonly compilerVersion: string;
}

/** A file of the artifact, to be written next to the others. */
export interface ArtifactFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}
