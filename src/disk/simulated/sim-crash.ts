/** The power is gone. Not a HoldfastError: nobody who runs on that disk gets to see it and live. */
export class SimCrash extends Error {
  constructor() {
    super("the simulated power went");
    this.name = "SimCrash";
  }
}
