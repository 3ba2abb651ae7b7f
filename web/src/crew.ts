/** Workers that share the tiles of a picture: as many as the machine has cores, each with an instance of its own. */

import { IntaglioError, type Facts } from "../package/src/core.js";
import type { Runner } from "../package/src/upscale.js";
import type { Answer, Request } from "./messages.js";

/** Each holds the maps of one tile, some hundred megabytes. */
const MOST = 8;

interface Task {
  request: Request;
  transfer: Transferable[];
  share: (done: number) => void;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

class Hand {
  #worker = new Worker("worker.js", { type: "module" });
  #task: Task | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.kind === "share") return this.#task?.share(data.done);
      const task = this.#task;
      this.#task = undefined;
      if (data.kind === "failed") task?.reject(new IntaglioError(data.message));
      else task?.resolve(data);
    };
    this.#worker.onerror = (event) => this.end(new IntaglioError(`a worker stopped (${event.message || "out of memory?"}); take a smaller picture, or load the page again`));
  }

  ask(request: Request, transfer: Transferable[] = [], share: (done: number) => void = () => undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#task = { request, transfer, share, resolve, reject };
      this.#worker.postMessage(request, transfer);
    });
  }

  end(error: Error): void {
    this.#worker.terminate();
    const task = this.#task;
    this.#task = undefined;
    task?.reject(error);
  }
}

/** A model that is open in workers. `cancel` ends what runs at once, by ending the workers; the next picture starts new ones. */
export class Crew implements Runner {
  readonly parallel = Math.max(1, Math.min(navigator.hardwareConcurrency || 1, MOST));
  #free: Hand[] = [];
  #all = new Set<Hand>();

  private constructor(
    readonly facts: Facts,
    private readonly module: WebAssembly.Module,
    private readonly model: Uint8Array,
  ) {}

  /** Throws IntaglioError if the file is refused. */
  static async open(module: WebAssembly.Module, model: Uint8Array): Promise<Crew> {
    const first = new Hand();
    try {
      const answer = await first.ask({ kind: "open", module, model });
      if (answer.kind !== "opened") throw new IntaglioError("a worker gave an answer that nobody asked for; load the page again");
      const crew = new Crew(answer.facts, module, model);
      crew.#all.add(first);
      crew.#free.push(first);
      return crew;
    } catch (error) {
      first.end(new IntaglioError("ended"));
      throw error;
    }
  }

  bytes(data: Uint8Array<ArrayBuffer>, height: number, width: number, share: (done: number) => void): Promise<Uint8Array> {
    return this.#run({ kind: "bytes", data, height, width }, data.buffer, share) as Promise<Uint8Array>;
  }
  planes(data: Float32Array<ArrayBuffer>, height: number, width: number, share: (done: number) => void): Promise<Float32Array> {
    return this.#run({ kind: "planes", data, height, width }, data.buffer, share) as Promise<Float32Array>;
  }

  cancel(reason: Error): void {
    for (const hand of this.#all) hand.end(reason);
    this.#all.clear();
    this.#free = [];
  }

  async #run(request: Request, buffer: ArrayBuffer, share: (done: number) => void): Promise<Uint8Array | Float32Array> {
    const hand = this.#free.pop() ?? (await this.#hire());
    const answer = await hand.ask(request, [buffer], share);
    if (this.#all.has(hand)) this.#free.push(hand);
    if (answer.kind !== "done") throw new IntaglioError("a worker gave an answer that nobody asked for; load the page again");
    return answer.data;
  }

  async #hire(): Promise<Hand> {
    const hand = new Hand();
    this.#all.add(hand);
    await hand.ask({ kind: "open", module: this.module, model: this.model });
    return hand;
  }
}
