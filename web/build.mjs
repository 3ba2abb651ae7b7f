// Builds the page into ../build/web and the package into package/dist. usage: node build.mjs [--serve]
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { build, context } from "esbuild";

const here = (path) => new URL(path, import.meta.url).pathname;
const site = here("../build/web");
const wasm = here("../build/wasm/intaglio.wasm");
const models = here("../build/models");

if (!existsSync(wasm)) throw new Error("build/wasm/intaglio.wasm is not there; run scripts/wasm.sh first");
const common = { bundle: true, format: "esm", target: "es2022", minify: true, sourcemap: false };

rmSync(site, { recursive: true, force: true });
mkdirSync(site, { recursive: true });
await build({ ...common, entryPoints: [here("src/page.ts"), here("src/worker.ts")], outdir: site });
for (const file of ["index.html", "style.css", "manifest.webmanifest"]) cpSync(here(`src/${file}`), `${site}/${file}`);
cpSync(wasm, `${site}/intaglio.wasm`);

const shipped = existsSync(models) ? readdirSync(models).filter((name) => name.endsWith(".intaglio")).sort() : [];
for (const file of shipped) cpSync(`${models}/${file}`, `${site}/${file}`);
writeFileSync(`${site}/models.json`, JSON.stringify(shipped.map((file) => ({ file, name: file.replace(/\.intaglio$/, "").replaceAll("_", " ") }))));

const files = readdirSync(site).sort();
const hash = createHash("sha256");
for (const file of files) hash.update(file).update(readFileSync(`${site}/${file}`));
const define = { FILES: JSON.stringify(["./", ...files]), VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)) };
await build({ ...common, entryPoints: [here("src/sw.ts")], outdir: site, define });

rmSync(here("package/dist"), { recursive: true, force: true });
await build({ ...common, minify: false, entryPoints: [here("package/src/index.ts")], outdir: here("package/dist"), platform: "neutral" });
const types = spawnSync(process.execPath, [here("node_modules/typescript/bin/tsc"), "-p", here("package/tsconfig.json")], { stdio: "inherit" });
if (types.status) process.exit(types.status);
cpSync(wasm, here("package/dist/intaglio.wasm"));

if (process.argv.includes("--serve")) {
  const server = await (await context({})).serve({ servedir: site, host: "127.0.0.1", port: 8000 });
  console.log(`http://127.0.0.1:${server.port}/`);
}
