/**
 * Where in a line of JSON something stands: the place at which it stops being JSON, or the values of its outermost
 * object. For messages about lines that were refused; what is right is read by JSON.parse.
 */

export interface JsonPlaces {
  /** Where the text stops being JSON; undefined where it is JSON. */
  readonly faultAt: number | undefined;
  /** Where the values of the outermost object begin, by name. */
  readonly values: ReadonlyMap<string, number>;
}

export function jsonPlaces(text: string): JsonPlaces {
  const scan = new JsonScan(text);
  const isWhole = scan.value(0) && scan.isAtEnd;
  return { faultAt: isWhole ? undefined : scan.at, values: scan.values };
}

/** Deeper than this nothing is looked at: the place is then where it becomes too deep. */
const depthLimit = 1_000;

class JsonScan {
  at = 0;
  readonly values = new Map<string, number>();
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    this.#space();
    return this.at === this.#text.length;
  }

  /** Each of these moves on over what it finds, and stays at what it does not expect. */
  value(depth: number): boolean {
    this.#space();
    if (depth > depthLimit) return false;
    const first = this.#text[this.at];
    if (first === "{") return this.#list("}", () => this.#member(depth));
    if (first === "[") return this.#list("]", () => this.value(depth + 1));
    if (first === '"') return this.#string();
    return this.#take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y);
  }

  #list(end: string, element: () => boolean): boolean {
    this.at++;
    this.#space();
    if (this.#is(end)) return true;
    for (;;) {
      if (!element()) return false;
      this.#space();
      if (this.#is(end)) return true;
      if (!this.#is(",")) return false;
    }
  }

  #member(depth: number): boolean {
    this.#space();
    const from = this.at;
    if (this.#text[from] !== '"' || !this.#string()) return false;
    const name = this.#text.slice(from + 1, this.at - 1);
    this.#space();
    if (!this.#is(":")) return false;
    this.#space();
    if (depth === 0) this.values.set(name, this.at);
    return this.value(depth + 1);
  }

  #string(): boolean {
    this.at++;
    for (; this.at < this.#text.length; this.at++) {
      const letter = this.#text[this.at];
      if (letter === '"') return this.#is('"');
      if (letter < " ") return false;
      if (letter === "\\" && !this.#take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y)) return false;
      if (letter === "\\") this.at--;
    }
    return false;
  }

  #space(): void {
    this.#take(/[ \t\r\n]*/y);
  }

  #is(letter: string): boolean {
    if (this.#text[this.at] !== letter) return false;
    this.at++;
    return true;
  }

  #take(what: RegExp): boolean {
    what.lastIndex = this.at;
    if (!what.test(this.#text)) return false;
    this.at = what.lastIndex;
    return true;
  }
}
