// A heat map over a picture: what does not count fades to gray, what counts keeps its color under orange.

import { make } from "./dom.js";

const SIDE = 320;

/** A picture file, rows of cells 0..1, and the box that they lie over (null: the whole) as a labeled canvas. */
export async function heated(file, rows, box, label) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const [x0, y0, x1, y1] = box ?? [0, 0, 1, 1];
  const [width, height] = [(x1 - x0) * image.width, (y1 - y0) * image.height];
  const scale = SIDE / Math.max(width, height);
  const canvas = make("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), role: "img", "aria-label": label });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, x0 * image.width, y0 * image.height, width, height, 0, 0, canvas.width, canvas.height);
  const shown = pen.getImageData(0, 0, canvas.width, canvas.height);
  const heat = smooth(rows, canvas.width, canvas.height);
  for (let place = 0; place < heat.length; place++) {
    const weight = heat[place] / 255;
    const [red, green, blue] = shown.data.subarray(place * 4, place * 4 + 3);
    const gray = ((red + green + blue) / 3) * 0.6 + 80;
    shown.data[place * 4] = gray * (1 - weight) + (0.6 * red + 102) * weight;
    shown.data[place * 4 + 1] = gray * (1 - weight) + (0.6 * green + 56) * weight;
    shown.data[place * 4 + 2] = gray * (1 - weight) + 0.6 * blue * weight;
  }
  pen.putImageData(shown, 0, 0);
  return make("figure", {}, canvas, make("figcaption", { class: "small" }, label));
}

/** Few cells -> one level 0..255 a pixel; the browser's own scaling smooths. */
function smooth(rows, width, height) {
  const cells = make("canvas", { width: rows[0].length, height: rows.length });
  const pen = cells.getContext("2d");
  const levels = pen.createImageData(rows[0].length, rows.length);
  rows.flat().forEach((level, place) => levels.data.set([level * 255, 0, 0, 255], place * 4));
  pen.putImageData(levels, 0, 0);
  const large = make("canvas", { width, height });
  const over = large.getContext("2d");
  over.imageSmoothingQuality = "high";
  over.drawImage(cells, 0, 0, width, height);
  return over.getImageData(0, 0, width, height).data.filter((_, place) => place % 4 === 0);
}
