/** The peer: the barest child that `child_process.fork` can talk to. It has no limit, no deadline and no verdict. */

process.on("message", (message) => process.send?.(message));
process.send?.("ready");
