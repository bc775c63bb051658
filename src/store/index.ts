/**
 * The memory of Holdfast. The store is being built; what stands is its vector index, which is of use alone.
 */
export * from "./vector/index.ts";
