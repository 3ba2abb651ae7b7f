/** The WebAssembly module: an instance, its memory, and packed models in it. No pictures here: `upscale.ts` has those. */

interface Exports {
  memory: WebAssembly.Memory;
  malloc(size: number): number;
  free(pointer: number): void;
  _initialize?(): void;
  intaglio_load(bytes: number, size: number, threads: number, isa: number): number;
  intaglio_free(model: number): void;
  intaglio_scale(model: number): number;
  intaglio_channels_in(model: number): number;
  intaglio_channels_out(model: number): number;
  intaglio_multiple(model: number): number;
  intaglio_architecture(model: number): number;
  intaglio_memory(model: number, height: number, width: number): number;
  intaglio_last_error(): number;
  intaglio_host_run_bytes(model: number, picture: number, height: number, width: number, result: number): number;
  intaglio_host_run_planes(model: number, picture: number, height: number, width: number, result: number): number;
}

/** What went wrong and what to do about it, in one line. */
export class IntaglioError extends Error {
  override name = "IntaglioError";
}

/** What a model is; `tile` is the side of the largest tiles that it computes in a bearable amount of memory. */
export interface Facts {
  readonly architecture: string;
  readonly scale: number;
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly multiple: number;
  readonly tile: number;
}

/** Told after each operation of the network; true ends the run. */
export type Watch = (done: number, all: number) => boolean;

/** Sides of tiles, the first choice first, and the bytes that one may take. */
const TILES = [256, 192, 128];
const BEARABLE = 512 << 20;

const DONE = 0;
const CANCELLED = 2;
/** WASI's number for what a function does not do. */
const NOT_SUPPORTED = 52;

/** The compiled module from its bytes. Throws IntaglioError where the browser lacks what it needs. */
export async function compile(bytes: BufferSource): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new IntaglioError(`this browser cannot run the engine (${String(error)}); update it, or take one with WebAssembly SIMD`);
  }
}

/** One model in an instance of its own, so that closing it gives all memory back. Runs on the thread that calls. */
export class Core {
  readonly facts: Facts;
  #exports: Exports;
  #model: number;
  #watch: Watch | undefined;

  /** The model in the bytes of a `.intaglio` file. Throws IntaglioError if the file is refused. */
  constructor(module: WebAssembly.Module, bytes: Uint8Array) {
    const instance = new WebAssembly.Instance(module, imports(module, () => this.#exports.memory, (done, all) => (this.#watch?.(done, all) ? 1 : 0)));
    this.#exports = instance.exports as unknown as Exports;
    this.#model = this.#guarded(() => {
      this.#exports._initialize?.();
      return this.#load(bytes);
    });
    this.facts = {
      architecture: this.#text(this.#exports.intaglio_architecture(this.#model)),
      scale: this.#exports.intaglio_scale(this.#model),
      channelsIn: this.#exports.intaglio_channels_in(this.#model),
      channelsOut: this.#exports.intaglio_channels_out(this.#model),
      multiple: this.#exports.intaglio_multiple(this.#model),
      tile: TILES.find((side) => this.#fits(side)) ?? 64,
    };
  }

  #fits(side: number): boolean {
    const bytes = this.#exports.intaglio_memory(this.#model, side, side) >>> 0;
    return bytes > 0 && bytes <= BEARABLE;
  }

  /** A picture of bytes (height, width, channels) to one of `scale` times its sides; null if `watch` ended the run. */
  runBytes(picture: Uint8Array, height: number, width: number, watch?: Watch): Uint8Array<ArrayBuffer> | null {
    this.#need(picture.length, height * width);
    return this.#run(picture, height, width, watch, 1, "intaglio_host_run_bytes");
  }

  /** Planes (channels, height, width) in [0, 1] to the same, not clipped; null if `watch` ended the run. */
  runPlanes(planes: Float32Array, height: number, width: number, watch?: Watch): Float32Array<ArrayBuffer> | null {
    this.#need(planes.length, height * width);
    const bytes = new Uint8Array(planes.buffer, planes.byteOffset, planes.byteLength);
    const result = this.#run(bytes, height, width, watch, 4, "intaglio_host_run_planes");
    return result && new Float32Array(result.buffer);
  }

  #need(length: number, area: number): void {
    if (area < 1 || length !== area * this.facts.channelsIn) {
      throw new IntaglioError(`the picture has ${length} numbers for ${area} pixels; give ${this.facts.channelsIn} a pixel`);
    }
  }

  #load(bytes: Uint8Array): number {
    const { malloc, free, intaglio_load } = this.#exports;
    const file = this.#copied(bytes);
    const name = malloc(1);
    this.#memory()[name] = 0;
    const model = intaglio_load(file, bytes.length, 1, name);
    free(name);
    free(file);
    if (!model) throw new IntaglioError(this.#error());
    return model;
  }

  #run(picture: Uint8Array, height: number, width: number, watch: Watch | undefined, item: number, way: "intaglio_host_run_bytes" | "intaglio_host_run_planes"): Uint8Array<ArrayBuffer> | null {
    const { scale, channelsOut } = this.facts;
    const size = height * scale * width * scale * channelsOut * item;
    this.#watch = watch;
    return this.#guarded(() => {
      const given = this.#copied(picture);
      const found = this.#allocated(size);
      const status = this.#exports[way](this.#model, given, height, width, found);
      const result = status === DONE ? this.#memory().slice(found, found + size) : null;
      this.#exports.free(found);
      this.#exports.free(given);
      if (!result && status !== CANCELLED) throw new IntaglioError(this.#error());
      return result as Uint8Array<ArrayBuffer> | null;
    });
  }

  /** What `work` gives; a trap of the module, after which the instance cannot be trusted, becomes a message. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof IntaglioError) throw error;
      throw new IntaglioError(`the engine stopped (${String(error)}); load the model again, and report the file if it happens again`);
    }
  }

  #allocated(size: number): number {
    const pointer = this.#exports.malloc(size);
    if (!pointer) throw new IntaglioError("out of memory; take a smaller picture or close other pages");
    return pointer >>> 0;
  }
  #copied(bytes: Uint8Array): number {
    const pointer = this.#allocated(bytes.length || 1);
    this.#memory().set(bytes, pointer);
    return pointer;
  }
  /** Made anew each time: growing the memory moves it. */
  #memory(): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer);
  }
  #text(pointer: number): string {
    const memory = this.#memory();
    return new TextDecoder().decode(memory.slice(pointer, memory.indexOf(0, pointer)));
  }
  #error(): string {
    return this.#text(this.#exports.intaglio_last_error());
  }
}

/** What the module asks of its surroundings: progress, and what the C library asks of a system, most of which there is none of. */
function imports(module: WebAssembly.Module, memory: () => WebAssembly.Memory, progress: (done: number, all: number) => number): WebAssembly.Imports {
  const known: Record<string, (...given: never[]) => unknown> = {
    "intaglio.progress": progress as never,
    "env.emscripten_notify_memory_growth": () => undefined,
    "wasi_snapshot_preview1.clock_time_get": ((_clock: number, _precision: bigint, pointer: number) => {
      new DataView(memory().buffer).setBigUint64(pointer, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    }) as never,
    "wasi_snapshot_preview1.proc_exit": ((code: number) => {
      throw new Error(`exit ${code}`);
    }) as never,
  };
  const result: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== "function") throw new IntaglioError(`the module asks for ${from}.${name}, which this version does not know; build both anew`);
    (result[from] ??= {})[name] = (known[`${from}.${name}`] ?? (() => NOT_SUPPORTED)) as WebAssembly.ImportValue;
  }
  return result;
}
