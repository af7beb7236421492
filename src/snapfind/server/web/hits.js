// Hits and products as cards, and one product as a dialog.

import * as api from "./api.js";
import { by, make, newest, percent, price } from "./dom.js";
import { heatMap } from "./heat.js";

const latest = newest();
const WORDS = { match: "match", similar: "similar", none: "unlikely" };

function picture(url, alt) {
  const image = make("img", { alt, loading: "lazy", decoding: "async" });
  api.show(image, url);
  return image;
}

/** A card. `actions` is a list of [label, handler, whether it is pressed]. */
export function card(product, main, { hit = null, onOpen, actions = [] }) {
  const name = product.title || product.id;
  return make("li", { class: "card" },
    make("button", { type: "button", class: "open", "aria-label": `Open ${name}`, onclick: onOpen }, picture(main.url, name)),
    make("h3", {}, name),
    make("p", { class: "small" }, [price(product.price), product.brand, product.category].filter(Boolean).join(" · ")),
    hit && make("p", {}, make("span", { class: `verdict ${hit.verdict}` }, WORDS[hit.verdict]), ` ${percent(hit.score)}`),
    hit && make("meter", { min: 0, max: 1, value: hit.score, "aria-label": "Probability that it is the same product" }),
    make("div", { class: "row" }, ...actions.map(([label, act, done]) => make("button", { type: "button", onclick: act, "aria-label": `${label}: ${name}`, ...(done ? { "aria-pressed": "true" } : {}) }, label))),
  );
}

function facts(pairs) {
  return make("dl", { class: "facts" }, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

/** A description as plain text. It may contain HTML, of which nothing is executed or loaded. */
function readable(text) {
  if (!/<[a-z/!][^<>]*>|&#?\w{2,31};/i.test(text)) return text;
  return new DOMParser().parseFromString(text.replaceAll("<", " <"), "text/html").body.textContent.replace(/\s+/g, " ").trim();
}

/** Show a product, and the explanation of a hit. `searched` is the photo and its box. */
export async function openProduct(id, hit = null, searched = null) {
  const isLatest = latest();
  const { product } = await api.product(id);
  if (!isLatest()) return;
  const known = Object.entries(product.attributes).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)]);
  const pairs = [["id", product.id], ["price", price(product.price)], ["brand", product.brand], ["category", product.category], ["description", readable(product.description)], ...known].filter(([, value]) => value);
  by("product-body").replaceChildren(
    make("h2", { id: "product-title" }, product.title || product.id),
    make("div", { class: "pictures" }, ...product.pictures.map((one) => picture(one.url, product.title || product.id))),
    facts(pairs),
    ...(hit ? why(hit) : []),
  );
  by("product").showModal();
  if (hit && searched?.photo) await showHeat(hit, searched);
}

async function showHeat(hit, { photo, box }) {
  const place = make("div", { class: "why" });
  by("product-body").append(place);
  try {
    const heat = await api.explain(photo, hit.product.id, hit.picture.name, box);
    place.append(await heatMap(photo, heat.photo, box, "Your photo: regions that match the product"));
    place.append(await heatMap(await api.fetchPicture(hit.picture.url), heat.picture, null, "The product: regions that match your photo"));
  } catch (error) {
    place.append(make("p", { class: "note" }, error.message));
  }
}

function why(hit) {
  const parts = Object.entries(hit.parts ?? {}).map(([signal, value]) => [signal, value.toFixed(3)]);
  return [
    make("h3", {}, "Why this hit"),
    make("p", {}, `Probability that it is the same product: ${percent(hit.score)}. Picture: ${hit.picture.name}.`),
    facts(parts),
  ];
}
