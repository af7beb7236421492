// Heat map over a picture: irrelevant regions fade to gray, relevant ones are tinted orange.

import { make } from "./dom.js";

const SIDE = 320;

/** A labeled canvas of a picture file with a heat map: rows of cells 0..1 over a box (null: the whole picture). */
export async function heatMap(file, rows, box, label) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const [x0, y0, x1, y1] = box ?? [0, 0, 1, 1];
  const [width, height] = [(x1 - x0) * image.width, (y1 - y0) * image.height];
  const scale = SIDE / Math.max(width, height);
  const canvas = make("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), role: "img", "aria-label": label });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, x0 * image.width, y0 * image.height, width, height, 0, 0, canvas.width, canvas.height);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
  const heat = smooth(rows, canvas.width, canvas.height);
  for (let place = 0; place < heat.length; place++) {
    const weight = heat[place] / 255;
    const [red, green, blue] = pixels.data.subarray(place * 4, place * 4 + 3);
    const gray = ((red + green + blue) / 3) * 0.6 + 80;
    pixels.data[place * 4] = gray * (1 - weight) + (0.6 * red + 102) * weight;
    pixels.data[place * 4 + 1] = gray * (1 - weight) + (0.6 * green + 56) * weight;
    pixels.data[place * 4 + 2] = gray * (1 - weight) + 0.6 * blue * weight;
  }
  pen.putImageData(pixels, 0, 0);
  return make("figure", {}, canvas, make("figcaption", { class: "small" }, label));
}

/** Upsample the cells to one level 0..255 per pixel by the smooth scaling of the browser. */
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
