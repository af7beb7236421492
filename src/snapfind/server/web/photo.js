// The query photo: input, downscaling before upload, and boxes over it.

import { by, make } from "./dom.js";

const SIDE = 1280; // longest side in pixels that is sent: enough for a small box, small for a mobile connection

/** Downscale a file to an upright picture without metadata. Return the file itself if the browser cannot decode it.
 *
 * JPEG, or PNG if it is transparent, because the server chooses the background of a cutout. */
export async function shrink(file) {
  try {
    const image = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
    const canvas = make("canvas", { width: Math.max(1, Math.round(image.width * scale)), height: Math.max(1, Math.round(image.height * scale)) });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const levels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    const format = levels.some((level, place) => place % 4 === 3 && level < 255) ? "image/png" : "image/jpeg";
    return await new Promise((done) => canvas.toBlob((blob) => done(blob ?? file), format, 0.9));
  } catch {
    return file;
  }
}

/** Call `onPhoto(file)` for a dropped, pasted, chosen or captured file. */
export function takePhotos(onPhoto) {
  for (const id of ["file", "camera"]) {
    by(id).addEventListener("change", (event) => {
      if (event.target.files[0]) onPhoto(event.target.files[0]);
      event.target.value = "";
    });
  }
  const first = (items) => [...(items ?? [])].find((file) => file.type.startsWith("image/"));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    by("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => by("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    by("drop").classList.remove("over");
    const file = first(event.dataTransfer.files) ?? event.dataTransfer.files[0]; // browsers give HEIC no type; the server decides what it supports
    if (file) onPhoto(file);
  });
  document.addEventListener("paste", (event) => {
    const file = first(event.clipboardData.files);
    if (file) onPhoto(file);
  });
}

const clamp = (value) => Math.min(1, Math.max(0, value));

/** Boxes over the photo; `onBox(box)` is called when the user picks, draws or moves one. */
export class Boxes {
  constructor(stage, onBox) {
    this.stage = stage;
    this.onBox = onBox;
    this.drag();
  }

  draw(boxes, active) {
    const held = this.stage.contains(document.activeElement);
    this.stage.querySelectorAll("button.box").forEach((box) => box.remove());
    this.active = active;
    const same = (a, b) => a && b && a.every((side, place) => Math.abs(side - b[place]) < 1e-3);
    const all = active && !boxes.some((box) => same(box, active)) ? [active, ...boxes] : boxes;
    all.forEach((box, place) => {
      const pressed = same(box, active);
      const button = make("button", { type: "button", class: "box", "aria-label": `Object ${place + 1} of ${all.length}`, "aria-pressed": String(Boolean(pressed)) });
      this.place(button, box);
      button.addEventListener("click", () => this.onBox(box));
      button.addEventListener("keydown", (event) => this.move(event, button, box));
      this.stage.append(button);
      if (held && pressed) button.focus({ preventScroll: true }); // so that a box can be moved further by keyboard
    });
  }

  place(button, [x0, y0, x1, y1]) {
    Object.assign(button.style, { left: `${x0 * 100}%`, top: `${y0 * 100}%`, width: `${(x1 - x0) * 100}%`, height: `${(y1 - y0) * 100}%` });
  }

  move(event, button, box) {
    const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [dx, dy] = step;
    const [x0, y0, x1, y1] = this.moved ?? box;
    const next = event.shiftKey
      ? [x0, y0, clamp(Math.max(x0 + 0.04, x1 + dx)), clamp(Math.max(y0 + 0.04, y1 + dy))]
      : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
    if (next.some((side) => side < 0 || side > 1)) return;
    this.moved = next;
    this.place(button, next);
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      this.moved = null;
      this.onBox(next);
    }, 500);
  }

  drag() {
    let from = null;
    let frame = null;
    const at = (event) => {
      const around = this.stage.getBoundingClientRect();
      return [clamp((event.clientX - around.left) / around.width), clamp((event.clientY - around.top) / around.height)];
    };
    const sides = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    this.stage.addEventListener("pointerdown", (event) => {
      from = event.button === 0 ? at(event) : null;
    });
    window.addEventListener("pointermove", (event) => {
      if (!from) return;
      const box = sides(from, at(event));
      if (!frame && (box[2] - box[0] > 0.03 || box[3] - box[1] > 0.03)) {
        frame = make("div", { class: "box", "aria-hidden": "true" });
        this.stage.append(frame);
      }
      if (frame) this.place(frame, box);
    });
    window.addEventListener("pointerup", (event) => {
      if (from && frame) {
        const box = sides(from, at(event));
        frame.remove();
        if (box[2] - box[0] > 0.03 && box[3] - box[1] > 0.03) {
          // the click that ends the drag must not pick the box below it
          const swallow = (click) => click.stopPropagation();
          window.addEventListener("click", swallow, { capture: true, once: true });
          setTimeout(() => window.removeEventListener("click", swallow, { capture: true })); // there may have been none
          this.onBox(box);
        }
      }
      from = frame = null;
    });
  }
}
