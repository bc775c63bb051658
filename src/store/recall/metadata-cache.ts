/**
 * The metadata of a layer's rows, parsed when first asked for and then kept, up to a limit: parsed, JSON takes about
 * six times its bytes. Beyond the limit it is parsed anew by each filter that is new.
 */

import type { Metadata } from "../item/item.ts";

const keptLimitBytes = 4 * 2 ** 20;
const parsedFactor = 6;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class MetadataCache {
  readonly #kept: (Metadata | undefined)[] = [];
  #keptBytes = 0;

  get memoryBytes(): number {
    return this.#kept.length * 8 + this.#keptBytes * parsedFactor;
  }

  /** Throws SyntaxError for what is no JSON. */
  of(row: number, bytes: Uint8Array | undefined): Metadata | undefined {
    if (bytes === undefined || bytes.length === 0) return undefined;
    const known = this.#kept[row];
    if (known !== undefined) return known;
    const metadata = JSON.parse(decoder.decode(bytes)) as Metadata;
    // Rows are asked in their order, so that the array has no holes that matter.
    if (this.#keptBytes + bytes.length <= keptLimitBytes) {
      this.#keptBytes += bytes.length;
      this.#kept[row] = metadata;
    }
    return metadata;
  }
}
