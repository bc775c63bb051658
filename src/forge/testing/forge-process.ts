/** A process that opens a forge, carries on what is unfinished, submits one text, and prints the hash of the result. */

import { NodeDisk } from "../../disk/index.ts";
import { hashHex } from "../content-hash.ts";
import { openForge } from "../index.ts";
import { textToolchain } from "./text-toolchain.ts";

const [, , stateDir = "", modelFile = ""] = process.argv;
await using forge = await openForge({ stateDir, toolchain: textToolchain, cells: 2 });
forge.subscribe((event) => process.stdout.write(`${event.type}\n`));
await Promise.all(forge.resume().map((handle) => handle.result()));
const handle = await forge.submit({ model: await new NodeDisk().readFile(modelFile), name: "text" });
const { files, status } = await handle.result();
process.stdout.write(`RESULT ${status} ${hashHex(files[0]?.bytes ?? "")}\n`);
