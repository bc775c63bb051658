/** The store, in the making: its graph and its content log. */
export * from "./content/index.ts";
export * from "./graph/index.ts";
