/**
 * A dump from its first line to its last (the lines are drawn in dump-line.ts). The last one counts and sums up all
 * before: a dump that was cut, joined, or changed on its way is refused before anybody takes it for whole.
 *
 * Pure: lines in, lines out. Who reads a dump has used its records before its end is known; so load it into a store
 * that is thrown away when the end is not right.
 */

import { crc32 } from "node:zlib";
import { HoldfastError, utf8 } from "../../base/index.ts";
import { type DumpEnd, type DumpRecord, dumpEnd, dumpHeader, dumpLine, parseDumpLine } from "./dump-line.ts";

const countOf = { collection: "collections", item: "items", edge: "edges" } as const;

class Sum {
  readonly counts = { collections: 0, items: 0, edges: 0 };
  #checksum = 0;

  add(line: string): void {
    this.#checksum = crc32(utf8(`${line}\n`), this.#checksum);
  }

  end(): DumpEnd {
    return { ...this.counts, crc32: this.#checksum.toString(16).padStart(8, "0") };
  }
}

/** Makes the lines of a dump, each with its line end: the header, any number of records, the end. */
export class DumpWriter {
  readonly #sum = new Sum();

  header(): string {
    return this.#line(dumpHeader());
  }

  record(record: DumpRecord): string {
    this.#sum.counts[countOf[record.kind]]++;
    return this.#line(dumpLine(record));
  }

  end(): string {
    return `${dumpEnd(this.#sum.end())}\n`;
  }

  #line(text: string): string {
    this.#sum.add(text);
    return `${text}\n`;
  }
}

export interface DumpReaderOptions {
  /**
   * For a dump that was written or changed by hand: its counts and its checksum are not compared, and it needs no end.
   */
  readonly isEdited?: boolean;
}

/** Takes a dump line by line. Throws STORE_DUMP with `line` and `column`, and STORE_VERSION. */
export class DumpReader {
  readonly #isEdited: boolean;
  readonly #sum = new Sum();
  #lines = 0;
  #isEnded = false;

  constructor(options: DumpReaderOptions = {}) {
    this.#isEdited = options.isEdited === true;
  }

  get counts(): Readonly<Omit<DumpEnd, "crc32">> {
    return this.#sum.counts;
  }

  /**
   * What the next line says, given without its line end; undefined for the header, the end, and a line with nothing.
   */
  line(text: string): DumpRecord | undefined {
    this.#lines++;
    const isEmpty = text.trim() === "";
    if (this.#isEnded && !isEmpty) throw this.#error("something stands behind the end", "Load what follows by itself.");
    if (isEmpty && (this.#isEdited || this.#isEnded)) return undefined;
    const parsed = parseDumpLine(text, this.#lines);
    if ((parsed.kind === "header") !== (this.#lines === 1))
      throw this.#error(
        this.#lines === 1 ? "the dump does not begin with its header" : "a second dump begins",
        `A dump begins with ${dumpHeader()}, once.`,
      );
    if (parsed.kind === "end") {
      this.#compare(parsed);
      this.#isEnded = true;
      return undefined;
    }
    this.#sum.add(text);
    if (parsed.kind === "header") return undefined;
    this.#sum.counts[countOf[parsed.kind]]++;
    return parsed;
  }

  /** After the last line: that it was the end. */
  end(): void {
    if (this.#isEnded || (this.#isEdited && this.#lines > 0)) return;
    this.#lines++;
    throw this.#error("the dump was cut: its end is missing", "Make it anew, or load it as one that was edited.");
  }

  #compare(said: DumpEnd): void {
    if (this.#isEdited) return;
    const found = this.#sum.end();
    for (const name of ["collections", "items", "edges"] as const)
      if (found[name] !== said[name])
        throw this.#error(`the dump has ${found[name]} ${name}, and had ${said[name]}`, mend);
    if (found.crc32 !== said.crc32) throw this.#error("the dump is not what was written: its checksum differs", mend);
  }

  #error(reason: string, hint: string): HoldfastError {
    const line = this.#lines;
    return new HoldfastError("STORE_DUMP", `line ${line}, column 1 of the dump: ${reason}`, {
      hint,
      details: { line, column: 1 },
    });
  }
}

const mend = "Make it anew; or, if it was changed on purpose, load it as one that was edited.";
