/**
 * Contents that are too large for the log: they go into a content file of their own first, and the commit names them.
 *
 * Between the two nobody may take the file for garbage, though no key names its contents: the files of writes that are
 * under way are known here. Where the commit never came, because it was refused or a crash was faster, they are
 * garbage: known as that at once, or at the next opening.
 */

import { type ContentHandle, type ContentLog, type ContentWriter, encodeHandle } from "../content/index.ts";
import { ItemRecord } from "../item/record.ts";
import type { Planned, PlannedItem } from "./change-plan.ts";

/** From here on a content does not go through the log. */
export const largeContentBytes = 256 * 1024;

export interface MovedContents extends Disposable {
  readonly planned: readonly Planned[];
  /** A commit names them now. */
  taken(): void;
}

export class LargeContent {
  readonly #content: ContentLog;
  readonly #underWay = new Set<number>();

  constructor(content: ContentLog) {
    this.#content = content;
  }

  /** Content files that no compaction may touch now. */
  get files(): ReadonlySet<number> {
    return this.#underWay;
  }

  isNeededFor(planned: readonly Planned[]): boolean {
    return planned.some(isLarge);
  }

  /** The same plan, with large contents moved. To be disposed of when the commit has taken its place, or failed. */
  async moved(planned: readonly Planned[], signal: AbortSignal | undefined): Promise<MovedContents> {
    const writer = await this.#content.write();
    const moved: Planned[] = [];
    const handles: ContentHandle[] = [];
    try {
      for (const change of planned) {
        signal?.throwIfAborted();
        moved.push(isLarge(change) ? await withHandle(change, writer, handles) : change);
      }
    } catch (error) {
      await writer.abandon();
      throw error;
    }
    this.#underWay.add(writer.id); // mutant: large-under-way
    let isTaken = false;
    const done = (): void => {
      this.#underWay.delete(writer.id);
      if (!isTaken) for (const handle of handles) this.#content.discard(handle);
    };
    try {
      await this.#content.commit(writer);
    } catch (error) {
      done();
      throw error;
    }
    return { planned: moved, taken: () => void (isTaken = true), [Symbol.dispose]: done };
  }
}

function isLarge(change: Planned): change is PlannedItem {
  return (
    change.kind === "item" &&
    !change.isDelete &&
    change.entry.value.length >= largeContentBytes &&
    new ItemRecord(change.entry.value).contentLength >= largeContentBytes
  );
}

async function withHandle(change: PlannedItem, writer: ContentWriter, handles: ContentHandle[]): Promise<Planned> {
  const record = new ItemRecord(change.entry.value);
  const handle = await writer.add(record.contentBytes);
  handles.push(handle);
  return { ...change, entry: { ...change.entry, value: record.withHandle(encodeHandle(handle)) } };
}
