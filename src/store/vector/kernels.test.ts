import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/index.ts";
import { settingsOf, type VectorMetric } from "./options.ts";
import { addAll, clustered, distance, normal } from "./testing/vectors.ts";
import { VectorColumn } from "./vector-column.ts";
import { vectorIndex } from "./vector-index.ts";

const metrics: readonly VectorMetric[] = ["cosine", "dot", "l2"];
const dimensions = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129];

function columnOf(metric: VectorMetric, vectors: readonly Float32Array[], kernels: "simd" | "javascript") {
  const settings = settingsOf({ dimension: vectors[0]!.length, metric, quantisation: "int8" });
  const column = new VectorColumn(settings, 1, kernels);
  for (const vector of vectors) column.append(vector);
  return column;
}

function measured(column: VectorColumn, query: Float32Array, rows: readonly number[], byCodes: boolean): Float32Array {
  column.aimAt(query);
  column.list.set(rows);
  if (byCodes) column.measureCodes(rows.length);
  else column.measure(rows.length);
  return column.distances.slice(0, rows.length);
}

describe("the distance kernels", () => {
  it.each(metrics)("S3: give the same bits in SIMD and in JavaScript: %s", (metric) => {
    const random = seededRandom(5);
    for (const dimension of dimensions) {
      // Sizes from next to nothing to as large as is let in: every rounding, and products below the normal range.
      const sizes = [1, 1e-3, 1e-21, 1e-30, 3e17 / Math.sqrt(dimension)];
      const vectors = Array.from({ length: 70 }, (_, place) =>
        Float32Array.from({ length: dimension }, () => sizes[place % sizes.length]! * normal(random)),
      );
      const [simd, javascript] = [columnOf(metric, vectors, "simd"), columnOf(metric, vectors, "javascript")];
      expect([simd.kernelKind, javascript.kernelKind]).toEqual(["simd", "javascript"]);
      expect(Buffer.compare(simd.codeBytes(), javascript.codeBytes())).toBe(0);
      for (let turn = 0; turn < 10; turn++) {
        const rows = Array.from({ length: 1 + Math.floor(random() * 9) }, () => Math.floor(random() * vectors.length));
        const query = vectors[Math.floor(random() * vectors.length)]!;
        for (const byCodes of [false, true]) {
          const [a, b] = [measured(simd, query, rows, byCodes), measured(javascript, query, rows, byCodes)];
          expect(Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)), `${dimension}`).toBe(0);
        }
      }
    }
  });

  it.each(metrics)("S3: are as near to the true distance as f32, and a byte a number, allow: %s", (metric) => {
    for (const dimension of dimensions) {
      const vectors = clustered(40, dimension, dimension);
      const column = columnOf(metric, vectors, "simd");
      const rows = vectors.map((_, row) => row);
      const size = Math.max(...vectors.map((vector) => distance("dot", vector, vector) * -1));
      for (const query of vectors.slice(0, 5)) {
        const [exact, coded] = [measured(column, query, rows, false), measured(column, query, rows, true)];
        for (const row of rows) {
          const truth = distance(metric, query, vectors[row]!);
          const scale = metric === "cosine" ? 1 : size;
          expect(Math.abs(exact[row]! - truth) / scale).toBeLessThan(1e-5);
          expect(Math.abs(coded[row]! - truth) / scale).toBeLessThan(0.05);
        }
      }
    }
  });

  it.each(metrics)("S3: build the same graph, to the byte, and find the same: %s", (metric) => {
    const vectors = clustered(400, 20, 3);
    const [simd, javascript] = (["simd", "javascript"] as const).map((kernels) => {
      const index = addAll(
        vectorIndex({ dimension: 20, metric, exactBelow: 0, quantisation: "int8", kernels }),
        vectors,
      );
      index.step();
      return index;
    }) as [ReturnType<typeof vectorIndex>, ReturnType<typeof vectorIndex>];
    expect(Buffer.compare(simd.serialise(), javascript.serialise())).toBe(0);
    for (const query of clustered(30, 20, 4)) {
      expect(simd.search(query, { k: 7 })).toEqual(javascript.search(query, { k: 7 }));
    }
  });

  it("keep what they were given while the memory grows under them", () => {
    const vectors = clustered(3_000, 40, 9);
    for (const kernels of ["simd", "javascript"] as const) {
      const column = columnOf("l2", vectors, kernels);
      const roomy = new VectorColumn(column.settings, vectors.length, kernels);
      for (const vector of vectors) roomy.append(vector);
      expect(Buffer.compare(column.vectorBytes(), roomy.vectorBytes())).toBe(0);
      expect(Buffer.compare(column.codeBytes(), roomy.codeBytes())).toBe(0);
    }
  });
});
