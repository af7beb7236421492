// Imports: a table and its pictures sent, and the jobs that make products of them, as they go.

import * as api from "./api.js";
import { by, make } from "./dom.js";

const PAUSE = 700; // milliseconds between two looks at a running job
let watching = false;
let again = false; // whether there may be something new since the jobs were last asked for

export function start() {
  by("import").addEventListener("submit", send);
}

async function send(event) {
  event.preventDefault();
  const [table] = by("table").files;
  const pictures = [...by("pictures").files];
  if (!table && !pictures.length) {
    by("import-status").textContent = "Choose a table, pictures, or both.";
    return;
  }
  by("import-status").textContent = "Sending …";
  try {
    const columns = by("columns").value.split(",").map((one) => one.trim()).filter(Boolean);
    await api.startImport(table, pictures, columns, by("sync").checked);
    by("import-status").textContent = "Taken; it goes on when you close this page.";
    by("import").reset();
    watch();
  } catch (fault) {
    by("import-status").textContent = fault.message;
  }
}

/** Show the jobs until none runs any more. */
export async function watch() {
  again = true;
  if (watching) return;
  watching = true;
  try {
    while (again && !by("page-import").hidden) {
      again = false;
      const { jobs } = await api.jobs();
      by("jobs").replaceChildren(...jobs.slice(0, 20).map(shown));
      if (jobs.every((job) => job.finished)) continue;
      again = true;
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  } catch (fault) {
    by("import-status").textContent = fault.message;
  } finally {
    watching = false;
  }
}

function shown(job) {
  const told = Object.entries(job.report).filter(([, value]) => typeof value === "number" && value > 0).map(([name, value]) => `${value} ${name}`);
  return make("section", { class: "job", "aria-label": `${job.kind}, ${job.state}` },
    make("h2", {}, `${job.kind}: ${job.state}`),
    job.finished ? null : make("progress", { max: job.total || 1, value: job.done, "aria-label": "Progress" }),
    make("p", {}, job.error ? job.error.message : `${job.done} of ${job.total || "?"}${told.length ? `; ${told.join(", ")}` : ""}`),
    make("div", { class: "row" },
      job.finished ? null : make("button", { type: "button", onclick: () => api.cancelJob(job.id) }, "Stop"),
      job.report.failed ? make("button", { type: "button", onclick: () => save(job.id) }, "What failed (CSV)") : null,
    ),
  );
}

async function save(id) {
  const link = make("a", { href: URL.createObjectURL(await api.jobErrors(id)), download: "errors.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}
