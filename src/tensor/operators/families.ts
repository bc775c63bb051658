/** The operator families, one file each; a family is a list of definitions. */

import { castOperators } from "./cast.ts";
import { comparisonOperators } from "./comparison.ts";
import { convolution } from "./convolution.ts";
import type { OperatorDefinition } from "./definition.ts";
import { activationOperators } from "./elementwise-activation.ts";
import { arithmeticOperators } from "./elementwise-arithmetic.ts";
import { mathOperators } from "./elementwise-math.ts";
import { gatherScatterOperators } from "./gather-scatter.ts";
import { generatorOperators } from "./generator.ts";
import { selectionOperators } from "./generator-selection.ts";
import { logicOperators } from "./logic.ts";
import { loss } from "./loss.ts";
import { matrix } from "./matrix.ts";
import { determinant } from "./misc-determinant.ts";
import { einsum } from "./misc-einsum.ts";
import { movementOperators } from "./movement.ts";
import { blockOperators } from "./movement-blocks.ts";
import { padOperators } from "./movement-pad.ts";
import { sequenceOperators } from "./movement-sequence.ts";
import { normalization } from "./normalization.ts";
import { pooling } from "./pooling.ts";
import { regionPooling } from "./pooling-regions.ts";
import { quantization } from "./quantization.ts";
import { quantizedProducts } from "./quantization-products.ts";
import { recurrent } from "./recurrent.ts";
import { reduction } from "./reduction.ts";
import { resize } from "./resize.ts";
import { gridSampling } from "./resize-grid-sample.ts";
import { shapeOperators } from "./shape.ts";
import { softmax } from "./softmax.ts";
import { sorting } from "./sorting.ts";

export const families: readonly (readonly OperatorDefinition[])[] = [
  convolution,
  matrix,
  determinant,
  einsum,
  gridSampling,
  normalization,
  pooling,
  regionPooling,
  recurrent,
  reduction,
  resize,
  loss,
  quantization,
  quantizedProducts,
  softmax,
  sorting,
  activationOperators,
  arithmeticOperators,
  blockOperators,
  castOperators,
  comparisonOperators,
  gatherScatterOperators,
  generatorOperators,
  logicOperators,
  mathOperators,
  movementOperators,
  padOperators,
  selectionOperators,
  sequenceOperators,
  shapeOperators,
];
