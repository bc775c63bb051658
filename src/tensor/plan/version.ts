/** Part of every unit's identity: raised whenever the code generated for a unit, or its packing, may change. */
export const compilerVersion = "holdfast-tensor/2";
