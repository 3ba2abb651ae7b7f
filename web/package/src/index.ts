/** Enlarges pictures with low-bit integer networks: `load` a packed model, then `upscale` pictures. */

import { Core, IntaglioError, compile, type Facts } from "./core.js";
import { enlarge, type Enlarged, type Options, type Picture, type Runner } from "./upscale.js";

export { IntaglioError, type Enlarged, type Facts, type Options, type Picture };

/** A packed model, ready to enlarge pictures on the thread that loaded it. */
export interface Model {
  readonly facts: Facts;
  /** The picture, `facts.scale` times as wide and high. Between tiles other work gets its turn. */
  upscale(picture: Picture, options?: Options): Promise<Enlarged>;
}

let shared: Promise<WebAssembly.Module> | undefined;

/**
 * The model in the bytes of a `.intaglio` file.
 *
 * `wasm` is the engine: its bytes, where it lies, or compiled; by default the file `intaglio.wasm` beside this one.
 * Throws IntaglioError (remedy in its message) if the file is refused or the engine cannot run here.
 */
export async function load(bytes: Uint8Array, wasm?: BufferSource | URL | WebAssembly.Module): Promise<Model> {
  const module = wasm instanceof WebAssembly.Module ? wasm : await (wasm ? compiled(wasm) : (shared ??= compiled(new URL("intaglio.wasm", import.meta.url))));
  const core = new Core(module, bytes);
  return { facts: core.facts, upscale: (picture, options = {}) => enlarge(picture, inTurn(core, options.signal), options) };
}

/** Runs tiles here, one after another. */
function inTurn(core: Core, signal?: AbortSignal): Runner {
  const whole = <T>(result: T | null): T => {
    signal?.throwIfAborted();
    if (!result) throw new IntaglioError("the run ended early; start it again");
    return result;
  };
  const watch = (share: (done: number) => void) => (done: number, all: number): boolean => {
    share(done / all);
    return signal?.aborted ?? false;
  };
  const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
  return {
    facts: core.facts,
    parallel: 1,
    bytes: async (picture, height, width, share) => (await breath(), whole(core.runBytes(picture, height, width, watch(share)))),
    planes: async (planes, height, width, share) => (await breath(), whole(core.runPlanes(planes, height, width, watch(share)))),
  };
}

async function compiled(source: BufferSource | URL): Promise<WebAssembly.Module> {
  if (!(source instanceof URL)) return compile(source);
  if (source.protocol === "file:") {
    const files = "node:fs/promises"; // a name that bundlers for browsers do not follow
    const { readFile } = (await import(files)) as { readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> };
    return compile(await readFile(source));
  }
  const response = await fetch(source);
  if (!response.ok) throw new IntaglioError(`the engine cannot be fetched from ${source.href} (${response.status}); serve intaglio.wasm there`);
  return compile(await response.arrayBuffer());
}
