/**
 * The bytes of an item, as they stand under its key and in the log.
 *
 *      0  u8   how the content is kept: 0 bytes, 1 JSON, 2 text, and 3 to 5 the same in the content log
 *      1  u8   1
 *      2  u16  numbers in the embedding, 0 where there is none
 *      4  u32  M: bytes of the metadata, 0 where there is none
 *      8  f64  when it was first written, ms since 1970
 *     16  f64  when it was written last
 *     24       the embedding, f32 each
 *              the metadata, JSON in UTF-8, M bytes
 *              the content, or its handle of 24 bytes, up to the end
 *
 * Little-endian. What is read of an item is decoded, and nothing else.
 */

import { HoldfastError, utf8, utf8Text } from "../../base/index.ts";
import { handleBytes } from "../entry.ts";
import { viewOf } from "../little-endian.ts";
import type { Content, Json, Metadata } from "./item.ts";
import { itemLimits } from "./item-key.ts";

export const recordHeadBytes = 24;

const kindOf = { bytes: 0, json: 1, text: 2 } as const;
/** Added to a kind: the content is in the content log. */
const inContentLog = 3;

export interface RecordInput {
  readonly content: Content;
  readonly embedding: Float32Array | undefined;
  readonly metadata: Metadata | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** Throws STORE_CONTENT where content or metadata is no JSON, STORE_TOO_LARGE where metadata is too long. */
export function encodeRecord(input: RecordInput): Uint8Array {
  const { content, embedding, metadata } = input;
  const [kind, contentBytes] = contentOf(content);
  const metadataBytes = metadata === undefined ? noBytes : jsonBytes("metadata", metadata);
  if (metadataBytes.length > itemLimits.metadataBytes) {
    throw new HoldfastError("STORE_TOO_LARGE", `metadata of ${metadataBytes.length} bytes is larger than 65,536`, {
      hint: "Keep what is long in the content.",
    });
  }
  const embeddingBytes = embedding === undefined ? 0 : embedding.length * 4;
  const bytes = new Uint8Array(recordHeadBytes + embeddingBytes + metadataBytes.length + contentBytes.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  bytes[1] = 1;
  view.setUint16(2, embedding?.length ?? 0, true);
  view.setUint32(4, metadataBytes.length, true);
  view.setFloat64(8, input.createdMs, true);
  view.setFloat64(16, input.updatedMs, true);
  if (embedding !== undefined)
    bytes.set(new Uint8Array(embedding.buffer, embedding.byteOffset, embeddingBytes), recordHeadBytes);
  bytes.set(metadataBytes, recordHeadBytes + embeddingBytes);
  bytes.set(contentBytes, recordHeadBytes + embeddingBytes + metadataBytes.length);
  return bytes;
}

/** A record that can be read part by part. Nothing is checked here: entries are, by the file that holds them. */
export class ItemRecord {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get createdMs(): number {
    return viewOf(this.#bytes).getFloat64(8, true);
  }

  get updatedMs(): number {
    return viewOf(this.#bytes).getFloat64(16, true);
  }

  // Every read asks for these two: making a view would take longer.
  get dimension(): number {
    return this.#bytes[2]! | (this.#bytes[3]! << 8);
  }

  get #metadataLength(): number {
    const bytes = this.#bytes;
    return bytes[4]! | (bytes[5]! << 8) | (bytes[6]! << 16) | (bytes[7]! << 24);
  }

  /** A copy; undefined where there is none. */
  get embedding(): Float32Array | undefined {
    const { dimension } = this;
    if (dimension === 0) return undefined;
    return new Float32Array(this.#bytes.slice(recordHeadBytes, recordHeadBytes + dimension * 4).buffer);
  }

  get metadataBytes(): Uint8Array {
    const at = recordHeadBytes + this.dimension * 4;
    return this.#bytes.subarray(at, at + this.#metadataLength);
  }

  get metadata(): Metadata | undefined {
    const bytes = this.metadataBytes;
    return bytes.length === 0 ? undefined : (JSON.parse(utf8Text(bytes)) as Metadata);
  }

  get isInContentLog(): boolean {
    return this.#bytes[0]! >= inContentLog;
  }

  /** The content's bytes, or those of its handle. */
  get contentBytes(): Uint8Array {
    return this.#bytes.subarray(this.#contentAt);
  }

  get contentLength(): number {
    return this.#bytes.length - this.#contentAt;
  }

  /** For one in the content log the caller has fetched the bytes, which become the reader's. */
  content(fetched?: Uint8Array): Content {
    const kind = this.#bytes[0]! % inContentLog;
    if (kind === kindOf.bytes) return fetched ?? ownCopy(this.#bytes, this.#contentAt);
    const bytes = fetched ?? this.contentBytes;
    return kind === kindOf.text ? utf8Text(bytes) : (JSON.parse(utf8Text(bytes)) as Json);
  }

  /** The same record with its content moved to the content log. */
  withHandle(handle: Uint8Array): Uint8Array {
    const at = this.#contentAt;
    const moved = new Uint8Array(at + handleBytes);
    moved.set(this.#bytes.subarray(0, at));
    moved.set(handle, at);
    moved[0] = this.#bytes[0]! + inContentLog;
    return moved;
  }

  /** And with its content in place of the handle. */
  withContent(content: Uint8Array): Uint8Array {
    const at = this.#contentAt;
    const whole = new Uint8Array(at + content.length);
    whole.set(this.#bytes.subarray(0, at));
    whole.set(content, at);
    whole[0] = this.#bytes[0]! - inContentLog;
    return whole;
  }

  get #contentAt(): number {
    return recordHeadBytes + this.dimension * 4 + this.#metadataLength;
  }
}

const slabBytes = 16_384;
const sharedSlabLimitBytes = 2_048;
let slab = new Uint8Array(slabBytes);
let slabUsed = 0;

/**
 * For the caller to keep and to write to. Short ones share an allocation, which costs as much as everything else that a
 * read does.
 */
function ownCopy(bytes: Uint8Array, from: number): Uint8Array {
  const { length } = bytes;
  if (length > sharedSlabLimitBytes) return bytes.slice(from);
  if (slabUsed + length > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabUsed = 0;
  }
  // What stands before it comes along: cheaper than one more view, to leave it out.
  slab.set(bytes, slabUsed);
  const copy = slab.subarray(slabUsed + from, slabUsed + length);
  slabUsed += length;
  return copy;
}

function contentOf(content: Content): [kind: number, bytes: Uint8Array] {
  if (content instanceof Uint8Array) return [kindOf.bytes, content];
  refuseOther(content);
  if (typeof content === "string" && content.isWellFormed()) return [kindOf.text, utf8(content)];
  return [kindOf.json, jsonBytes("content", content)];
}

/** What JSON takes without a word, and gives back as something else. */
function refuseOther(content: unknown): void {
  const isOther =
    ArrayBuffer.isView(content) || content instanceof ArrayBuffer || content instanceof Map || content instanceof Set;
  if (!isOther) return;
  throw new HoldfastError("STORE_CONTENT", `the content is a ${content.constructor.name}, neither bytes nor JSON`, {
    hint: "Give its bytes as a Uint8Array, or what JSON can say: an array, an object.",
  });
}

function jsonBytes(what: string, value: unknown): Uint8Array {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return utf8(text);
  throw new HoldfastError("STORE_CONTENT", `the ${what} is neither bytes nor JSON: it is of type ${typeof value}`, {
    cause,
    hint: "Give a Uint8Array, text, or what JSON can say.",
  });
}

const noBytes = new Uint8Array(0);
