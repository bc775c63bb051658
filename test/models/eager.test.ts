import { describe, expect, it } from "vitest";
import { executeGraph } from "../../src/tensor/eager/execute.ts";
import { importOnnx } from "../../src/tensor/onnx/import.ts";
import { channelsLast } from "../../src/tensor/passes/channels-last.ts";
import { readModel } from "./model.ts";

describe("real models, node by node", () => {
  for (const name of ["mlp-tabular", "encoder-tiny", "mobilenetv2", "light_squeezenet", "light_shufflenet"]) {
    const model = readModel(name);
    it.skipIf(!model)(
      `answer as another runtime does: ${name}${model ? "" : " (no model folder here)"}`,
      { timeout: 60_000 },
      () => {
        const graph = importOnnx(model!.bytes);
        const turned = channelsLast(graph);
        expect(model!.check(turned, executeGraph(turned, model!.inputsFor(turned)))).toBeUndefined();
      },
    );
  }
});
