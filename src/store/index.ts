/** The store, in the making: its graph. */
export * from "./graph/index.ts";
