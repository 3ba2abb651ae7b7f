// Two pictures of the same place, one over the other, with a divider that moves by key and by pointer.

const find = (id) => document.getElementById(id);
const [over, under, split, stage, line, frame, left, right, zoom] =
  ["over", "under", "split", "stage", "line", "frame", "left", "right", "zoom"].map(find);

let views = new Map();
const wished = new Set(); // the selects that a person has set; the others follow what comes

const divide = () => {
  over.style.clipPath = `inset(0 ${100 - split.value}% 0 0)`;
  line.style.left = `${split.value}%`;
  const [first, second] = [left, right].map((select) => views.get(select.value)?.title ?? "");
  split.setAttribute("aria-valuetext", `${first} up to ${split.value} percent, then ${second}`);
};

const show = (image, select) => {
  const view = views.get(select.value);
  if (!view) return;
  if (image.getAttribute("src") !== view.src) image.src = view.src;
  image.alt = view.alt;
};

const choose = () => { show(over, left); show(under, right); divide(); };

// The size on screen is that of the enlarged picture, whichever view is shown.
const scale = () => {
  const width = Math.max(0, ...[...views.values()].map((view) => view.width));
  stage.classList.toggle("enlarged", Number(zoom.value) > 1);
  stage.style.width = zoom.value === "fit" ? "100%" : `${width * Number(zoom.value) / devicePixelRatio}px`;
};

const drag = (event) => {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = stage.getBoundingClientRect();
  split.value = Math.round(100 * (event.clientX - box.left) / box.width);
  divide();
};

const fill = (select, wanted) => {
  const kept = wished.has(select) && views.has(select.value) ? select.value : wanted.find((name) => views.has(name));
  const names = [...select.options].map((option) => option.value);
  const same = names.length === views.size && names.every((name) => views.has(name));
  if (!same) select.replaceChildren(...[...views].map(([name, view]) => new Option(view.title, name)));
  select.value = kept;
};

// `found` is a map from names to {title, alt, src, width}; what a person chose stays where it can.
export const compare = (found) => {
  views = found;
  fill(left, ["bicubic", "picture"]);
  fill(right, ["model", "float", "bicubic", "picture"]);
  choose();
  scale();
};

for (const select of [left, right]) select.addEventListener("change", () => { wished.add(select); choose(); });
zoom.addEventListener("change", scale);
split.addEventListener("input", divide);
stage.addEventListener("pointerdown", drag);
stage.addEventListener("pointermove", drag);
frame.addEventListener("keydown", (event) => {
  if (zoom.value === "fit" && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    split.value = Number(split.value) + (event.key === "ArrowRight" ? 1 : -1);
    divide();
  }
});
