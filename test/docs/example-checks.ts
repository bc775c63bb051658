/** What the arrows of an example become; loaded in the child process that runs it. */
import assert from "node:assert/strict";
import process from "node:process";

type Place = readonly [page: string, line: number];

const reached: number[] = [];
process.once("exit", () => process.stdout.write(`\nreached:${reached.join(",")}\n`));

export function expectEqual([page, line]: Place, actual: unknown, expected: unknown): void {
  reached.push(line);
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    throw new Error(`${page}:${line}: ${(error as Error).message}`);
  }
}

export async function expectThrown([page, line]: Place, action: () => Promise<void>, code: string): Promise<void> {
  reached.push(line);
  try {
    await action();
  } catch (error) {
    const thrown = (error as { code?: unknown }).code;
    if (thrown === code) return;
    throw new Error(`${page}:${line}: throws ${String(thrown)}, not ${code}`, { cause: error });
  }
  throw new Error(`${page}:${line}: throws nothing`);
}
