/**
 * Small models in which operators stand that compute with shapes, sizes and indices: there is the most to get wrong.
 */
import {
  booleans,
  floatAttribute,
  floats,
  graphAttribute,
  intAttribute,
  ints,
  intsAttribute,
  modelBytes,
  node,
  value,
} from "./onnx-model.ts";

const ramp = (count: number): number[] => Array.from({ length: count }, (_, place) => (place % 5) / 5 - 0.4);

function movement(): Uint8Array {
  return modelBytes({
    input: [value("x", [2, 3, 4]), value("where", [2, 2], 7)],
    output: [value("y", []), value("z", [])].map(({ name }) => ({ name: name! })),
    initializer: [
      ints("pads", [6], [0, 1, 0, 0, 0, 1]),
      ints("starts", [2], [0, -2]),
      ints("ends", [2], [2, 1000]),
      ints("axes", [2], [0, 1]),
      ints("steps", [2], [1, 1]),
      ints("repeats", [3], [1, 2, 1]),
      ints("wide", [4], [3, 1, 1, 4]),
      ints("parts", [2], [1, 1]),
      ints("three", [1], [3]),
    ],
    node: [
      node("Pad", ["x", "pads"], ["padded"]),
      node("Slice", ["padded", "starts", "ends", "axes", "steps"], ["sliced"]),
      node("Tile", ["sliced", "repeats"], ["tiled"]),
      node("Transpose", ["tiled"], ["turned"], [intsAttribute("perm", [2, 0, 1])]),
      node("Gather", ["turned", "where"], ["gathered"], [intAttribute("axis", 0)]),
      node("Split", ["x", "parts"], ["left", "right"], [intAttribute("axis", 0)]),
      node("Expand", ["left", "wide"], ["expanded"]),
      node("ReduceSum", ["expanded", "axes"], ["sum"], [intAttribute("keepdims", 0)]),
      node("TopK", ["sum", "three"], ["top", "places"], [intAttribute("axis", -1)]),
      node("Flatten", ["gathered"], ["y"], [intAttribute("axis", 2)]),
      node("Add", ["top", "top"], ["z"]),
    ],
  });
}

function images(): Uint8Array {
  return modelBytes({
    input: [value("x", [1, 4, 6, 6])],
    output: [{ name: "y" }],
    initializer: [
      floats("k", [4, 1, 3, 3], ramp(36)),
      floats("t", [4, 2, 2, 2], ramp(32)),
      floats("scales", [4], [1, 1, 2, 2]),
      floats("b", [4], ramp(4)),
    ],
    node: [
      node("Conv", ["x", "k", "b"], ["c"], [intAttribute("group", 4), intsAttribute("pads", [1, 1, 1, 1])]),
      node("MaxPool", ["c"], ["m"], [intsAttribute("kernel_shape", [2, 2]), intsAttribute("strides", [2, 2])]),
      node("Resize", ["m", "", "scales"], ["r"]),
      node("ConvTranspose", ["r", "t"], ["d"], [intsAttribute("strides", [2, 2])]),
      node("AveragePool", ["d"], ["a"], [intsAttribute("kernel_shape", [3, 3]), intsAttribute("dilations", [1, 1])]),
      node("LRN", ["a"], ["n"], [intAttribute("size", 3), floatAttribute("alpha", 0.1)]),
      node("DepthToSpace", ["x"], ["s"], [intAttribute("blocksize", 2)]),
      node("GlobalAveragePool", ["n"], ["g"]),
      node("GlobalMaxPool", ["s"], ["h"]),
      node("Mul", ["g", "h"], ["y"]),
    ],
  });
}

function generators(): Uint8Array {
  return modelBytes({
    input: [value("x", [3, 4])],
    output: [{ name: "y" }, { name: "z" }],
    initializer: [
      ints("zero", [], [0]),
      ints("four", [], [4]),
      ints("one", [], [1]),
      ints("shape", [2], [3, 4]),
      ints("depth", [], [4]),
      floats("on_off", [2], [0, 1]),
      booleans("yes", [], [1]),
      ints("from", [1], [1]),
    ],
    node: [
      node("Range", ["zero", "four", "one"], ["r"]),
      node("ConstantOfShape", ["shape"], ["c"]),
      node("OneHot", ["r", "depth", "on_off"], ["h"]),
      node("Trilu", ["h"], ["t"]),
      node("MatMul", ["x", "t"], ["p"]),
      node("CumSum", ["p", "one"], ["s"]),
      node("Where", ["w", "s", "c"], ["v"]),
      node("Greater", ["s", "c"], ["w"]),
      node("Squeeze", ["u", "from"], ["q"]),
      node("Unsqueeze", ["v", "from"], ["u"]),
      node(
        "If",
        ["yes"],
        ["y"],
        [
          graphAttribute("then_branch", { node: [node("Relu", ["q"], ["t1"])], output: [{ name: "t1" }] }),
          graphAttribute("else_branch", { node: [node("Neg", ["q"], ["e1"])], output: [{ name: "e1" }] }),
        ],
      ),
      node("EyeLike", ["x"], ["z"]),
    ],
  });
}

function sequences(): Uint8Array {
  return modelBytes({
    input: [value("x", [3, 1, 2])],
    output: [{ name: "y" }],
    initializer: [
      floats("w", [1, 8, 2], ramp(16)),
      floats("r", [1, 8, 2], ramp(16)),
      floats("b", [1, 16], ramp(16)),
      floats("gain", [2], [1, 2]),
      floats("shift", [2], [0, 1]),
    ],
    node: [
      node("LSTM", ["x", "w", "r", "b"], ["h"], [intAttribute("hidden_size", 2)]),
      node("Squeeze", ["h", ""], ["s"]),
      node("LayerNormalization", ["s", "gain", "shift"], ["n"], [intAttribute("axis", -1)]),
      node("Softmax", ["n"], ["p"]),
      node("ArgMax", ["p"], ["a"], [intAttribute("axis", 0)]),
      node("Cast", ["a"], ["y"], [intAttribute("to", 1)]),
    ],
  });
}

export const operatorZoo: Readonly<Record<string, () => Uint8Array>> = { movement, images, generators, sequences };
