// Imports: upload a table with its pictures, and follow the jobs.

import * as api from "./api.js";
import { by, make } from "./dom.js";

const POLL_INTERVAL = 700; // milliseconds
let watching = false;
let again = false; // whether a job was added since the last request

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
  by("import-status").textContent = "Uploading …";
  try {
    const columns = by("columns").value.split(",").map((one) => one.trim()).filter(Boolean);
    await api.startImport(table, pictures, columns, by("sync").checked);
    by("import-status").textContent = "Accepted. The import continues if you close this page.";
    by("import").reset();
    watch();
  } catch (error) {
    by("import-status").textContent = error.message;
  }
}

/** Show the jobs until all are finished. */
export async function watch() {
  again = true;
  if (watching) return;
  watching = true;
  try {
    while (again && !by("page-import").hidden) {
      again = false;
      const { jobs } = await api.jobs();
      by("jobs").replaceChildren(...jobs.slice(0, 20).map(jobCard));
      if (jobs.every((job) => job.finished)) continue;
      again = true;
      await new Promise((done) => setTimeout(done, POLL_INTERVAL));
    }
  } catch (error) {
    by("import-status").textContent = error.message;
  } finally {
    watching = false;
  }
}

function jobCard(job) {
  const counts = Object.entries(job.report).filter(([, value]) => typeof value === "number" && value > 0).map(([name, value]) => `${value} ${name}`);
  return make("section", { class: "job", "aria-label": `${job.kind}, ${job.state}` },
    make("h2", {}, `${job.kind}: ${job.state}`),
    job.finished ? null : make("progress", { max: job.total || 1, value: job.done, "aria-label": "Progress" }),
    make("p", {}, job.error ? job.error.message : `${job.done} of ${job.total || "?"}${counts.length ? `; ${counts.join(", ")}` : ""}`),
    make("div", { class: "row" },
      job.finished ? null : make("button", { type: "button", onclick: () => api.cancelJob(job.id) }, "Stop"),
      job.report.failed ? make("button", { type: "button", onclick: () => save(job.id) }, "Failures (CSV)") : null,
    ),
  );
}

async function save(id) {
  const link = make("a", { href: URL.createObjectURL(await api.jobErrors(id)), download: "errors.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}
