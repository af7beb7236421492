// Search: the query, its answer on the page, and the events of the user.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";
import { card, openProduct } from "./hits.js";
import { Boxes, shrink, takePhotos } from "./photo.js";

const AUTOMATIC = { box: null, regions: "auto" };
const query = { photo: null, text: "", product: "", ...AUTOMATIC, category: "", filter: "", right: [], wrong: [] };
const names = new Map(); // titles of the marked products by id
let answer = null;
let running = null;
let boxes = null;
const [latestPhoto, latestFacet] = [newest(), newest()];

export async function start() {
  boxes = new Boxes(by("stage"), pickBox);
  takePhotos(takePhoto);
  by("query").addEventListener("submit", async (event) => {
    event.preventDefault();
    await run({ product: query.photo || by("text").value.trim() ? "" : query.product });
    if (matchMedia("(max-width: 56rem)").matches) by("status").scrollIntoView(); // on a phone the hits are below
  });
  by("clear").addEventListener("click", () => {
    latestPhoto(); // cancels a photo that is still being downscaled
    by("photo").hidden = true;
    by("drop").hidden = false;
    by("file").focus();
    run({ photo: null, category: "", ...AUTOMATIC });
  });
  by("auto").addEventListener("click", () => run({ ...AUTOMATIC }));
  by("whole").addEventListener("click", () => run({ box: null, regions: "whole" }));
  by("every").addEventListener("click", () => run({ box: null, regions: "all" }));
  by("more").addEventListener("click", more);
  by("facet").addEventListener("change", countFacet);
  by("filter").addEventListener("change", countFacet);
  by("shown").addEventListener("error", () => preview(false));
  by("shown").addEventListener("load", () => preview(true));
  await describe();
}

function preview(visible) {
  by("shown").hidden = !visible;
  by("no-preview").hidden = visible;
}

/** Show the size and the fields of the catalog, and the pages that the scopes of the caller allow. */
export async function describe() {
  try {
    describeFields(await api.info());
  } catch (error) {
    by("status").textContent = error.message;
    by("change-key").hidden = error.code !== "key_missing";
    return;
  }
  by("change-key").hidden = !api.hasKey();
}

function describeFields({ fields, products, pictures, read_only, scopes }) {
  document.documentElement.toggleAttribute("data-read-only", read_only); // hides what changes the catalog
  document.documentElement.dataset.may = scopes.join(" ");
  const names = Object.keys(fields);
  by("filter-help").textContent = `Fields: ${names.map((name) => `${name} (${fields[name]})`).join(", ")}`;
  by("facet").replaceChildren(make("option", { value: "" }, "nothing"), ...names.filter((name) => ["text", "bool", "list"].includes(fields[name]) && !["title", "description"].includes(name)).map((name) => make("option", { value: name }, name)));
  if (!running) by("status").textContent = `${products.toLocaleString()} products, ${pictures.toLocaleString()} pictures. Enter a photo or a text.`;
}

async function takePhoto(file) {
  location.hash = "search";
  const isLatest = latestPhoto();
  const photo = await shrink(file);
  if (!isLatest()) return; // another photo was chosen meanwhile
  const image = by("shown");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(photo);
  by("photo").hidden = false;
  by("drop").hidden = true;
  boxes.draw([], null);
  await run({ photo, category: "", product: "", ...AUTOMATIC });
}

/** Remove a file that is not a picture, so that another can be chosen. */
function dropPhoto() {
  by("photo").hidden = true;
  by("drop").hidden = false;
  Object.assign(query, { photo: null, category: "", ...AUTOMATIC });
}

function pickBox(box) {
  const rounded = box.map((side) => Math.round(side * 1e4) / 1e4);
  api.report([{ kind: "box_change", search: answer?.request_id ?? "", box: rounded, before: answer?.box ?? null, space: answer?.space ?? "" }]);
  return run({ box: rounded, regions: "auto", category: "" });
}

/** Change the query and search. */
export async function run(changes = {}) {
  const text = by("text").value.trim();
  const isNewQuery = text !== query.text || ["photo", "product", "box", "regions"].some((name) => name in changes && changes[name] !== query[name]);
  if (isNewQuery) Object.assign(query, { right: [], wrong: [] }); // relevance feedback belongs to one query
  Object.assign(query, { text, filter: by("filter").value.trim() }, changes);
  running?.abort(); // also if the query is empty now
  if (!query.photo && !query.text && !query.product) {
    answer = null;
    show();
    return;
  }
  running = new AbortController();
  by("status").textContent = "Searching …";
  by("hits").setAttribute("aria-busy", "true");
  try {
    answer = await api.search(query, running.signal);
    show();
    reportImpressions(answer, 0);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (query.photo && error.code?.startsWith("picture_")) dropPhoto();
    if (isNewQuery || error.field !== "filter") answer = null; // hits of another query do not answer this one
    show();
    by("status").textContent = error.message;
  }
}

async function more() {
  const before = answer;
  try {
    const page = await api.search({ ...query, cursor: before.next });
    if (answer !== before) return; // the page belongs to an overtaken search
    const place = before.hits.length;
    answer = { ...before, next: page.next, hits: [...before.hits, ...page.hits] };
    by("hits").querySelector("ul").append(...page.hits.map((hit, row) => hitCard(hit, place + row + 1)));
    by("more").hidden = !page.next;
    reportImpressions(page, place);
  } catch (error) {
    if (answer === before) by("status").textContent = error.message;
  }
}

function reportImpressions(page, before) {
  if (!page.hits.length) return;
  api.report(page.hits.map((hit, row) => ({ kind: "impression", search: page.request_id, product: hit.product.id, position: before + row + 1, score: hit.score, space: page.space })));
}

function show() {
  const hits = answer?.hits ?? [];
  boxes.draw((answer?.regions ?? []).map((region) => region.box), answer?.box ?? null);
  for (const [id, regions] of [["auto", "auto"], ["whole", "whole"], ["every", "all"]]) by(id).setAttribute("aria-pressed", String(!query.box && query.regions === regions));
  by("more").hidden = !answer?.next;
  by("status").textContent = answer ? verdict(hits) : "Enter a photo or a text.";
  showMarks();
  showCategories();
  const groups = answer?.groups ?? [];
  by("hits").replaceChildren(...(groups.length ? groups.map(showGroup) : [cards(hits)]));
  by("hits").setAttribute("aria-busy", "false");
}

function verdict(hits) {
  const milliseconds = Math.round(Object.values(answer.timings).reduce((sum, one) => sum + one, 0));
  if (!hits.length) return "Nothing found. Relax the filter or try another text.";
  if (answer.verdict === "none") return `No confident match: the shop may not sell this. The most similar products are below. (${milliseconds} ms)`;
  return `${hits.length}${answer.next ? " or more" : ""} hits in ${milliseconds} ms.`;
}

const cards = (hits) => make("ul", { class: "cards", "aria-label": "Hits" }, ...hits.map((hit, row) => hitCard(hit, row + 1)));

function showGroup(group, place) {
  return make("section", { class: "group", "aria-label": `Object ${place + 1}` }, make("h2", {}, `Object ${place + 1}`), cards(group.hits.slice(0, 6)));
}

function hitCard(hit, position) {
  const { product, picture } = hit;
  const clicked = () => {
    api.report([{ kind: "click", search: answer.request_id, product: product.id, position, score: hit.score, space: answer.space }]);
    openProduct(product.id, hit, { photo: query.photo, box: answer.box });
  };
  const mark = (name) => () => {
    const other = name === "right" ? "wrong" : "right";
    names.set(product.id, product.title || product.id);
    run({ [name]: [...new Set([...query[name], product.id])], [other]: query[other].filter((id) => id !== product.id) });
  };
  const like = () => {
    by("photo").hidden = true;
    by("drop").hidden = false;
    by("text").value = "";
    run({ photo: null, category: "", product: product.id, ...AUTOMATIC });
    scrollTo({ top: 0 });
  };
  return card(product, picture, { hit, onOpen: clicked, actions: [["Why", clicked], ["More like this", like], ...(query.product ? [] : [["This", mark("right"), query.right.includes(product.id)], ["Not this", mark("wrong")]])] });
}

/** Buttons that remove the relevance feedback on products. */
function showMarks() {
  const chips = ["right", "wrong"].flatMap((name) => query[name].map((id) => make("button", {
    type: "button", "aria-label": `Remove the mark: ${names.get(id)}`, onclick: () => run({ [name]: query[name].filter((one) => one !== id) }),
  }, `${name === "right" ? "This" : "Not this"}: ${names.get(id)} ×`)));
  by("marks").hidden = !chips.length;
  by("marks").replaceChildren(...chips);
}

function showCategories() {
  const known = answer?.categories ?? [];
  by("categories").hidden = known.length < 2;
  by("categories").replaceChildren(...known.slice(0, 6).map(({ category, probability }) => make("button", {
    type: "button", "aria-pressed": String(query.category === category), onclick: () => switchCategory(category),
  }, `${category} ${percent(probability)}`)));
}

function switchCategory(category) {
  const next = query.category === category ? "" : category;
  if (next) api.report([{ kind: "category_switch", search: answer.request_id, category: next, before: query.category || answer.categories[0].category, space: answer.space }]);
  return run({ category: next });
}

async function countFacet() {
  const field = by("facet").value;
  const filter = by("filter").value.trim();
  const isLatest = latestFacet();
  if (!field) {
    by("facets").replaceChildren();
    return;
  }
  try {
    const { values } = await api.facets(field, filter);
    if (!isLatest()) return;
    by("facets").replaceChildren(...values.map(({ value, count }) => make("button", { type: "button", onclick: () => addFilter(field, value) }, `${value} (${count})`)));
  } catch (error) {
    if (isLatest()) by("status").textContent = error.message;
  }
}

function addFilter(field, value) {
  const literal = typeof value === "string" ? `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"` : String(value);
  const now = by("filter").value.trim();
  by("filter").value = now ? `(${now}) and ${field} = ${literal}` : `${field} = ${literal}`;
  countFacet();
  run();
}
