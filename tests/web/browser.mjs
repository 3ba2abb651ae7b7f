// A visit to the page in headless Chromium: drop a picture, wait, cancel, wrong files, offline. Prints what was seen as JSON.
// usage: node browser.mjs SITE FOLDER CHROMIUM; FOLDER holds small.png, large.png, wrong.txt, model.intaglio, wrong.intaglio; screenshots go there.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";

const [site, folder, chromium] = process.argv.slice(2);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json" };
const WAIT = 120_000;

/** A static server, as any would do. */
function serve() {
  const server = createServer(({ url }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    try {
      const body = readFileSync(join(site, path === "/" ? "index.html" : path));
      response.writeHead(200, { "content-type": TYPES[extname(path === "/" ? "index.html" : path)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Chromium, spoken to over two pipes. */
class Browser {
  #next = 1;
  #open = new Map();
  #rest = "";
  problems = [];

  constructor() {
    this.profile = mkdtempSync(join(tmpdir(), "browser-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe", `--user-data-dir=${this.profile}`];
    this.process = spawn(chromium, [...flags, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.stdio[4].on("data", (data) => this.#read(data.toString()));
  }
  #read(text) {
    const parts = (this.#rest + text).split("\0");
    this.#rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.method === "Runtime.exceptionThrown") this.problems.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
      const waiting = this.#open.get(message.id);
      if (!waiting) continue;
      this.#open.delete(message.id);
      if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting.resolve(message.result);
    }
  }
  send(method, params = {}, sessionId = this.session) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#open.set(id, { resolve, reject, method }));
  }
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    ({ sessionId: this.session } = await this.send("Target.attachToTarget", { targetId, flatten: true }));
    for (const domain of ["Page", "Runtime", "Network"]) await this.send(`${domain}.enable`);
    await this.size(1200, 900);
    await this.send("Page.navigate", { url });
  }
  async size(width, height, mobile = false) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
  }
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }
  async until(expression, what = expression) {
    for (const end = Date.now() + WAIT; Date.now() < end; ) {
      if (await this.evaluate(expression).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    throw new Error(`${what} did not happen; the page says: ${await this.evaluate("document.body.innerText")}`);
  }
  async drop(...names) {
    const data = { items: [], files: names.map((name) => join(folder, name)), dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await this.send("Input.dispatchDragEvent", { type, x: 300, y: 220, data });
  }
  async shot(name) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(folder, name), Buffer.from(data, "base64"));
  }
  async close() {
    this.process.kill();
    await new Promise((resolve) => this.process.once("exit", resolve));
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const STATUS = "document.getElementById('status').textContent";
const PIXELS = `(() => {
  const canvas = document.getElementById("after");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, data: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join("")) };
})()`;

const server = await serve();
const browser = new Browser();
const seen = {};
try {
  await browser.open(`http://127.0.0.1:${server.address().port}/`);
  await browser.until(`/Ready|ships no network/.test(${STATUS})`);
  seen.first = await browser.evaluate(STATUS);

  await browser.drop("wrong.intaglio");
  await browser.until(`document.getElementById("status").className === "wrong"`, "a message about a wrong model");
  seen.wrongModel = await browser.evaluate(STATUS);
  await browser.drop("model.intaglio");
  await browser.until(`/Ready/.test(${STATUS})`);
  seen.facts = await browser.evaluate("document.getElementById('facts').textContent");
  await browser.drop("wrong.txt");
  await browser.until(`/no picture/.test(${STATUS})`);
  seen.wrongPicture = await browser.evaluate(STATUS);

  await browser.drop("small.png");
  await browser.until(`/ s\\.$/.test(${STATUS})`);
  seen.small = await browser.evaluate(PIXELS);
  await browser.shot("wide.png");
  await browser.evaluate("document.getElementById('slider').focus()");
  for (let i = 0; i < 3; ++i) {
    for (const type of ["keyDown", "keyUp"]) await browser.send("Input.dispatchKeyEvent", { type, key: "ArrowLeft", code: "ArrowLeft", windowsVirtualKeyCode: 37 });
  }
  seen.line = await browser.evaluate("document.getElementById('compare').style.getPropertyValue('--at')");
  await browser.size(390, 844, true);
  seen.overflow = await browser.evaluate("document.documentElement.scrollWidth > innerWidth");
  await browser.evaluate("scrollTo(0, 0)");
  await browser.shot("narrow.png");
  await browser.size(1200, 900);

  await browser.drop("large.png");
  await browser.until("!document.getElementById('work').hidden", "work");
  await browser.shot("working.png");
  await browser.evaluate("document.getElementById('cancel').click()");
  await browser.until(`${STATUS} === "Cancelled."`);
  seen.cancelled = true;
  await browser.drop("small.png"); // workers start anew
  await browser.until(`/ s\\.$/.test(${STATUS})`);
  seen.again = (await browser.evaluate(PIXELS)).data === seen.small.data;

  await browser.until("navigator.serviceWorker.ready.then(() => caches.keys()).then((names) => names.length === 1)", "the service worker");
  server.close();
  server.closeAllConnections();
  await browser.send("Page.reload");
  await browser.until(`/Ready|ships no network/.test(${STATUS})`, "the page offline");
  seen.offline = true;
  seen.problems = browser.problems;
} catch (error) {
  seen.error = String(error);
} finally {
  await browser.close();
  server.close();
}
process.stdout.write(JSON.stringify(seen));
