// The flywheel: the trial under way, every turn with what was decided, a new turn, and the end of a trial.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";

const asking = newest();
const PAUSE = 1500; // milliseconds between two looks at the running turn

export function start() {
  by("turn").addEventListener("click", () => act(turn));
  by("conclude").addEventListener("click", () => act(conclude));
}

export async function show() {
  const mine = asking();
  try {
    const { trial, turns } = await api.turns();
    if (!mine()) return;
    by("turns-status").textContent = trial
      ? `${trial.model} is on trial on ${percent(trial.share)} of the photo searches since ${new Date(trial.began).toLocaleString()}.`
      : "No model is on trial.";
    by("conclude").hidden = !trial;
    by("turn").disabled = Boolean(trial);
    by("turns").replaceChildren(turns.length ? table(turns) : "");
  } catch (fault) {
    if (mine()) by("turns-status").textContent = fault.message;
  }
}

/** One deed at a time; what it said stays readable below the refreshed list. */
async function act(deed) {
  for (const name of ["turn", "conclude"]) by(name).disabled = true;
  let said;
  try {
    said = await deed();
  } catch (fault) {
    said = fault.message;
  }
  by("conclude").disabled = false;
  await show();
  by("turns-status").textContent = said;
}

async function turn() {
  let { job } = await api.turnNow();
  while (!job.finished) {
    by("turns-status").textContent = "Learning from what shoppers did …";
    await new Promise((done) => setTimeout(done, PAUSE));
    ({ job } = await api.job(job.id));
  }
  return job.error ? job.error.message : `Turn ${job.report.turn}: ${job.report.decision}; ${job.report.why}`;
}

async function conclude() {
  const { turn: made } = await api.concludeTrial();
  return `Turn ${made.number}: ${made.decision}; ${made.why}`;
}

function table(turns) {
  const heads = ["Turn", "When", "Labels", "Right before", "Right after", "Decision", "Why"];
  return make("table", {}, make("caption", {}, "Turns, the newest first"),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...turns.map((one) => {
      const figures = one.metrics.frozen ?? one.metrics.fresh;
      const part = (when) => (figures ? percent(figures[when]["precision@1"]) : "");
      const cells = [one.number, new Date(one.began).toLocaleDateString(), one.data.photos ?? "", part("before"), part("after"), one.decision, one.why];
      return make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))));
    })));
}
