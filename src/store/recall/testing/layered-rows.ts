/**
 * The layers of one collection as a store would hold them, with what they must answer: every version ever written in a
 * plain list, and the nearest of those that a reader sees by looking at each.
 */

import { expect } from "vitest";
import { utf8 } from "../../../base/index.ts";
import { compareText } from "../../graph/edge.ts";
import type { Metadata } from "../../item/item.ts";
import { distance } from "../../vector/testing/vectors.ts";
import {
  adoptVectorLayer,
  hideOlder,
  hideOlderNow,
  MemoryVectorLayer,
  type RowFilter,
  type SegmentVectorLayer,
  searchLayers,
  type VectorLayer,
  type VectorRow,
  VectorSectionBuilder,
  type VectorSettings,
} from "../index.ts";

export interface Written extends VectorRow {
  readonly metadata: Metadata | undefined;
}

interface LayerOf {
  readonly layer: VectorLayer;
  readonly rows: readonly Written[];
}

export interface Pinned {
  readonly layers: readonly VectorLayer[];
  readonly sequence: number;
}

export interface Question {
  readonly query: Float32Array;
  readonly k: number;
  readonly nowMs?: number;
  readonly filter?: RowFilter;
}

export class LayeredRows {
  readonly settings: VectorSettings;
  readonly exactBelow: number;
  readonly written: Written[] = [];
  sequence = 0;
  #files = 0;
  /** The newest first. */
  #older: LayerOf[] = [];
  #active: { readonly layer: MemoryVectorLayer; readonly rows: Written[] };

  constructor(settings: VectorSettings, exactBelow = 10_000) {
    this.settings = settings;
    this.exactBelow = exactBelow;
    this.#active = { layer: new MemoryVectorLayer({ settings }), rows: [] };
  }

  get layers(): VectorLayer[] {
    return [this.#active.layer, ...this.#older.map(({ layer }) => layer)];
  }

  pin(): Pinned {
    return { layers: this.layers, sequence: this.sequence };
  }

  /** In one commit with the one before where `joins` says so. */
  write(id: string, embedding?: Float32Array, metadata?: Metadata, expiryMs = 0, joins = false): void {
    if (!joins || this.sequence === 0) this.sequence++;
    const metadataBytes = metadata === undefined ? undefined : utf8(JSON.stringify(metadata));
    const row = { id, sequence: this.sequence, embedding, metadata, metadataBytes, expiryMs };
    this.#active.layer.add(row);
    for (const { layer } of this.#older) layer.hide(id, row.sequence);
    this.#active.rows.push(row);
    this.written.push(row);
  }

  /** What is in memory becomes a segment. */
  async flush(): Promise<void> {
    const { rows } = this.#active;
    if (rows.length === 0) return;
    const layer = await this.#segmentOf(rows, []);
    this.#older.unshift({ layer, rows });
    this.#active = { layer: new MemoryVectorLayer({ settings: this.settings }), rows: [] };
  }

  /** Layers from one to another become one, without what they hide of one another; `during` is written meanwhile. */
  async compact(from: number, to: number, during: () => void = () => undefined): Promise<void> {
    const merged = this.#older.slice(from, to);
    const newest = newestOf(merged.flatMap(({ rows }) => rows));
    const rows = [...newest.values()];
    const inputs = merged.map(({ layer }) => layer as SegmentVectorLayer);
    const layer = await this.#segmentOf(rows, inputs);
    during();
    for (const newer of this.#older.slice(0, from)) await hideOlder(newer.layer, [layer]);
    hideOlderNow(this.#active.layer, [layer]);
    this.#older = [...this.#older.slice(0, from), { layer, rows }, ...this.#older.slice(to)];
  }

  /** As after opening a store: nothing is known of what hides what. */
  async reopen(): Promise<void> {
    await this.flush();
    const opened: LayerOf[] = [];
    for (const { rows } of this.#older) opened.push({ rows, layer: await this.#segmentOf(rows, []) });
    for (const [place, { layer }] of opened.entries()) {
      await hideOlder(
        layer,
        opened.slice(place + 1).map((older) => older.layer),
      );
    }
    this.#older = opened;
  }

  get segments(): number {
    return this.#older.length;
  }

  segment(place: number): SegmentVectorLayer {
    return this.#older[place]!.layer as SegmentVectorLayer;
  }

  search({ layers, sequence }: Pinned, question: Question, ef = 64) {
    const { query, k, nowMs = 0, filter } = question;
    return searchLayers(layers, query, { k, ef, atSequence: sequence, nowMs, filter });
  }

  /** What a reader at that sequence number sees, and the filter lets through. */
  seen(sequence: number, { nowMs = 0, filter }: Pick<Question, "nowMs" | "filter"> = {}): Written[] {
    return [...newestOf(this.written.filter((row) => row.sequence <= sequence)).values()].filter(
      (row) =>
        row.embedding !== undefined &&
        (row.expiryMs === 0 || row.expiryMs > nowMs) &&
        (filter === undefined || filter.passes(row.metadata, row.id)),
    );
  }

  /** The right answer. */
  nearest(sequence: number, question: Question): { id: string; sequence: number; distance: number }[] {
    const { metric } = this.settings;
    return this.seen(sequence, question)
      .map((row) => ({
        id: row.id,
        sequence: row.sequence,
        distance: distance(metric, question.query, row.embedding!),
      }))
      .sort((a, b) => a.distance - b.distance || compareText(a.id, b.id))
      .slice(0, question.k);
  }

  async #segmentOf(rows: readonly Written[], inputs: readonly SegmentVectorLayer[]): Promise<SegmentVectorLayer> {
    const { settings, exactBelow } = this;
    const fileId = ++this.#files;
    const builder = new VectorSectionBuilder({ settings, fileId, exactBelow, inputs });
    for (const row of inOrderOfKeys(rows)) builder.add(row);
    const sections = await builder.finish();
    return adoptVectorLayer({ ...sections, settings, fileId, exactBelow, path: `${fileId}.segment` });
  }
}

/** The last that was written under each id. */
function newestOf(rows: readonly Written[]): Map<string, Written> {
  const newest = new Map<string, Written>();
  for (const row of rows) if ((newest.get(row.id)?.sequence ?? 0) <= row.sequence) newest.set(row.id, row);
  return newest;
}

/** As a memtable is walked: of several in one commit, the last. */
export function inOrderOfKeys(rows: readonly Written[]): Written[] {
  const once = new Map(rows.map((row) => [`${row.sequence} ${row.id}`, row]));
  return [...once.values()].sort((a, b) => compareText(a.id, b.id) || b.sequence - a.sequence);
}

/** The share of what should have been found that was; that what was found is right is expected. */
export async function recallOf(rows: LayeredRows, questions: readonly Question[], ef = 64): Promise<number> {
  let [found, wanted] = [0, 0];
  for (const question of questions) {
    const right = rows.nearest(rows.sequence, question);
    const { hits } = await rows.search(rows.pin(), question, ef);
    const seen = new Map(rows.seen(rows.sequence, question).map((row) => [row.id, row.sequence]));
    for (const hit of hits) expect(seen.get(hit.id)).toBe(hit.sequence);
    expect(hits.length).toBe(right.length);
    const ids = new Set(hits.map(({ id }) => id));
    wanted += right.length;
    found += right.filter(({ id }) => ids.has(id)).length;
  }
  return wanted === 0 ? 1 : found / wanted;
}
