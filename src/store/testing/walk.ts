/** Everything that a cursor or a scan gives, in one list. */

import type { Cursor, CursorOptions, CursorSource } from "../cursor.ts";
import type { Entry } from "../entry.ts";
import { copyOf } from "./model.ts";

export async function walked(source: CursorSource, options: CursorOptions = {}): Promise<Entry[]> {
  return await rest(source.cursor(options));
}

export async function rest(cursor: Cursor): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (await cursor.advance(); cursor.valid; await cursor.advance()) entries.push(copyOf(cursor.entry()));
  return entries;
}

export async function gathered(batches: AsyncIterable<readonly Entry[]>): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of batches) entries.push(...batch.map(copyOf));
  return entries;
}
