/** Operators that trade blocks of space for channels: DepthToSpace, SpaceToDepth, Col2Im. */
import { type Shape, scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  and,
  compare,
  constant,
  div,
  type Expr,
  index as indexConstant,
  max,
  min,
  mul,
  rem,
  select,
  sub,
} from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition } from "./definition.ts";
import { requireGroup } from "./elementwise.ts";
import { checkedShape } from "./shape.ts";

/** A rearrangement of [batch, channels, height, width] by square blocks. */
function blockOperator(
  operator: string,
  shapeOf: (shape: Shape, block: number) => Shape,
  sourceOf: (index: readonly Expr[], shape: Shape, block: number, context: OperatorContext) => readonly Expr[],
): OperatorDefinition {
  return {
    operator,
    since: 1,
    infer(context) {
      const { type, shape } = context.input(0);
      const block = context.int("blocksize");
      if (shape.length !== 4) context.reject("TENSOR_SHAPE_MISMATCH", `the input has rank ${shape.length}, not 4`);
      const result = block > 0 ? shapeOf(shape, block) : [NaN];
      if (result.some((extent) => !Number.isInteger(extent))) {
        context.reject("TENSOR_SHAPE_MISMATCH", `[${shape.join(",")}] is not made of blocks of ${block}`);
      }
      return [{ type, shape: result }];
    },
    lower(context) {
      const { shape } = context.input(0);
      const block = context.int("blocksize");
      return {
        form: "map",
        elementwise: false,
        at: (index, [input]) => input!.at(sourceOf(index, shape, block, context)),
      };
    },
  };
}

const depthToSpace = blockOperator(
  "DepthToSpace",
  ([batch, channels, height, width], block) => [batch!, channels! / (block * block), height! * block, width! * block],
  ([batch, channel, y, x], shape, block, context) => {
    const size = indexConstant(block);
    const within = add(mul(rem(y!, size), size), rem(x!, size));
    const mode = context.string("mode", "DCR");
    if (mode !== "DCR" && mode !== "CRD") context.reject("TENSOR_BAD_ATTRIBUTE", `mode is ${JSON.stringify(mode)}`);
    const source =
      mode === "DCR"
        ? add(mul(within, indexConstant(shape[1]! / (block * block))), channel!)
        : add(mul(channel!, indexConstant(block * block)), within);
    return [batch!, source, div(y!, size), div(x!, size)];
  },
);

const spaceToDepth = blockOperator(
  "SpaceToDepth",
  ([batch, channels, height, width], block) => [batch!, channels! * block * block, height! / block, width! / block],
  ([batch, channel, y, x], shape, block) => {
    const size = indexConstant(block);
    const within = div(channel!, indexConstant(shape[1]!));
    const row = add(mul(y!, size), div(within, size));
    return [batch!, rem(channel!, indexConstant(shape[1]!)), row, add(mul(x!, size), rem(within, size))];
  },
);

interface Folding {
  readonly image: Shape;
  readonly block: Shape;
  readonly dilations: readonly number[];
  readonly strides: readonly number[];
  /** Padding before each axis. */
  readonly pads: readonly number[];
  /** Places the block takes along each axis. */
  readonly places: Shape;
}

function foldingOf(context: OperatorContext): Folding {
  const image = checkedShape(context, context.constantNumbers(1));
  const block = checkedShape(context, context.constantNumbers(2));
  const rank = image.length;
  const list = (name: string, fallback: number, length = rank): readonly number[] => {
    const given = context.ints(name, new Array<number>(length).fill(fallback));
    if (given.length !== length)
      context.reject("TENSOR_BAD_ATTRIBUTE", `${name} has ${given.length} numbers, not ${length}`);
    return given;
  };
  const [dilations, strides, pads] = [list("dilations", 1), list("strides", 1), list("pads", 0, 2 * rank)];
  if (block.length !== rank || strides.some((one) => one < 1) || dilations.some((one) => one < 1)) {
    context.reject(
      "TENSOR_BAD_ATTRIBUTE",
      `blocks of [${block.join(",")}] do not fit an image of [${image.join(",")}]`,
    );
  }
  const places = image.map((extent, axis) => {
    const room = extent + pads[axis]! + pads[rank + axis]! - dilations[axis]! * (block[axis]! - 1) - 1;
    return Math.max(Math.floor(room / strides[axis]!) + 1, 0);
  });
  return { image, block, dilations, strides, pads, places };
}

const product = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** Adds overlapping blocks up: each element of the image sums the blocks that reach it. */
const columnsToImage: OperatorDefinition = {
  operator: "Col2Im",
  since: 18,
  infer(context) {
    const type = requireGroup(context, "number");
    const { image, block, places } = foldingOf(context);
    const { shape } = context.input(0);
    const [batch, columns, count] = shape;
    const size = product(block);
    if (shape.length !== 3 || size === 0 || columns! % size !== 0 || count !== product(places)) {
      const text = `columns of shape [${shape.join(",")}] are not [batch, channels * ${size}, ${product(places)}]`;
      context.reject("TENSOR_SHAPE_MISMATCH", text);
    }
    return [{ type, shape: checkedShape(context, [batch!, columns! / size, ...image]) }];
  },
  lower(context) {
    const folding = foldingOf(context);
    const { block, places } = folding;
    const zero = constant(scalarTypeOf(context.input(0).type), 0);
    return {
      form: "loops",
      emit: ({ inputs, outputs, build }) =>
        build.eachIndex(outputs[0]!.shape, (index) => {
          const [batch, channel, ...pixel] = index as readonly Expr[] as [Expr, Expr, ...Expr[]];
          const { statements, result } = build.reduce(block, "add", zero, (tap) => {
            const { place, inside } = blockPlace(folding, pixel, tap);
            const row = tap.reduce<Expr>((sum, one, axis) => add(mul(sum, indexConstant(block[axis]!)), one), channel);
            const column = place.reduce<Expr>(
              (sum, one, axis) => add(mul(sum, indexConstant(places[axis]!)), one),
              indexConstant(0),
            );
            return select(inside, inputs[0]!.at([batch, row, column]), zero);
          });
          return [...statements, ...outputs[0]!.store(index, result)];
        }),
    };
  },
};

/** The block that has `pixel` at its element `tap`, clamped, and whether there is one. */
function blockPlace(
  { dilations, strides, pads, places }: Folding,
  pixel: readonly Expr[],
  tap: readonly Expr[],
): { readonly place: readonly Expr[]; readonly inside: Expr } {
  let inside: Expr = constant("bool", 1);
  const place = pixel.map((one, axis) => {
    const shifted = sub(add(one, indexConstant(pads[axis]!)), mul(tap[axis]!, indexConstant(dilations[axis]!)));
    const stride = indexConstant(strides[axis]!);
    const last = indexConstant(places[axis]! - 1);
    const found = div(shifted, stride);
    const fits = and(compare("ge", shifted, indexConstant(0)), compare("le", found, last));
    inside = and(inside, and(fits, compare("eq", rem(shifted, stride), indexConstant(0))));
    return min(max(found, indexConstant(0)), last);
  });
  return { place, inside };
}

export const blockOperators: readonly OperatorDefinition[] = [depthToSpace, spaceToDepth, columnsToImage];
