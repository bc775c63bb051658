/** A process that appends numbered entries and prints each number once it is acknowledged, until it is killed. */

import { NodeDisk } from "../../disk/index.ts";
import { openWal } from "../index.ts";

const folder = process.argv[2] ?? "";
let count = 0;
const wal = await openWal({ disk: new NodeDisk(), folder, fileLimitBytes: 16_384, onEntry: () => count++ });
for (;;) {
  const numbers = Array.from({ length: 3 }, () => count++);
  await Promise.all(numbers.map((number) => wal.append(new TextEncoder().encode(String(number)))));
  process.stdout.write(`${numbers.at(-1)}\n`);
}
