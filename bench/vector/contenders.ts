/** The same index from each library: M 16, efConstruction 200, squared Euclidean distance, one thread. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adoptVectorIndex, type VectorIndex, vectorIndex } from "../../src/store/index.ts";
import { packageNamed, versionOf } from "../install.ts";
import type { DataSet } from "./data.ts";

const connectivity = 16;
const efConstruction = 200;

/** Ids of what was found for the query of that number. */
export type Search = (query: number) => ArrayLike<number | bigint>;

export interface Contender {
  readonly name: string;
  readonly kind: "holdfast" | "f32" | "less";
  /** Builds the index and leaves it in that file. */
  build(data: DataSet, file: string): void;
  /** What the file holds, ready to be searched. */
  open(data: DataSet, file: string, k: number): (ef: number) => Search;
  /** The same among the ids that are kept, where the library has such a search. */
  openFiltered?(data: DataSet, file: string, k: number): (ef: number, keeps: (id: number) => boolean) => Search;
}

function holdfast(quantisation: "none" | "int8"): Contender {
  return {
    name: quantisation === "none" ? "holdfast f32" : "holdfast int8",
    kind: "holdfast",
    build({ vectors }, file) {
      const dimension = vectors[0]!.length;
      const options = { dimension, metric: "l2", connectivity, efConstruction, quantisation, exactBelow: 0 } as const;
      const index = vectorIndex({ ...options, capacity: vectors.length });
      for (const [id, vector] of vectors.entries()) index.add(id, vector);
      index.step();
      writeFileSync(file, index.serialise());
    },
    open({ queries }, file, k) {
      const index: VectorIndex = adoptVectorIndex(readFileSync(file), { exactBelow: 0 });
      return (ef) => (query) => index.search(queries[query]!, { k, ef }).ids;
    },
  };
}

/** What is used of hnswlib-node. */
interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: "l2",
    dimension: number,
  ) => {
    initIndex(limit: number, connectivity: number, efConstruction: number, seed: number): void;
    addPoint(vector: readonly number[], id: number): void;
    setEf(ef: number): void;
    searchKnn(query: readonly number[], k: number, keeps?: (id: number) => boolean): { readonly neighbors: number[] };
    writeIndexSync(file: string): void;
    readIndexSync(file: string): void;
  };
}

function hnswlib(): Contender {
  const { HierarchicalNSW } = packageNamed("hnswlib-node") as Hnswlib;
  const read = ({ queries, vectors }: DataSet, file: string) => {
    const index = new HierarchicalNSW("l2", vectors[0]!.length);
    index.readIndexSync(file);
    // It takes arrays only; making them is not counted.
    return { index, arrays: queries.map((query) => Array.from(query)) };
  };
  return {
    name: "hnswlib",
    kind: "f32",
    build({ vectors }, file) {
      const index = new HierarchicalNSW("l2", vectors[0]!.length);
      index.initIndex(vectors.length, connectivity, efConstruction, 100);
      for (const [id, vector] of vectors.entries()) index.addPoint(Array.from(vector), id);
      index.writeIndexSync(file);
    },
    open(data, file, k) {
      const { index, arrays } = read(data, file);
      return (ef) => {
        index.setEf(ef);
        return (query) => index.searchKnn(arrays[query]!, k).neighbors;
      };
    },
    openFiltered(data, file, k) {
      const { index, arrays } = read(data, file);
      return (ef, keeps) => (query) => {
        index.setEf(ef);
        return index.searchKnn(arrays[query]!, k, keeps).neighbors;
      };
    },
  };
}

/** What is used of usearch. */
interface Usearch {
  readonly Index: new (
    options: object,
  ) => {
    add(id: bigint, vector: Float32Array, threads: number): void;
    search(query: Float32Array, k: number, threads: number): { readonly keys: BigUint64Array };
    save(file: string): void;
    load(file: string): void;
  };
}

function usearch(quantization: "f32" | "bf16"): Contender {
  const { Index } = packageNamed("usearch") as Usearch;
  const options = (dimensions: number, ef: number) => {
    return {
      dimensions,
      metric: "l2sq",
      quantization,
      connectivity,
      expansion_add: efConstruction,
      expansion_search: ef,
    };
  };
  return {
    name: `usearch ${quantization}`,
    kind: quantization === "f32" ? "f32" : "less",
    build({ vectors }, file) {
      const index = new Index(options(vectors[0]!.length, 64));
      for (const [id, vector] of vectors.entries()) index.add(BigInt(id), vector, 1);
      index.save(file);
    },
    open({ queries, vectors }, file, k) {
      return (ef) => {
        // How wide it searches is told when it is made.
        const index = new Index(options(vectors[0]!.length, ef));
        index.load(file);
        return (query) => index.search(queries[query]!, k, 1).keys;
      };
    },
  };
}

/** All that can be loaded here, and a line for each that cannot. */
export function contenders(): { readonly found: Contender[]; readonly missing: string[] } {
  const found: Contender[] = [holdfast("none"), holdfast("int8")];
  const missing: string[] = [];
  const peers: [string, () => Contender[]][] = [
    ["hnswlib-node", () => [hnswlib()]],
    ["usearch", () => [usearch("f32"), usearch("bf16")]],
  ];
  for (const [name, make] of peers) {
    try {
      found.push(...make());
    } catch {
      missing.push(
        `${name} ${versionOf(name)} is left out: its native part is not here (npm rebuild ${name} --prefix bench).`,
      );
    }
  }
  return { found, missing };
}

export function bytesIn(folder: string, file: string): number {
  return statSync(join(folder, file)).size;
}
