// Flywheel: the running experiment, the list of runs, starting a run, and ending the experiment.

import * as api from "./api.js";
import { by, make, newest, percent } from "./dom.js";

const latest = newest();
const POLL_INTERVAL = 1500; // milliseconds

export function start() {
  by("run-flywheel").addEventListener("click", () => act(run));
  by("conclude").addEventListener("click", () => act(conclude));
}

export async function show() {
  const isLatest = latest();
  try {
    const { trial, runs } = await api.runs();
    if (!isLatest()) return;
    by("runs-status").textContent = trial
      ? `${trial.model} answers ${percent(trial.share)} of the photo searches since ${new Date(trial.began).toLocaleString()}.`
      : "No experiment is running.";
    by("conclude").hidden = !trial;
    by("run-flywheel").disabled = Boolean(trial);
    by("runs").replaceChildren(runs.length ? table(runs) : "");
  } catch (error) {
    if (isLatest()) by("runs-status").textContent = error.message;
  }
}

/** Run one action at a time. Its message stays readable below the refreshed list. */
async function act(action) {
  for (const name of ["run-flywheel", "conclude"]) by(name).disabled = true;
  let message;
  try {
    message = await action();
  } catch (error) {
    message = error.message;
  }
  by("conclude").disabled = false;
  await show();
  by("runs-status").textContent = message;
}

async function run() {
  let { job } = await api.startRun();
  while (!job.finished) {
    by("runs-status").textContent = "Training on clicks …";
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    ({ job } = await api.job(job.id));
  }
  return job.error ? job.error.message : `Run ${job.report.run}: ${job.report.decision}. ${job.report.reason}`;
}

async function conclude() {
  const { run: record } = await api.concludeExperiment();
  return `Run ${record.number}: ${record.decision}. ${record.reason}`;
}

function table(runs) {
  const heads = ["Run", "When", "Labels", "Precision@1 before", "Precision@1 after", "Decision", "Reason"];
  return make("table", {}, make("caption", {}, "Runs, newest first"),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...runs.map((one) => {
      const metrics = one.metrics.frozen ?? one.metrics.fresh;
      const precision = (when) => (metrics ? percent(metrics[when]["precision@1"]) : "");
      const cells = [one.number, new Date(one.started).toLocaleDateString(), one.data.photos ?? "", precision("before"), precision("after"), one.decision, one.reason];
      return make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))));
    })));
}
