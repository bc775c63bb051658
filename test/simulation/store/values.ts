/**
 * What a script writes, as plain data that prints, and as the inputs that the store takes. Each write has a number of
 * its own, its tag, which stands in its content, its metadata and its embedding: what is read tells who wrote it.
 */

import { seededRandom } from "../../../src/base/index.ts";
import type { Content, EdgeInput, ItemInput, Json } from "../../../src/store/item/item.ts";

export const dimension = 4;

export interface ContentSpec {
  readonly kind: "bytes" | "text" | "json";
  readonly sizeBytes: number;
}

export interface InputSpec {
  readonly tag: number;
  readonly content?: ContentSpec;
  /** Only where the collection takes embeddings. */
  readonly embedding?: true;
  readonly metadata?: true;
  readonly edges?: readonly EdgeInput[];
  readonly kappa?: number;
  readonly pinned?: boolean;
  readonly ttlMs?: number;
}

export function inputOf({ tag, content, embedding, metadata, ...rest }: InputSpec): ItemInput {
  return {
    ...(content === undefined ? {} : { content: contentOf(content, tag) }),
    ...(embedding === undefined ? {} : { embedding: embeddingOf(tag) }),
    ...(metadata === undefined ? {} : { metadata: metadataOf(tag) }),
    ...rest,
  };
}

/** One of three directions, and some noise: things to cluster, and no two alike. */
export function embeddingOf(tag: number): Float32Array {
  const random = seededRandom(tag + 1);
  const middle = tag % 3;
  return Float32Array.from({ length: dimension }, (_, place) => (place === middle ? 1 : 0) + 0.4 * (random() - 0.5));
}

export function metadataOf(tag: number): { readonly tag: number; readonly group: number } {
  return { tag, group: tag % 4 };
}

function contentOf({ kind, sizeBytes }: ContentSpec, tag: number): Content {
  const fill = ".".repeat(Math.max(0, sizeBytes));
  switch (kind) {
    case "text":
      return `${tag}:${fill}`;
    case "json":
      return { tag, fill } satisfies Json;
    case "bytes": {
      const bytes = new Uint8Array(4 + sizeBytes).fill(tag);
      new DataView(bytes.buffer).setUint32(0, tag, true);
      return bytes;
    }
  }
}
