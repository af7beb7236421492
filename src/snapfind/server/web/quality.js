// Quality: findings of the last survey with fix, undo and dismiss, and zero-result queries.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";

const HEADINGS = {
  "same file": "Same file", "same picture": "Same picture", "same product": "Perhaps the same product",
  "wrong category": "Wrong category", "wrong product": "Wrong product", blurred: "Blurred", tiny: "Tiny",
  text: "Text overlay", collage: "Collage", outlier: "Outlier", few: "Small categories",
};
const latest = newest();
const POLL_INTERVAL = 700; // milliseconds

export function start() {
  by("check").addEventListener("click", check);
}

export async function show() {
  const isLatest = latest();
  try {
    const reply = await api.quality();
    if (!isLatest()) return;
    const { survey, findings, applied, zero_results: zeroResults } = reply;
    by("quality-status").textContent = survey
      ? `${survey.products} products and ${survey.pictures} pictures were checked on ${new Date(survey.at).toLocaleString()}. ${findings.length || "No"} findings are open.`
      : "The catalog was not checked yet.";
    by("findings").replaceChildren(
      ...Object.keys(HEADINGS).map((kind) => section(HEADINGS[kind], findings.filter((one) => one.kind === kind), survey?.counts[kind])),
      section("Applied", applied),
    );
    by("zero-results").replaceChildren(...zeroResultTables(zeroResults));
  } catch (error) {
    if (isLatest()) by("quality-status").textContent = error.message;
  }
}

async function check() {
  by("check").disabled = true;
  try {
    let { job } = await api.startSurvey();
    while (!job.finished) {
      by("quality-status").textContent = `Checking … ${job.total ? percent(job.done / job.total) : ""}`;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
      ({ job } = await api.job(job.id));
    }
    await show();
    if (job.error) by("quality-status").textContent = job.error.message;
  } catch (error) {
    by("quality-status").textContent = error.message;
  } finally {
    by("check").disabled = false;
  }
}

function section(heading, findings, count = findings.length) {
  if (!findings.length) return "";
  return make("section", { class: "group", "aria-label": heading },
    make("h2", {}, `${heading} `, make("span", { class: "small" }, String(Math.max(count, findings.length)))),
    make("ul", { class: "findings" }, ...findings.map(card)),
  );
}

function card(finding) {
  const pictures = finding.pictures.map((picture) => {
    const image = make("img", { alt: `${picture.product}: ${picture.name}`, loading: "lazy", decoding: "async" });
    api.show(image, picture.url);
    return make("figure", { class: picture.changes ? "changes" : "" }, image,
      picture.changes ? make("figcaption", {}, finding.applied ? "hidden" : "to hide") : null);
  });
  const status = make("p", { class: "small", role: "status" }, finding.applied ? "applied" : finding.fix ?? "needs your decision");
  const button = finding.applied
    ? make("button", { type: "button", "aria-label": `Undo: ${finding.message}` }, "Undo")
    : finding.fix && make("button", { type: "button", class: "primary", "aria-label": `Fix: ${finding.message}` }, "Fix");
  const dismissButton = !finding.applied && make("button", { type: "button", "aria-label": `Dismiss: ${finding.message}` }, "Dismiss");
  const item = make("li", { class: "card" }, make("div", { class: "strip" }, ...pictures), make("h3", {}, finding.message), status,
    make("div", { class: "row" }, button, dismissButton));
  if (dismissButton) dismissButton.addEventListener("click", () => dismiss(finding, item, status, dismissButton));
  button?.addEventListener("click", () => act(finding, item, status, button));
  return item;
}

/** Apply or undo a fix. The card stays in place and shows the inverse action on the same button. */
async function act(finding, item, status, button) {
  button.disabled = true;
  try {
    const reply = await (finding.applied ? api.undoFinding(finding.id) : api.applyFinding(finding.id));
    const updated = card(reply.finding);
    item.replaceWith(updated);
    updated.querySelector("[role=status]").textContent = reply.message;
    updated.querySelector("button")?.focus();
  } catch (error) {
    status.textContent = error.message;
    button.disabled = false;
  }
}

/** Dismiss or restore. The card stays until the page is rendered again, with the inverse action on the same button. */
async function dismiss(finding, item, status, button) {
  const restore = item.classList.contains("dismissed");
  button.disabled = true;
  try {
    status.textContent = (await api.dismissFinding(finding.id, restore)).message;
    item.classList.toggle("dismissed", !restore);
    button.textContent = restore ? "Dismiss" : "Restore";
    button.setAttribute("aria-label", `${button.textContent}: ${finding.message}`);
  } catch (error) {
    status.textContent = error.message;
  }
  button.disabled = false;
}

function zeroResultTables({ days, searches, without_match: missing, texts, switches }) {
  const line = searches
    ? `${missing} of ${searches} searches of the last ${days} days had no match (${percent(missing / searches)}).`
    : `No search in the last ${days} days.`;
  return [
    make("h2", {}, "Searches without a match"),
    make("p", {}, line),
    texts.length ? table("Texts without a match", ["Text", "Searches"], texts.map((one) => [one.text, one.count])) : "",
    switches.length ? table("Category changes", ["From", "To", "Times"], switches.map((one) => [one.before || "none", one.after, one.count])) : "",
  ];
}

function table(caption, headings, rows) {
  return make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...headings.map((heading) => make("th", { scope: "col" }, heading)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell)))))));
}
