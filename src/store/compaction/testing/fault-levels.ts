/** Levels that no job has, for `failing-worker.ts`. */
export const faultLevels = { exit: 901, throws: 902, memory: 903, name: 904 } as const;
