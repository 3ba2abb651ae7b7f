/** The picture as it was beside the enlarged one, with a line that moves. */

import type { Enlarged } from "../package/src/upscale.js";

function canvas(id: string): HTMLCanvasElement {
  return document.getElementById(id) as HTMLCanvasElement;
}

/** Shows both; returns the canvas of the enlarged one. */
export function showBoth(before: ImageData, after: Enlarged): HTMLCanvasElement {
  const [was, is] = [canvas("before"), canvas("after")];
  [was.width, was.height] = [before.width, before.height];
  was.getContext("2d")!.putImageData(before, 0, 0);
  [is.width, is.height] = [after.width, after.height];
  is.getContext("2d")!.putImageData(new ImageData(after.data, after.width, after.height), 0, 0);
  return is;
}

/** The slider covers the picture: pointer, touch and arrow keys come with it. */
export function connectSlider(): void {
  const slider = document.getElementById("slider") as HTMLInputElement;
  const area = document.getElementById("compare")!;
  slider.addEventListener("input", () => area.style.setProperty("--at", `${slider.value}%`));
}
