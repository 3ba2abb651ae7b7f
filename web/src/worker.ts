/** One instance of the engine, for one tile after another. */

import { Core } from "../package/src/core.js";
import type { Answer, Request } from "./messages.js";

const scope = self as unknown as DedicatedWorkerGlobalScope;
let core: Core | undefined;

function answer(message: Answer, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

/** At most twenty a second, because messages that nobody sees cost time. */
function teller(): (done: number, all: number) => boolean {
  let last = performance.now();
  return (done, all) => {
    const now = performance.now();
    if (now - last > 50) {
      last = now;
      answer({ kind: "share", done: done / all });
    }
    return false;
  };
}

function run(request: Request): void {
  if (request.kind === "open") {
    core = new Core(request.module, request.model);
    return answer({ kind: "opened", facts: core.facts });
  }
  if (!core) throw new Error("no model is open");
  const { data, height, width } = request;
  const result = request.kind === "bytes" ? core.runBytes(request.data, height, width, teller()) : core.runPlanes(request.data, height, width, teller());
  if (!result) throw new Error(`the run on ${data.length} numbers ended early`);
  answer({ kind: "done", data: result }, [result.buffer]);
}

scope.onmessage = ({ data }: MessageEvent<Request>) => {
  try {
    run(data);
  } catch (error) {
    answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};
