/** What is taken from a model file, in numbers. */
export const opsetRange = { oldest: 1, newest: 22 } as const;
/** Versions of the file format; they say which messages there are, not what operators mean. */
export const irRange = { oldest: 1, newest: 13 } as const;
export const modelLimitBytes = 2 ** 31 - 1;
/** Functions calling functions, and graphs inside graphs. */
export const nestingLimit = 16;
/** Nodes that functions and branches may grow a model by. */
export const inlinedNodesLimit = 200_000;
/** Branches chosen when importing; each needs the nodes before it looked through once more. */
export const branchLimit = 256;
