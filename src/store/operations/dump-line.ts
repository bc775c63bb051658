/**
 * The lines of a dump: a store as text, for other programs and other versions (SPEC S11). One JSON object a line:
 *
 *     {"holdfast":"dump","format":1}
 *     {"collection":"notes","settings":{"vectors":{"dimension":3,"metric":"cosine"}}}
 *     {"item":"n1","collection":"notes","version":12,"createdMs":…,"updatedMs":…,"kappa":0.5,"pinned":true,
 *      "expiryMs":…,"metadata":{…},"embedding":"BASE64","content":…}
 *     {"edge":"about","collection":"notes","source":"n1","target":"n2","targetCollection":"people","weight":0.5}
 *     {"end":{"collections":1,"items":1,"edges":1,"crc32":"89abcdef"}}
 *
 * What has its default is left out: κ 0, not pinned, no expiry, no metadata, no embedding. An embedding is its numbers
 * in single precision, little-endian, as base64; whoever writes a dump by hand may give an array of numbers. Content is
 * the JSON it is; bytes stand as base64 in `bytes` instead. What is dumped and read again is the same, to the last bit.
 */

import { HoldfastError } from "../../base/index.ts";
import type { Content, Item, Metadata } from "../item/item.ts";
import { checkCollectionName, checkId, itemLimits } from "../item/item-key.ts";
import type { CollectionSettings, EdgeOf } from "../store.ts";
import type { VectorMetric } from "../vector/index.ts";
import { vectorMetrics } from "../vector/options.ts";
import { jsonPlaces } from "./json-places.ts";

export const dumpFormat = 1;

export type DumpedItem = Omit<Item, "level">;

export interface DumpedEdge extends Omit<EdgeOf, "sourceCollection"> {
  /** Of the source. */
  readonly collection: string;
}

export type DumpRecord =
  | { readonly kind: "collection"; readonly name: string; readonly settings: CollectionSettings }
  | { readonly kind: "item"; readonly item: DumpedItem }
  | { readonly kind: "edge"; readonly edge: DumpedEdge };

export interface DumpEnd {
  readonly collections: number;
  readonly items: number;
  readonly edges: number;
  /** Of all lines before, with their line ends, in hexadecimal. */
  readonly crc32: string;
}

export type ParsedDumpLine = DumpRecord | { readonly kind: "header" } | ({ readonly kind: "end" } & DumpEnd);

export function dumpHeader(): string {
  return JSON.stringify({ holdfast: "dump", format: dumpFormat });
}

export function dumpEnd(end: DumpEnd): string {
  return JSON.stringify({ end });
}

/** Without a line end. */
export function dumpLine(record: DumpRecord): string {
  if (record.kind === "collection") return JSON.stringify({ collection: record.name, settings: record.settings });
  if (record.kind === "item") return itemLine(record.item);
  const { type, collection, source, target, targetCollection, weight } = record.edge;
  return JSON.stringify({ edge: type, collection, source, target, targetCollection, weight });
}

function itemLine(item: DumpedItem): string {
  const { id, collection, version, createdMs, updatedMs, kappa, pinned, expiryMs, metadata, embedding, content } = item;
  return JSON.stringify({
    item: id,
    collection,
    version,
    createdMs,
    updatedMs,
    ...(kappa === 0 ? {} : { kappa }),
    ...(pinned ? { pinned } : {}),
    expiryMs,
    metadata,
    ...(embedding === undefined ? {} : { embedding: base64Of(embeddingBytes(embedding)) }),
    ...(content instanceof Uint8Array ? { bytes: base64Of(content) } : { content }),
  });
}

/** Little-endian, as every machine is that this runs on. */
function embeddingBytes(embedding: Float32Array): Uint8Array {
  return new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/**
 * What a line says. Throws STORE_DUMP with `line` (the number that is given) and `column`, both from 1, and a hint that
 * says what would stand there; STORE_VERSION for the header of a later format.
 */
export function parseDumpLine(text: string, line = 1): ParsedDumpLine {
  return new DumpLine(text, line).parsed();
}

class DumpLine {
  readonly #text: string;
  readonly #line: number;
  #fields: Record<string, unknown> = {};

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
  }

  parsed(): ParsedDumpLine {
    let found: unknown;
    try {
      found = JSON.parse(this.#text);
    } catch (cause) {
      const at = jsonPlaces(this.#text).faultAt ?? 0;
      throw this.#error(at, "the line is no JSON from here on", "Each line of a dump is one JSON object.", cause);
    }
    if (typeof found !== "object" || found === null || Array.isArray(found))
      throw this.#error(0, "the line is no JSON object", "Each line of a dump is one JSON object.");
    this.#fields = found as Record<string, unknown>;
    if (Object.hasOwn(found, "holdfast")) return this.#header();
    if (Object.hasOwn(found, "item")) return { kind: "item", item: this.#item() };
    if (Object.hasOwn(found, "edge")) return { kind: "edge", edge: this.#edge() };
    if (Object.hasOwn(found, "collection"))
      return { kind: "collection", name: this.#collection("collection"), settings: this.#settings() };
    if (Object.hasOwn(found, "end")) return this.#end();
    throw this.#error(0, "the line says nothing known", "A line has item, edge, collection, end or holdfast.");
  }

  #header(): ParsedDumpLine {
    this.#only(["holdfast", "format"]);
    const { holdfast, format } = this.#fields;
    if (holdfast !== "dump") throw this.#wrong("holdfast", "this is no dump", 'It says "dump".');
    if (format === dumpFormat) return { kind: "header" };
    if (typeof format !== "number") throw this.#wrong("format", "the format is no number", `It is ${dumpFormat}.`);
    throw new HoldfastError("STORE_VERSION", `the dump has format ${format}; this program reads ${dumpFormat}`, {
      hint: "Load it with the version of Holdfast that wrote it, or a later one.",
      details: { line: this.#line, version: format, supported: dumpFormat },
    });
  }

  #end(): ParsedDumpLine {
    this.#only(["end"]);
    const { end } = this.#fields;
    const hint = 'It is {"collections":N,"items":N,"edges":N,"crc32":"8 hexadecimal digits"}.';
    if (!isRecord(end)) throw this.#wrong("end", "the end is no object", hint);
    const { collections, items, edges, crc32 } = end;
    const isCounted = isCount(collections) && isCount(items) && isCount(edges);
    if (!isCounted || typeof crc32 !== "string" || !/^[0-9a-f]{8}$/.test(crc32))
      throw this.#wrong("end", "the end lacks a count or the checksum", hint);
    return { kind: "end", collections, items, edges, crc32 };
  }

  #settings(): CollectionSettings {
    this.#only(["collection", "settings"]);
    const { settings = {} } = this.#fields;
    const hint = 'For example {"vectors":{"dimension":384,"metric":"cosine"},"uses":"explicit"}.';
    if (!isRecord(settings)) throw this.#wrong("settings", "settings are an object", hint);
    const { vectors, uses, ...rest } = settings;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw this.#wrong("settings", `there is no setting ${unknown}`, hint);
    if (uses !== undefined && uses !== "explicit" && uses !== "reads")
      throw this.#wrong("settings", "uses is neither explicit nor reads", hint);
    const found = vectors === undefined ? undefined : this.#vectors(vectors, hint);
    return { ...(found === undefined ? {} : { vectors: found }), ...(uses === undefined ? {} : { uses }) };
  }

  #vectors(found: unknown, hint: string): NonNullable<CollectionSettings["vectors"]> {
    const { dimension, metric, quantisation, ...rest } = isRecord(found) ? found : {};
    const isDimension = isCount(dimension) && dimension >= 1 && dimension <= dimensionLimit;
    const isQuantisation = quantisation === undefined || quantisation === "none" || quantisation === "int8";
    if (!isDimension || !isMetric(metric) || !isQuantisation || Object.keys(rest).length > 0)
      throw this.#wrong("settings", "these are no settings for vectors", hint);
    return { dimension, metric, ...(quantisation === undefined ? {} : { quantisation }) };
  }

  #item(): DumpedItem {
    this.#only([
      ...["item", "collection", "version", "createdMs", "updatedMs", "kappa", "pinned"],
      ...["expiryMs", "metadata", "embedding", "content", "bytes"],
    ]);
    const { pinned = false } = this.#fields;
    if (typeof pinned !== "boolean") throw this.#wrong("pinned", "pinned is true or false", "true, or leave it out.");
    const kappa = Math.fround(this.#number("kappa", 0));
    if (!(kappa >= 0 && kappa <= 1)) throw this.#wrong("kappa", "κ is from 0 to 1", "For example 0.5.");
    const expiryMs = this.#fields["expiryMs"] === undefined ? undefined : this.#count("expiryMs");
    if (expiryMs === 0) throw this.#wrong("expiryMs", "an expiry is a time above 0", "Leave it out where it stays.");
    return {
      collection: this.#collection("collection"),
      id: this.#id("item"),
      version: this.#count("version", 0),
      content: this.#content(),
      embedding: this.#embedding(),
      metadata: this.#metadata(),
      kappa,
      pinned,
      createdMs: this.#number("createdMs"),
      updatedMs: this.#number("updatedMs"),
      expiryMs,
    };
  }

  #content(): Content {
    const { content, bytes } = this.#fields;
    if (bytes === undefined) return (content ?? null) as Content;
    if (content !== undefined) throw this.#wrong("bytes", "an item has content or bytes", "Leave one of them out.");
    return this.#base64("bytes");
  }

  #metadata(): Metadata | undefined {
    const { metadata } = this.#fields;
    if (metadata === undefined) return undefined;
    if (!isRecord(metadata)) throw this.#wrong("metadata", "metadata is an object", 'For example {"topic":"tea"}.');
    return metadata as Metadata;
  }

  #embedding(): Float32Array | undefined {
    const { embedding } = this.#fields;
    if (embedding === undefined) return undefined;
    const hint = "An array of numbers, or their bytes in single precision as base64.";
    if (Array.isArray(embedding)) {
      if (!embedding.every((number) => typeof number === "number"))
        throw this.#wrong("embedding", "an embedding has numbers only", hint);
      return this.#ofDimension(Float32Array.from(embedding), hint);
    }
    const bytes = this.#base64("embedding");
    if (bytes.length % 4 !== 0) throw this.#wrong("embedding", "an embedding has four bytes a number", hint);
    return this.#ofDimension(new Float32Array(bytes.buffer, 0, bytes.length / 4), hint);
  }

  #ofDimension(embedding: Float32Array, hint: string): Float32Array {
    const { length } = embedding;
    if (length >= 1 && length <= dimensionLimit) return embedding;
    throw this.#wrong("embedding", `an embedding has 1 to ${dimensionLimit} numbers, not ${length}`, hint);
  }

  #edge(): DumpedEdge {
    this.#only(["edge", "collection", "source", "target", "targetCollection", "weight"]);
    const weight = Math.fround(this.#number("weight"));
    if (!Number.isFinite(weight)) throw this.#wrong("weight", "a weight is a finite number", "For example 1.");
    const isOther = this.#fields["targetCollection"] !== undefined;
    return {
      collection: this.#collection("collection"),
      source: this.#id("source"),
      type: this.#type(),
      target: this.#id("target"),
      ...(isOther ? { targetCollection: this.#collection("targetCollection") } : {}),
      weight,
    };
  }

  #collection(name: string): string {
    const found = this.#fields[name];
    this.#checked(name, () => checkCollectionName(found));
    return found as string;
  }

  #id(name: string): string {
    const found = this.#fields[name];
    this.#checked(name, () => checkId(found));
    return found as string;
  }

  #type(): string {
    const type = this.#id("edge");
    if (Buffer.byteLength(type) <= itemLimits.typeBytes) return type;
    throw this.#wrong("edge", "the type of an edge is too long", `It has at most ${itemLimits.typeBytes} bytes.`);
  }

  #checked(name: string, check: () => void): void {
    try {
      check();
    } catch (cause) {
      if (!HoldfastError.is(cause)) throw cause;
      throw this.#wrong(name, cause.rawMessage, cause.hint ?? "", cause);
    }
  }

  #number(name: string, byDefault?: number): number {
    const found = this.#fields[name] ?? byDefault;
    if (typeof found === "number" && Number.isFinite(found)) return found;
    throw this.#wrong(name, `${name} is no number`, "Give a number.");
  }

  #count(name: string, byDefault?: number): number {
    const found = this.#number(name, byDefault);
    if (isCount(found)) return found;
    throw this.#wrong(name, `${name} is no count`, "Give a whole number from 0 on.");
  }

  #base64(name: string): Uint8Array<ArrayBuffer> {
    const found = this.#fields[name];
    const bytes = Buffer.from(typeof found === "string" ? found : "", "base64");
    if (bytes.toString("base64") === found) return new Uint8Array(bytes);
    throw this.#wrong(name, `${name} is no base64`, "Letters, digits, + and /, in fours, with = at the end.");
  }

  #only(names: readonly string[]): void {
    const unknown = Object.keys(this.#fields).find((name) => !names.includes(name));
    if (unknown === undefined) return;
    throw this.#wrong(unknown, `there is no field ${JSON.stringify(unknown)} here`, `There are ${names.join(", ")}.`);
  }

  /** About the value of a field, or the whole line where it is not there. */
  #wrong(name: string, reason: string, hint: string, cause?: unknown): HoldfastError {
    return this.#error(jsonPlaces(this.#text).values.get(name) ?? 0, reason, hint, cause);
  }

  #error(at: number, reason: string, hint: string, cause?: unknown): HoldfastError {
    const [line, column] = [this.#line, at + 1];
    return new HoldfastError("STORE_DUMP", `line ${line}, column ${column} of the dump: ${reason}`, {
      cause,
      hint,
      details: { line, column },
    });
  }
}

const dimensionLimit = 16_384;

function isMetric(found: unknown): found is VectorMetric {
  return vectorMetrics.some((metric) => metric === found);
}

function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}

function isCount(found: unknown): found is number {
  return Number.isSafeInteger(found) && (found as number) >= 0;
}
