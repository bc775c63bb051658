// The part of the WebAssembly JavaScript interface used here; the DOM library that declares it brings in a browser.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: BufferSource);
    private readonly brand: "module";
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  function validate(bytes: BufferSource): boolean;
  function compile(bytes: BufferSource): Promise<Module>;
  function instantiate(module: Module, imports?: Record<string, Record<string, unknown>>): Promise<Instance>;
}
type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;
