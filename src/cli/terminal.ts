/**
 * Where the command line writes: data to stdout, everything else to stderr. Colour only on a terminal and never under
 * NO_COLOR; progress only on a terminal.
 */
import { styleText } from "node:util";
import type { HoldfastError } from "../base/index.ts";
import { errorToWire } from "../base/index.ts";
import { invocation } from "./version.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #live: boolean;
  #status = "";

  constructor(options: { readonly json?: boolean; readonly quiet?: boolean } = {}) {
    this.json = options.json ?? false;
    this.quiet = options.quiet ?? false;
    this.#live = process.stderr.isTTY === true && !this.quiet && !this.json;
  }

  /** Whether one line may be rewritten in place. */
  get live(): boolean {
    return this.#live;
  }

  style(style: Style, text: string): string {
    return styleText(style, text, { stream: process.stderr });
  }

  /** A line of the result. */
  data(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** The result as one JSON object. */
  object(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line for people. */
  note(text: string): void {
    if (this.quiet || this.json) return;
    this.#clear();
    process.stderr.write(`${text}\n`);
    this.#draw();
  }

  /** Something that is at risk, and what to do about it. */
  warning({ message, hint }: { readonly message: string; readonly hint: string }): void {
    this.note(`${this.style("yellow", "warning")}: ${message}\n  ${this.style("cyan", "fix")} ${hint}`);
  }

  /** The line at the bottom that says what is going on; empty takes it away. */
  status(text: string): void {
    if (!this.#live) return;
    this.#clear();
    this.#status = text;
    this.#draw();
  }

  error(error: HoldfastError): void {
    this.status("");
    if (this.json) {
      this.object({ error: errorToWire(error) });
      return;
    }
    const lines = [`${this.style("red", `error[${error.code}]`)}: ${error.rawMessage}`];
    const { cause } = error;
    if (cause instanceof Error) lines.push(`  ${this.style("dim", "why")} ${cause.message}`);
    if (error.hint) lines.push(`  ${this.style("cyan", "fix")} ${error.hint.replace(/^holdfast /, `${invocation} `)}`);
    process.stderr.write(`${lines.join("\n")}\n`);
  }

  #clear(): void {
    if (this.#live && this.#status !== "") process.stderr.write("\r\u001b[2K");
  }

  #draw(): void {
    if (this.#live && this.#status !== "")
      process.stderr.write(this.#status.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1)));
  }
}

/** 1,234,567 bytes as "1.2 MB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export function formatMs(ms: number): string {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Columns padded to their widest entry. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
