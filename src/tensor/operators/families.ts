/** The operator families, one file each; a family is a list of definitions. */
import type { OperatorDefinition } from "./definition.ts";

export const families: readonly (readonly OperatorDefinition[])[] = [];
