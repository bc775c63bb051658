/** A fresh process up to its first output, with onnxruntime-web: node first-output-onnxruntime.mjs MODEL.onnx */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { constantInput } from "./constant-inputs.mjs";

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(process.argv[2]), {
  executionProviders: ["wasm"],
  graphOptimizationLevel: "all",
});
const feeds = {};
for (const port of session.inputMetadata) feeds[port.name] = new ort.Tensor(port.type, constantInput(port), port.shape);
const outputs = await session.run(feeds);
process.stdout.write(`first ${Object.values(outputs)[0].data[0]} ${process.resourceUsage().maxRSS}\n`);
