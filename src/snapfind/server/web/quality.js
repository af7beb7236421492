// Quality: what the last look at the catalog found, each with its mend and the way back, and what shoppers missed.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";

const HEADS = {
  "same file": "Same file", "same picture": "Same picture", "same product": "Perhaps the same product",
  "wrong category": "Wrong category", "wrong product": "Wrong product", blurred: "Blurred", tiny: "Tiny",
  text: "Written over", collage: "Collage", outlier: "Like nothing else", few: "Small categories",
};
const turn = newest();
const PAUSE = 700; // milliseconds between two looks at the running job

export function start() {
  by("look").addEventListener("click", look);
}

export async function show() {
  const mine = turn();
  try {
    const found = await api.quality();
    if (!mine()) return;
    const { look: last, unmet } = found;
    by("quality-status").textContent = last
      ? `${last.products} products and ${last.pictures} pictures were looked at on ${new Date(last.at).toLocaleString()}; ${found.findings.length || "nothing"} to mend.`
      : "Nobody has looked yet.";
    by("findings").replaceChildren(
      ...Object.keys(HEADS).map((kind) => section(HEADS[kind], found.findings.filter((one) => one.kind === kind), last?.counts[kind])),
      section("Applied", found.applied),
    );
    by("unmet").replaceChildren(...missed(unmet));
  } catch (fault) {
    if (mine()) by("quality-status").textContent = fault.message;
  }
}

async function look() {
  by("look").disabled = true;
  try {
    let { job } = await api.lookAgain();
    while (!job.finished) {
      by("quality-status").textContent = `Looking … ${job.total ? percent(job.done / job.total) : ""}`;
      await new Promise((done) => setTimeout(done, PAUSE));
      ({ job } = await api.job(job.id));
    }
    await show();
    if (job.error) by("quality-status").textContent = job.error.message;
  } catch (fault) {
    by("quality-status").textContent = fault.message;
  } finally {
    by("look").disabled = false;
  }
}

function section(head, findings, count = findings.length) {
  if (!findings.length) return "";
  return make("section", { class: "group", "aria-label": head },
    make("h2", {}, `${head} `, make("span", { class: "small" }, String(Math.max(count, findings.length)))),
    make("ul", { class: "findings" }, ...findings.map(shown)),
  );
}

function shown(one) {
  const pictures = one.pictures.map((picture) => {
    const image = make("img", { alt: `${picture.product}: ${picture.name}`, loading: "lazy", decoding: "async" });
    api.show(image, picture.url);
    return make("figure", { class: picture.changes ? "changes" : "" }, image,
      picture.changes ? make("figcaption", {}, one.applied ? "hidden" : "to hide") : null);
  });
  const said = make("p", { class: "small", role: "status" }, one.applied ? "applied" : one.mend ?? "only you can tell");
  const button = one.applied
    ? make("button", { type: "button", "aria-label": `Undo: ${one.said}` }, "Undo")
    : one.mend && make("button", { type: "button", class: "primary", "aria-label": `Fix: ${one.said}` }, "Fix");
  const dismiss = !one.applied && make("button", { type: "button", "aria-label": `Dismiss: ${one.said}` }, "Dismiss");
  const item = make("li", { class: "card" }, make("div", { class: "strip" }, ...pictures), make("h3", {}, one.said), said,
    make("div", { class: "row" }, button, dismiss));
  if (dismiss) dismiss.addEventListener("click", () => leaveOut(one, item, said, dismiss));
  button?.addEventListener("click", () => act(one, item, said, button));
  return item;
}

/** Fix or undo; the card stays where it is and turns into its opposite, so that the way back is under the same key. */
async function act(one, item, said, button) {
  button.disabled = true;
  try {
    const { finding, said: told } = await (one.applied ? api.undoFinding(one.id) : api.applyFinding(one.id));
    const after = shown(finding);
    item.replaceWith(after);
    after.querySelector("[role=status]").textContent = told;
    after.querySelector("button")?.focus();
  } catch (fault) {
    said.textContent = fault.message;
    button.disabled = false;
  }
}

/** Dismiss, or show again: the card stays until the page is drawn anew, with the way back under the same button. */
async function leaveOut(one, item, said, button) {
  const back = item.classList.contains("dismissed");
  button.disabled = true;
  try {
    said.textContent = (await api.dismissFinding(one.id, back)).said;
    item.classList.toggle("dismissed", !back);
    button.textContent = back ? "Dismiss" : "Show again";
    button.setAttribute("aria-label", `${button.textContent}: ${one.said}`);
  } catch (fault) {
    said.textContent = fault.message;
  }
  button.disabled = false;
}

function missed({ days, searches, without_match: missing, texts, switches }) {
  const line = searches
    ? `${missing} of ${searches} searches of the last ${days} days had no match (${percent(missing / searches)}).`
    : `No search in the last ${days} days.`;
  return [
    make("h2", {}, "What shoppers did not find"),
    make("p", {}, line),
    texts.length ? table("Words without a match", ["Words", "Searches"], texts.map((one) => [one.text, one.count])) : "",
    switches.length ? table("Categories that were switched", ["From", "To", "Times"], switches.map((one) => [one.before || "none", one.after, one.count])) : "",
  ];
}

function table(caption, heads, rows) {
  return make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell)))))));
}
