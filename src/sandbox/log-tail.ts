/**
 * The end of what a cell wrote to stdout and stderr.
 *
 * Bounded whatever the cell does: so many lines, so many characters a line. It also listens for the words V8 dies with,
 * since they may be followed by more lines than are kept.
 */

const lineLimit = 50;
const characterLimit = 2_000;

/** What the engine said it died of. */
export type LastWords = "heap" | "data";

export class LogTail {
  #lines: string[] = [];
  #open = "";
  #lastWords: LastWords | undefined;

  get lastWords(): LastWords | undefined {
    return this.#lastWords;
  }

  push(text: string): void {
    const lines = (this.#open + text).split("\n");
    this.#open = (lines.pop() ?? "").slice(0, characterLimit);
    for (const line of lines) this.#add(line);
  }

  /** The lines kept, an unfinished last one included. */
  lines(): string[] {
    return this.#open === "" ? [...this.#lines] : [...this.#lines, this.#open].slice(-lineLimit);
  }

  /** Forgets what an earlier job wrote. */
  clear(): void {
    this.#lines = [];
    this.#open = "";
  }

  #add(line: string): void {
    this.#lastWords ??= lastWordsIn(line);
    this.#lines.push(line.slice(0, characterLimit));
    if (this.#lines.length > lineLimit) this.#lines.shift();
  }
}

function lastWordsIn(line: string): LastWords | undefined {
  if (/^FATAL ERROR: .*(?:Reached heap limit|near heap limit)/.test(line)) return "heap";
  if (/^FATAL ERROR: .*out of memory|Fatal process out of memory|std::bad_alloc/.test(line)) return "data";
  return undefined;
}
