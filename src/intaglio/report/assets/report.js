"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const views = new Map([...document.querySelectorAll("[data-view]")].map((image) => [image.dataset.view, image]));
  const [left, right, over, under, split, stage, line] =
    ["left", "right", "over", "under", "split", "stage", "line"].map(find);

  const show = (image, select) => {
    const view = views.get(select.value);
    image.src = view.src;
    image.alt = view.alt;
  };
  const divide = () => {
    over.style.clipPath = `inset(0 ${100 - split.value}% 0 0)`;
    line.style.left = `${split.value}%`;
    const names = [left, right].map((select) => views.get(select.value).dataset.title);
    split.setAttribute("aria-valuetext", `${names[0]} up to ${split.value} percent, then ${names[1]}`);
  };
  const choose = () => { show(over, left); show(under, right); divide(); };
  const drag = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = stage.getBoundingClientRect();
    split.value = Math.round(100 * (event.clientX - box.left) / box.width);
    divide();
  };

  for (const select of [left, right]) {
    for (const [name, image] of views) select.add(new Option(image.dataset.title, name));
    select.addEventListener("change", choose);
  }
  left.value = views.has("float") ? "float" : "bicubic";
  right.value = "quantized";
  split.addEventListener("input", divide);
  stage.addEventListener("pointerdown", drag);
  stage.addEventListener("pointermove", drag);
  choose();
  find("compare").hidden = false;
})();
