// Answers questions about models, one JSON object a line: the WebAssembly engine under node, driven by the tests in this folder.
// usage: node harness.mjs FOLDER-OF-THE-PACKAGE
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { load } = await import(pathToFileURL(`${process.argv[2]}/dist/index.js`).href);
const module = await WebAssembly.compile(readFileSync(`${process.argv[2]}/dist/intaglio.wasm`));

async function answer({ model, width, height, picture, result, tile, abort }) {
  const loaded = await load(new Uint8Array(readFileSync(model)), module);
  if (!picture) return loaded.facts;
  const control = new AbortController();
  const shares = [];
  const onProgress = (share) => {
    shares.push(share);
    if (abort !== undefined && share >= abort) control.abort();
  };
  const data = new Uint8Array(readFileSync(picture));
  const began = performance.now();
  const found = await loaded.upscale({ data, width, height }, { tile, onProgress, signal: control.signal });
  const seconds = (performance.now() - began) / 1000;
  writeFileSync(result, found.data);
  return { ...loaded.facts, width: found.width, height: found.height, seconds, shares: shares.length, last: shares.at(-1) };
}

for await (const line of createInterface({ input: process.stdin })) {
  let found;
  try {
    found = await answer(JSON.parse(line));
  } catch (error) {
    found = { error: error.message, kind: error.name };
  }
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
