/** A toolchain that tests can see through: a model is text, a unit is a line, its object is the line in capitals. */

import { HoldfastError, utf8, utf8Text } from "../../base/index.ts";
import type { Toolchain } from "../index.ts";

export const textToolchain: Toolchain = {
  name: "text",
  version: "1",
  cellModule: new URL("./text-cell.ts", import.meta.url),
  plan(model) {
    const lines = utf8Text(model).split("\n");
    if (lines.includes("")) throw new HoldfastError("TENSOR_BAD_TEXT", "an empty line", { hint: "Remove it." });
    return {
      units: lines.map((line, place) => ({ hash: line, name: `line ${place}`, spec: utf8(line) })),
      state: lines,
    };
  },
  merge(plan, objects) {
    const lines = plan.state as readonly string[];
    const merged = lines.map((line, place) => {
      const object = objects[place];
      return object === undefined ? `eager(${line})` : utf8Text(object);
    });
    return [{ path: "out.txt", bytes: utf8(merged.join("\n")) }];
  },
};
