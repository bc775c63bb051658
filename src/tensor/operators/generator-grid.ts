/** AffineGrid: the places at which an affine map samples an image, for GridSample. */
import { scalarTypeOf } from "../ir/element-type.ts";
import { add, cast, constant, type Expr, index as indexConstant, mul } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition } from "./definition.ts";
import { requireGroup } from "./elementwise.ts";
import { checkedShape } from "./shape.ts";

/** Extents of the image sampled, outermost first, without batch and channels. */
function imageOf(context: OperatorContext): readonly number[] {
  const size = checkedShape(context, context.constantNumbers(1));
  const theta = context.input(0).shape;
  const dimensions = size.length - 2;
  const fits = theta.length === 3 && theta[0] === size[0] && theta[1] === dimensions && theta[2] === dimensions + 1;
  if ((dimensions !== 2 && dimensions !== 3) || !fits) {
    const text = `theta [${theta.join(",")}] does not fit an image of size [${size.join(",")}]`;
    context.reject("TENSOR_SHAPE_MISMATCH", text);
  }
  return size.slice(2);
}

export const affineGrid: OperatorDefinition = {
  operator: "AffineGrid",
  since: 20,
  infer(context) {
    const type = requireGroup(context, "float");
    const image = imageOf(context);
    return [{ type, shape: checkedShape(context, [context.input(0).shape[0]!, ...image, image.length]) }];
  },
  lower(context) {
    const image = imageOf(context);
    const scalar = scalarTypeOf(context.input(0).type);
    const aligned = context.int("align_corners", 0) !== 0;
    /** From -1 to 1: between the centres of the outermost elements where aligned, else between their outer edges. */
    const coordinate = (place: Expr, extent: number): Expr => {
      const step = aligned ? (extent > 1 ? 2 / (extent - 1) : 0) : 2 / extent;
      const first = aligned ? (extent > 1 ? -1 : 0) : -1 + 1 / extent;
      return add(mul(cast(scalar, place), constant(scalar, step)), constant(scalar, first));
    };
    return {
      form: "map",
      elementwise: false,
      at(index, [theta]) {
        const [batch, component] = [index[0]!, index.at(-1)!];
        const row = (column: number): Expr => theta!.at([batch, component, indexConstant(column)]);
        // Coordinates come innermost axis first: x, y, z.
        return image.reduceRight<Expr>(
          (sum, extent, axis) => add(sum, mul(row(image.length - 1 - axis), coordinate(index[1 + axis]!, extent))),
          row(image.length),
        );
      },
    };
  },
};
