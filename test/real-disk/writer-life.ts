/** One life of a writer in a process of its own: what it said until it ended, or was killed. */
import { spawn } from "node:child_process";

export interface Kill {
  /** Armed when the writer says this word. */
  readonly word: string;
  /** Of the longest time that it may go on from there. */
  readonly share: number;
}

export interface LifeLimits {
  /** From the word "opening" on. */
  readonly longestOpeningMs: number;
  /** From any other word on. */
  readonly longestLifeMs: number;
}

/** Without a kill it must end by itself, and well. */
export function writerLife<Order extends { readonly run: number }>(
  writer: string,
  order: Order,
  kill: Kill | undefined,
  { longestOpeningMs, longestLifeMs }: LifeLimits,
): Promise<string[]> {
  const child = spawn(process.execPath, [writer, JSON.stringify(order)], { stdio: ["ignore", "pipe", "pipe"] });
  let [text, stderr, armed] = ["", "", false];
  let timer: NodeJS.Timeout | undefined;
  child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    if (kill === undefined || armed || !new RegExp(`^${kill.word}\\b`, "m").test(text)) return;
    armed = true;
    const longestMs = kill.word === "opening" ? longestOpeningMs : longestLifeMs;
    timer = setTimeout(() => child.kill("SIGKILL"), kill.share * longestMs);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      clearTimeout(timer);
      const asExpected = kill === undefined ? exitCode === 0 : signal === "SIGKILL";
      // A last line without its end was cut off with its writer.
      if (asExpected) resolve(text.split("\n").slice(0, -1));
      else reject(new Error(`writer ${order.run} ended with ${exitCode ?? signal}: ${stderr}`));
    });
  });
}
