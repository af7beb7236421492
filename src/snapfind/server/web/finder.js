// The search: what is asked for, the answer on the page, and what a shopper does with it.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";
import { card, openProduct } from "./hits.js";
import { Boxes, shrink, takePhotos } from "./photo.js";

const AUTOMATIC = { box: null, regions: "subject" };
const asked = { photo: null, text: "", product: "", ...AUTOMATIC, category: "", filter: "", right: [], wrong: [] };
const names = new Map(); // titles of the marked products by id
let answer = null;
let running = null;
let boxes = null;
const [photoTurn, facetTurn] = [newest(), newest()];

export async function start() {
  boxes = new Boxes(by("stage"), pickBox);
  takePhotos(takePhoto);
  by("query").addEventListener("submit", async (event) => {
    event.preventDefault();
    await run({ product: asked.photo || by("text").value.trim() ? "" : asked.product });
    if (matchMedia("(max-width: 56rem)").matches) by("status").scrollIntoView(); // on a phone the hits are below
  });
  by("clear").addEventListener("click", () => {
    photoTurn(); // nor is one wanted that is still made ready
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

function preview(shown) {
  by("shown").hidden = !shown;
  by("no-preview").hidden = shown;
}

/** What the shop holds and what the caller may do: its fields, and which pages are shown. */
export async function describe() {
  try {
    describeFields(await api.info());
  } catch (fault) {
    by("status").textContent = fault.message;
    by("change-key").hidden = fault.code !== "key_missing";
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
  if (!running) by("status").textContent = `${products.toLocaleString()} products, ${pictures.toLocaleString()} pictures. Give a photo or words.`;
}

async function takePhoto(file) {
  location.hash = "search";
  const mine = photoTurn();
  const photo = await shrink(file);
  if (!mine()) return; // another was given meanwhile
  const shown = by("shown");
  URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(photo);
  by("photo").hidden = false;
  by("drop").hidden = true;
  boxes.draw([], null);
  await run({ photo, category: "", product: "", ...AUTOMATIC });
}

/** Forget a file that is no picture, and offer to choose one again. */
function dropPhoto() {
  by("photo").hidden = true;
  by("drop").hidden = false;
  Object.assign(asked, { photo: null, category: "", ...AUTOMATIC });
}

function pickBox(box) {
  const rounded = box.map((side) => Math.round(side * 1e4) / 1e4);
  api.tell([{ kind: "box_change", search: answer?.request_id ?? "", box: rounded, before: answer?.box ?? null, space: answer?.space ?? "" }]);
  return run({ box: rounded, regions: "subject", category: "" });
}

/** Change the query and ask. */
export async function run(changes = {}) {
  const text = by("text").value.trim();
  const another = text !== asked.text || ["photo", "product", "box", "regions"].some((name) => name in changes && changes[name] !== asked[name]);
  if (another) Object.assign(asked, { right: [], wrong: [] }); // marks belong to one question
  Object.assign(asked, { text, filter: by("filter").value.trim() }, changes);
  running?.abort(); // also where nothing is asked for any more
  if (!asked.photo && !asked.text && !asked.product) {
    answer = null;
    show();
    return;
  }
  running = new AbortController();
  by("status").textContent = "Searching …";
  by("hits").setAttribute("aria-busy", "true");
  try {
    answer = await api.search(asked, running.signal);
    show();
    tellShown(answer, 0);
  } catch (fault) {
    if (fault.name === "AbortError") return;
    if (asked.photo && fault.code?.startsWith("picture_")) dropPhoto();
    if (another || fault.field !== "filter") answer = null; // hits of another question are no answer to this one
    show();
    by("status").textContent = fault.message;
  }
}

async function more() {
  const before = answer;
  try {
    const page = await api.search({ ...asked, cursor: before.next });
    if (answer !== before) return; // these belong to a search that another one followed
    const place = before.hits.length;
    answer = { ...before, next: page.next, hits: [...before.hits, ...page.hits] };
    by("hits").querySelector("ul").append(...page.hits.map((hit, row) => hitCard(hit, place + row + 1)));
    by("more").hidden = !page.next;
    tellShown(page, place);
  } catch (fault) {
    if (answer === before) by("status").textContent = fault.message;
  }
}

function tellShown(page, before) {
  if (!page.hits.length) return;
  api.tell(page.hits.map((hit, row) => ({ kind: "impression", search: page.request_id, product: hit.product.id, position: before + row + 1, score: hit.score, space: page.space })));
}

function show() {
  const hits = answer?.hits ?? [];
  boxes.draw((answer?.regions ?? []).map((region) => region.box), answer?.box ?? null);
  for (const [id, regions] of [["auto", "subject"], ["whole", "whole"], ["every", "all"]]) by(id).setAttribute("aria-pressed", String(!asked.box && asked.regions === regions));
  by("more").hidden = !answer?.next;
  by("status").textContent = answer ? verdict(hits) : "Give a photo or words.";
  showMarks();
  showCategories();
  const groups = answer?.groups ?? [];
  by("hits").replaceChildren(...(groups.length ? groups.map(showGroup) : [cards(hits)]));
  by("hits").setAttribute("aria-busy", "false");
}

function verdict(hits) {
  const spent = Math.round(Object.values(answer.timings).reduce((sum, one) => sum + one, 0));
  if (!hits.length) return "Nothing found. Loosen the filter or try other words.";
  if (answer.verdict === "none") return `No confident match: the shop may not sell this. The nearest are below. (${spent} ms)`;
  return `${hits.length}${answer.next ? " or more" : ""} hits in ${spent} ms.`;
}

const cards = (hits) => make("ul", { class: "cards", "aria-label": "Hits" }, ...hits.map((hit, row) => hitCard(hit, row + 1)));

function showGroup(group, place) {
  return make("section", { class: "group", "aria-label": `Object ${place + 1}` }, make("h2", {}, `Object ${place + 1}`), cards(group.hits.slice(0, 6)));
}

function hitCard(hit, position) {
  const { product, picture } = hit;
  const clicked = () => {
    api.tell([{ kind: "click", search: answer.request_id, product: product.id, position, score: hit.score, space: answer.space }]);
    openProduct(product.id, hit, { photo: asked.photo, box: answer.box });
  };
  const mark = (name) => () => {
    const other = name === "right" ? "wrong" : "right";
    names.set(product.id, product.title || product.id);
    run({ [name]: [...new Set([...asked[name], product.id])], [other]: asked[other].filter((id) => id !== product.id) });
  };
  const like = () => {
    by("photo").hidden = true;
    by("drop").hidden = false;
    by("text").value = "";
    run({ photo: null, category: "", product: product.id, ...AUTOMATIC });
    scrollTo({ top: 0 });
  };
  return card(product, picture, { hit, opened: clicked, actions: [["Why", clicked], ["More like this", like], ...(asked.product ? [] : [["This", mark("right"), asked.right.includes(product.id)], ["Not this", mark("wrong")]])] });
}

/** The products that were marked, each a button that takes its mark back. */
function showMarks() {
  const chips = ["right", "wrong"].flatMap((name) => asked[name].map((id) => make("button", {
    type: "button", "aria-label": `Take the mark back: ${names.get(id)}`, onclick: () => run({ [name]: asked[name].filter((one) => one !== id) }),
  }, `${name === "right" ? "This" : "Not this"}: ${names.get(id)} ×`)));
  by("marks").hidden = !chips.length;
  by("marks").replaceChildren(...chips);
}

function showCategories() {
  const known = answer?.categories ?? [];
  by("categories").hidden = known.length < 2;
  by("categories").replaceChildren(...known.slice(0, 6).map(({ category, probability }) => make("button", {
    type: "button", "aria-pressed": String(asked.category === category), onclick: () => switchCategory(category),
  }, `${category} ${percent(probability)}`)));
}

function switchCategory(category) {
  const next = asked.category === category ? "" : category;
  if (next) api.tell([{ kind: "category_switch", search: answer.request_id, category: next, before: asked.category || answer.categories[0].category, space: answer.space }]);
  return run({ category: next });
}

async function countFacet() {
  const field = by("facet").value;
  const filter = by("filter").value.trim();
  const mine = facetTurn();
  if (!field) {
    by("facets").replaceChildren();
    return;
  }
  try {
    const { values } = await api.facets(field, filter);
    if (!mine()) return;
    by("facets").replaceChildren(...values.map(({ value, count }) => make("button", { type: "button", onclick: () => addFilter(field, value) }, `${value} (${count})`)));
  } catch (fault) {
    if (mine()) by("status").textContent = fault.message;
  }
}

function addFilter(field, value) {
  const told = typeof value === "string" ? `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"` : String(value);
  const now = by("filter").value.trim();
  by("filter").value = now ? `(${now}) and ${field} = ${told}` : `${field} = ${told}`;
  countFacet();
  run();
}
