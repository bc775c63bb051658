/**
 * The keys under which items and edges stand among the entries.
 *
 *     item     "i" collection 0 id
 *     edge     "e" collection 0 id 0 type 0 collection of the target 0 id of the target
 *
 * All UTF-8. No part holds a zero, so that each key says where its parts end, all items of a collection stand together
 * in the order of their ids' bytes, and so do all edges that leave an item. What an item is called in the graph is its
 * collection, a zero and its id.
 */

import { HoldfastError, utf8, utf8Text } from "../../base/index.ts";

export const itemLimits = { collectionBytes: 120, idBytes: 1_024, typeBytes: 120, metadataBytes: 65_536 } as const;

const itemMark = 0x69;
const edgeMark = 0x65;
/** More than any key of an item takes: collection, id, mark and zero. */
const scratch = new Uint8Array(4_096);
const encoder = new TextEncoder();

/** What stands before the ids of a collection's items. */
export function itemPrefix(collection: string): Uint8Array {
  return utf8(`i${collection}\0`);
}

/**
 * The key of the item with this id, under a prefix from `itemPrefix`. Throws STORE_ID for what is no id: an empty one,
 * a longer one than 1,024 bytes, one with a zero in it, one that is not well-formed.
 */
export function itemKey(prefix: Uint8Array, id: string): Uint8Array {
  const { read, written } = encoder.encodeInto(id, scratch.subarray(0, itemLimits.idBytes + 1));
  if (written === 0 || written > itemLimits.idBytes || read !== id.length) throw badId("id", id, itemLimits.idBytes);
  const key = new Uint8Array(prefix.length + written);
  key.set(prefix);
  let hasZero = false;
  for (let place = 0, to = prefix.length; place < written; place++, to++) {
    const byte = scratch[place]!;
    hasZero ||= byte === 0;
    key[to] = byte;
  }
  if (hasZero || !id.isWellFormed()) throw badId("id", id, itemLimits.idBytes);
  return key;
}

/** Ids are mostly short and plain: then their keys are put together in buffers that are used again. */
export class ScratchKeys {
  readonly #prefix: Uint8Array;
  /** By the length of the id. */
  readonly #keys: Uint8Array[] = [];

  constructor(prefix: Uint8Array) {
    this.#prefix = prefix;
  }

  /** As `itemKey`; what it returns is written over by the next call. */
  of(id: string): Uint8Array {
    const { length } = id;
    if (length === 0 || length > scratchIdLength) return itemKey(this.#prefix, id);
    const key = this.#keys[length] ?? this.#made(length);
    const from = this.#prefix.length;
    for (let place = 0; place < length; place++) {
      const unit = id.charCodeAt(place);
      if (unit === 0 || unit > 127) return itemKey(this.#prefix, id);
      key[from + place] = unit;
    }
    return key;
  }

  #made(length: number): Uint8Array {
    for (let next = this.#keys.length; next <= scratchIdLength; next++) {
      const key = new Uint8Array(this.#prefix.length + next);
      key.set(this.#prefix);
      this.#keys.push(key);
    }
    return this.#keys[length]!;
  }
}

const scratchIdLength = 64;

export interface EdgeParts {
  /** As it is called in the graph: see `nodeName`. */
  readonly source: string;
  readonly type: string;
  readonly target: string;
}

/** What an item is called in the graph. */
export function nodeName(collection: string, id: string): string {
  return `${collection}\0${id}`;
}

export function nodeParts(name: string): { readonly collection: string; readonly id: string } {
  const zero = name.indexOf("\0");
  return { collection: name.slice(0, zero), id: name.slice(zero + 1) };
}

/** Throws STORE_ID as `itemKey` does, for each part. */
export function edgeKey({ source, type, target }: EdgeParts): Uint8Array {
  checkPart("type", type, itemLimits.typeBytes);
  return utf8(`e${source}\0${type}\0${target}`);
}

/** Before the keys of all edges that leave this item. */
export function edgePrefix(source: string): Uint8Array {
  return utf8(`e${source}\0`);
}

/** Before the keys of all edges that leave items of this collection. */
export function edgesPrefix(collection: string): Uint8Array {
  return utf8(`e${collection}\0`);
}

export type ParsedKey =
  | { readonly kind: "item"; readonly collection: string; readonly id: string }
  | ({ readonly kind: "edge" } & EdgeParts);

/** Whether an item, if anything of ours, stands under this key. */
export function isItemKey(key: Uint8Array): boolean {
  return key[0] === itemMark;
}

/** Whether an edge, if anything of ours, stands under this key. */
export function isEdgeKey(key: Uint8Array): boolean {
  return key[0] === edgeMark;
}

/** undefined for what is no key of ours. */
export function parseKey(key: Uint8Array): ParsedKey | undefined {
  const parts = utf8Text(key.subarray(1)).split("\0");
  if (key[0] === itemMark && parts.length === 2) return { kind: "item", collection: parts[0]!, id: parts[1]! };
  if (key[0] !== edgeMark || parts.length !== 5) return undefined;
  const [collection, id, type, toCollection, toId] = parts as [string, string, string, string, string];
  return { kind: "edge", source: nodeName(collection, id), type, target: nodeName(toCollection, toId) };
}

/** The id at the end of an item's key. */
export function idIn(key: Uint8Array, prefixBytes: number): string {
  return utf8Text(key.subarray(prefixBytes));
}

/** Throws STORE_COLLECTION for what may not be a collection's name. */
export function checkCollectionName(name: unknown): asserts name is string {
  if (
    typeof name === "string" &&
    /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name) &&
    name.length <= itemLimits.collectionBytes
  )
    return;
  throw new HoldfastError("STORE_COLLECTION", `${JSON.stringify(name)?.slice(0, 80)} is no name of a collection`, {
    hint: "1 to 120 letters, digits, dots, dashes, slashes and underscores, beginning with a letter or digit",
  });
}

/** Throws STORE_ID unless it is an id. */
export function checkId(id: unknown): asserts id is string {
  checkPart("id", id, itemLimits.idBytes);
}

function checkPart(part: string, text: unknown, limitBytes: number): void {
  const isRight =
    typeof text === "string" &&
    text !== "" &&
    text.isWellFormed() &&
    !text.includes("\0") &&
    Buffer.byteLength(text) <= limitBytes;
  if (!isRight) throw badId(part, text, limitBytes);
}

function badId(part: string, text: unknown, limitBytes: number): HoldfastError {
  const shown = (JSON.stringify(text) ?? String(text)).slice(0, 80);
  return new HoldfastError("STORE_ID", `${shown} is no ${part} of an item`, {
    hint: `1 to ${limitBytes} bytes of well-formed text without a zero character`,
    details: { part },
  });
}
