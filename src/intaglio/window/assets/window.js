import { compare } from "/compare.js";

const find = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const TITLES = { picture: "as it is", bicubic: "bicubic", model: "in integers", float: "float" };
const POLL = 200; // milliseconds between two questions about what is under way

let models = [];
let pictures = []; // {name, told, node, ways: {model: {job, state, result, error}, ...}, error}
let chosen = null;
const pending = new Map(); // job id -> what to do with what is told of it

// Talking to the window

const ask = async (address, question) => {
  const options = question === undefined ? {} : { method: "POST", ...question };
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The window does not answer; start it again with: intaglio app");
  }
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
};
const askJson = (address, content) => ask(address, { body: JSON.stringify(content) });
const send = (address, file) => ask(`${address}?name=${encodeURIComponent(file.name)}`, { body: file });
const alarm = (text) => { find("alert").textContent = text; find("alert").hidden = !text; };
const say = (text) => { find("status").textContent = text; };
const guarded = (work) => async (...words) => {
  try { alarm(""); await work(...words); } catch (error) { alarm(error.message); }
};

const watch = (job, told) => { pending.set(job.id, told); told(job); };
const poll = async () => {
  try {
    if (pending.size) {
      const { jobs } = await askJson("/api/jobs", { jobs: [...pending.keys()].slice(0, 200) });
      for (const job of jobs) {
        const told = pending.get(job.id);
        if (!["waiting", "running"].includes(job.state)) pending.delete(job.id);
        told(job);
      }
    }
  } catch (error) { alarm(error.message); }
  setTimeout(poll, POLL);
};

// Models

const size = (bytes) => bytes >= 1e6 ? `${(bytes / 1e6).toFixed(2)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
const time = (seconds) => seconds >= 100 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
const model = () => models.find((one) => one.id === find("model").value);

const listModels = (found, wanted) => {
  const before = wanted ?? find("model").value;
  models = found;
  const option = (one) => Object.assign(
    new Option(one.embedded ? `${one.name} (comes with intaglio)` : one.kind === "packed" ? `${one.name}, ${one.label}` : one.name, one.id),
    { disabled: Boolean(one.problem) });
  const group = (label, kind) => {
    const made = make("optgroup", { label });
    made.append(...models.filter((one) => one.kind === kind).map(option));
    return made.children.length ? [made] : [];
  };
  find("model").replaceChildren(...group("Packed, runs in integers", "packed"), ...group("Float, to be quantized", "float"));
  const usable = models.find((one) => one.id === before && !one.problem) ?? models.find((one) => !one.problem);
  if (usable) find("model").value = usable.id;
  tellModel();
};

const tellModel = () => {
  const one = model();
  find("quantize").hidden = !one || one.kind !== "float";
  const beside = one?.source ? " Its float network is here too, for comparison." : "";
  find("model-told").textContent = !one ? "There is no model yet: add a packed one, or a checkpoint to quantize."
    : one.kind === "packed" ? `${one.network} ×${one.scale}, ${one.label}, ${size(one.bytes)}.${beside}`
    : `${size(one.bytes)}.`;
  const problems = models.filter((item) => item.problem);
  if (problems.length) find("model-told").textContent += ` Not usable: ${problems.map((item) => item.name).join(", ")}.`;
};

const refresh = async (wanted) => {
  const found = await ask("/api/models");
  find("folder").textContent = found.folder;
  listModels(found.models, wanted);
};

const addModel = guarded(async (file) => {
  say(`Adding ${file.name}`);
  const { added, models: found } = await send("/api/models", file);
  listModels(found, found.find((one) => one.name === added)?.id);
  say(`${added} is added`);
  enlargeAll();
});

const quantize = guarded(async () => {
  const question = { model: find("model").value, bits: Number(find("bits").value), effort: find("effort").value, coverage: find("coverage").value };
  const job = await askJson("/api/quantize", question);
  find("making").hidden = false;
  find("quantize-go").disabled = true;
  find("making-cancel").onclick = guarded(() => ask(`/api/jobs/${job.id}/cancel`, {}));
  watch(job, tellMaking);
});

const tellMaking = (job) => {
  const bar = find("making-bar");
  if (job.total) Object.assign(bar, { max: job.total, value: job.done }); else bar.removeAttribute("value");
  find("making-stage").textContent = job.stage ? `Quantizing: ${job.stage}, ${job.done} of ${job.total}` : "Quantizing: reading the network";
  find("making-told").textContent = [job.note, job.left !== null && `${time(job.left)} left of this stage`, job.figure].filter(Boolean).join("; ");
  if (["waiting", "running"].includes(job.state)) return;
  find("making").hidden = true;
  find("quantize-go").disabled = false;
  if (job.state === "failed") alarm(job.error);
  if (job.state === "cancelled") say("Cancelled; nothing was written.");
  if (job.state === "done") {
    say(`Quantized: ${size(job.result.bytes)}, ${(job.result.float32_bytes / job.result.bytes).toFixed(2)} times smaller than float32.`);
    refresh(job.result.model).then(enlargeAll).catch((error) => alarm(error.message));
  }
};

// Pictures

const addPicture = async (file) => {
  const one = { name: file.name, ways: {}, error: "", told: null };
  const image = make("img", { alt: "" });
  const state = make("span", { className: "state", textContent: "reading" });
  const button = make("button", { type: "button", onclick: () => select(one) }, image, make("span", { className: "name", textContent: one.name }), state);
  button.setAttribute("aria-pressed", "false");
  Object.assign(one, { button, state, image });
  pictures.push(one);
  find("listed").hidden = false;
  find("pictures").append(make("li", {}, button));
  try {
    one.told = await send("/api/pictures", file);
    image.src = `/files/${one.told.preview}`;
    state.textContent = `${one.told.width} × ${one.told.height}`;
    if (!chosen) select(one); else await enlarge(one, "model");
  } catch (error) {
    fail(one, error.message);
  }
  count();
};

const fail = (one, text) => {
  one.error = text;
  one.button.classList.add("failed");
  one.state.textContent = text;
  say(text);
  count();
};

const addAll = guarded(async (files) => {
  for (const file of files) await addPicture(file);
});

const count = () => {
  const done = pictures.filter((one) => one.ways.model?.state === "done").length;
  const failed = pictures.filter((one) => one.error || one.ways.model?.state === "failed").length;
  find("count").textContent = `${done} of ${pictures.length} enlarged${failed ? `, ${failed} failed` : ""}`;
  find("bundle").disabled = !done;
};

const enlarge = async (one, way) => {
  const by = model();
  if (!one.told || by?.kind !== "packed" || one.ways[way]) return;
  one.ways[way] = { state: "waiting" };
  const job = await askJson("/api/enlarge", { picture: one.told.id, model: by.id, way });
  one.ways[way].job = job.id;
  watch(job, (told) => tellWay(one, way, told));
};

const tellWay = (one, way, job) => {
  if (one.ways[way]?.job !== job.id) return; // of a model that was chosen before
  Object.assign(one.ways[way], { state: job.state, result: job.result, error: job.error });
  if (way === "model") {
    one.state.textContent = job.state === "done" ? `${job.result.width} × ${job.result.height}, ${job.result.seconds.toFixed(2)} s` : job.state;
    if (job.state === "failed") { one.button.classList.add("failed"); one.state.textContent = job.error; }
    if (job.state === "done") say(`${one.name} is enlarged`);
    count();
  }
  if (one === chosen) tellChosen();
};

const enlargeAll = guarded(async () => {
  for (const one of pictures) {
    one.ways = {};
    if (!one.told) continue;
    one.button.classList.remove("failed");
    one.state.textContent = `${one.told.width} × ${one.told.height}`;
  }
  if (chosen) await enlargeWays(chosen);
  for (const one of pictures) await enlarge(one, "model");
  count();
});

const enlargeWays = async (one) => {
  await enlarge(one, "model");
  await enlarge(one, "bicubic");
  if (model()?.source) await enlarge(one, "float");
  tellChosen();
};

const select = guarded(async (one) => {
  if (!one.told) { alarm(one.error); return; }
  chosen?.button.setAttribute("aria-pressed", "false");
  chosen = one;
  one.button.setAttribute("aria-pressed", "true");
  await enlargeWays(one);
});

const tellChosen = () => {
  const { told, ways } = chosen;
  const views = new Map([["picture", { title: TITLES.picture, src: `/files/${told.preview}`, alt: `${chosen.name}, as it is`, width: told.width }]]);
  for (const way of ["bicubic", "model", "float"]) {
    const result = ways[way]?.state === "done" && ways[way].result;
    if (result) views.set(way, { title: TITLES[way], src: `/files/${result.preview}`, alt: `${chosen.name}, ${TITLES[way]}`, width: result.width });
  }
  find("comparing").hidden = false;
  compare(views);
  find("ways").replaceChildren(...["model", "float", "bicubic"].filter((way) => ways[way]).map((way) => row(way, ways[way])));
  const by = model();
  const source = by && models.find((one) => one.id === by.source);
  find("sizes").textContent = by?.kind !== "packed" ? "Quantize this network, or choose a packed model, to enlarge the picture."
    : `${by.name}: ${size(by.bytes)}${source ? `; its float network, ${source.name}: ${size(source.bytes)}` : ""}.`;
};

const row = (way, { state, result, error }) => {
  const title = make("th", { scope: "row", textContent: TITLES[way] });
  if (state === "failed") return make("tr", {}, title, make("td", { className: "failed", colSpan: 6, textContent: error }));
  if (state !== "done") return make("tr", {}, title, make("td", { textContent: state }), ...Array.from({ length: 5 }, () => make("td")));
  const link = make("a", { href: `/files/${result.file}?download`, download: result.name, textContent: "Download" });
  link.setAttribute("aria-label", `Download ${result.name}, ${TITLES[way]}`);
  const speed = result.width * result.height / 1e6 / Math.max(result.seconds, 1e-6);
  const cells = [result.seconds.toFixed(3), speed.toFixed(2), `${result.width} × ${result.height}`, size(result.bytes), result.runs_on];
  return make("tr", {}, title, ...cells.map((text) => make("td", { textContent: text })), make("td", {}, link));
};

const bundle = guarded(async () => {
  const files = pictures.map((one) => one.ways.model).filter((way) => way?.state === "done").map((way) => way.result.file);
  const { file, name } = await askJson("/api/bundle", { files });
  make("a", { href: `/files/${file}?download`, download: name }).click();
});

// Dropping: files, and folders with all below them

const entries = async (reader) => {
  const found = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    found.push(...part);
  }
};
const filesOf = async (entry) => {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  return (await Promise.all((await entries(entry.createReader())).map(filesOf))).flat();
};
const isModel = (name) => /\.(intaglio|pth|pt|ckpt|safetensors)$/i.test(name);
const take = async (files) => {
  const shown = files.filter((file) => !file.name.startsWith("."));
  for (const file of shown.filter((one) => isModel(one.name))) await addModel(file);
  const rest = shown.filter((one) => !isModel(one.name));
  if (rest.length) await addAll(rest);
};
const drop = guarded(async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const dropped = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = dropped.length ? (await Promise.all(dropped.map(filesOf))).flat() : [...event.dataTransfer.files];
  await take(files);
});

addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
addEventListener("drop", drop);
for (const [button, input] of [["choose", "files"], ["choose-folder", "folder-files"], ["add-model", "model-file"]]) {
  find(button).addEventListener("click", () => find(input).click());
  find(input).addEventListener("change", async (event) => {
    await take([...event.target.files]);
    event.target.value = "";
  });
}
find("model").addEventListener("change", () => { tellModel(); enlargeAll(); });
find("quantize").addEventListener("submit", (event) => { event.preventDefault(); quantize(); });
find("bundle").addEventListener("click", bundle);
guarded(refresh)();
poll();
