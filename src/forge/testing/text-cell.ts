/** Runs in the cell. Lines that begin with a fault's name have that fault. */

import { HoldfastError, utf8, utf8Text } from "../../base/index.ts";

export async function handle(_kind: string, payload: Uint8Array): Promise<Uint8Array> {
  const line = utf8Text(payload);
  if (line.startsWith("crash")) process.kill(process.pid, "SIGSEGV");
  if (line.startsWith("hang")) for (;;);
  if (line.startsWith("mismatch")) throw new HoldfastError("TENSOR_MISMATCH", "the numbers differ");
  const delayMs = (line.charCodeAt(line.length - 1) * 7) % 23;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  return utf8(line.toUpperCase());
}
