/** What the page and its workers say to each other. */

import type { Facts } from "../package/src/core.js";

export type Request =
  | { kind: "open"; module: WebAssembly.Module; model: Uint8Array }
  | { kind: "bytes"; data: Uint8Array<ArrayBuffer>; height: number; width: number }
  | { kind: "planes"; data: Float32Array<ArrayBuffer>; height: number; width: number };

export type Answer =
  | { kind: "opened"; facts: Facts }
  | { kind: "share"; done: number }
  | { kind: "done"; data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer> }
  | { kind: "failed"; message: string };
