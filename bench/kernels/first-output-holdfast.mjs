/** A fresh process up to its first output, with a compiled model: node first-output-holdfast.mjs ARTIFACT.mjs */
import { constantInput } from "./constant-inputs.mjs";

const { load } = await import(process.argv[2]);
const model = await load();
const outputs = model.run(Object.fromEntries(model.inputs.map((port) => [port.name, constantInput(port)])));
process.stdout.write(`first ${Object.values(outputs)[0][0]} ${process.resourceUsage().maxRSS}\n`);
