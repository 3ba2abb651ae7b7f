/** The page: a picture comes in, the crew enlarges it, the result is shown and may be downloaded. */

import { IntaglioError, compile } from "../package/src/core.js";
import { enlarge } from "../package/src/upscale.js";
import { connectSlider, showBoth } from "./compare.js";
import { Crew } from "./crew.js";

interface Shipped {
  readonly file: string;
  readonly name: string;
}

/** What canvases hold in every browser. */
const LONGEST = 16384;
const LARGEST = 1 << 27;

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const status = element("status");
const select = element<HTMLSelectElement>("model");
const bar = element<HTMLProgressElement>("progress");

let engine: Promise<WebAssembly.Module> | undefined;
let crew: Promise<Crew> | undefined;
let source: { image: ImageData; name: string } | undefined;
let running: AbortController | undefined;

function say(text: string, wrong = false): void {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

function complain(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

async function fetched(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(name);
  if (!response.ok) throw new IntaglioError(`${name} cannot be fetched (${response.status}); load the page again`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Opens a model; the former one goes, whatever becomes of the new one. */
async function open(bytes: Promise<Uint8Array<ArrayBuffer>>, name: string): Promise<void> {
  stop();
  const former = await crew?.catch(() => undefined);
  former?.cancel(new IntaglioError("another network was chosen"));
  const next = (async () => Crew.open(await (engine ??= fetched("intaglio.wasm").then(compile)), await bytes))();
  crew = next;
  try {
    const { facts } = await next;
    element("facts").textContent = `${name}: ${facts.architecture}, ${facts.scale} times as wide and high.`;
    say(source ? "" : "Ready: drop a picture.");
    if (source) await start();
  } catch (error) {
    if (crew === next) crew = undefined;
    element("facts").textContent = "";
    complain(error);
  }
}

async function takePicture(file: File): Promise<void> {
  stop();
  try {
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new IntaglioError(`${file.name} is no picture that this browser reads; choose a PNG, JPEG or WebP file`);
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    source = { image: context.getImageData(0, 0, bitmap.width, bitmap.height), name: file.name };
    bitmap.close();
    await start();
  } catch (error) {
    complain(error);
  }
}

async function start(): Promise<void> {
  stop();
  const opened = await crew;
  if (!source || !opened) return say("Choose a network first.", true);
  const { image, name } = source;
  const { scale } = opened.facts;
  if (Math.max(image.width, image.height) * scale > LONGEST || image.width * image.height * scale * scale > LARGEST) {
    return say(`${image.width} x ${image.height} pixels become more than a browser shows; choose a smaller picture.`, true);
  }
  const control = (running = new AbortController());
  element("work").hidden = false;
  element("result").hidden = true;
  bar.value = 0;
  say(`${name}: ${image.width} x ${image.height} pixels…`);
  const began = performance.now();
  try {
    control.signal.addEventListener("abort", () => opened.cancel(new IntaglioError("cancelled")));
    const result = await enlarge(image, opened, { signal: control.signal, onProgress: (share) => (bar.value = share) });
    const seconds = (performance.now() - began) / 1000;
    const shown = showBoth(image, result);
    element("result").hidden = false;
    element<HTMLButtonElement>("download").onclick = () => download(shown, name, scale);
    say(`${result.width} x ${result.height} pixels in ${seconds.toFixed(1)} s.`);
  } catch (error) {
    if (control.signal.aborted) say("Cancelled.");
    else complain(error);
  } finally {
    if (running === control) {
      running = undefined;
      element("work").hidden = true;
    }
  }
}

function stop(): void {
  running?.abort();
}

function download(canvas: HTMLCanvasElement, name: string, scale: number): void {
  canvas.toBlob((blob) => {
    if (!blob) return complain("the browser cannot write this picture; choose a smaller one");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.replace(/\.[^.]*$/, "")}_x${scale}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

/** A file that was dropped or chosen: a model by its name, else a picture. */
function take(file: File | undefined): void {
  if (!file) return;
  if (/\.intaglio$/i.test(file.name)) {
    select.value = "";
    void open(file.arrayBuffer().then((buffer) => new Uint8Array(buffer)), file.name);
  } else void takePicture(file);
}

function connectDrop(): void {
  const drop = element("drop");
  addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    for (const file of event.dataTransfer?.files ?? []) take(file);
  });
  for (const id of ["picture", "model-file"]) {
    const input = element<HTMLInputElement>(id);
    input.addEventListener("change", () => (take(input.files?.[0]), (input.value = "")));
  }
}

async function main(): Promise<void> {
  connectDrop();
  connectSlider();
  element("form").addEventListener("submit", (event) => event.preventDefault());
  element("cancel").addEventListener("click", stop);
  addEventListener("keydown", (event) => event.key === "Escape" && stop());
  const shipped = JSON.parse(new TextDecoder().decode(await fetched("models.json"))) as Shipped[];
  select.append(...shipped.map(({ file, name }) => new Option(name, file)));
  select.append(new Option("a file of yours", "", false, shipped.length === 0));
  select.addEventListener("change", () => select.value && void open(fetched(select.value), select.selectedOptions[0]!.text));
  if (shipped[0]) await open(fetched(shipped[0].file), shipped[0].name);
  else say("Open a .intaglio file: this copy ships no network.");
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js").catch(() => undefined); // without it the page works, but not offline
main().catch(complain);
