// Client of the HTTP API: one function per endpoint, and one error class with the message of the server.
// URLs are relative, so that the page also works below a path prefix of a proxy.

import { newId, stored } from "./browser.js";

const KEY = "snapfind.key";
const memory = stored("sessionStorage");
const session = memory.get("snapfind.session") || newId();
memory.set("snapfind.session", session);
let lock = null; // promise of the open key dialog

export class ApiError extends Error {
  constructor(message, { code = "", field = null } = {}) {
    super(message);
    Object.assign(this, { code, field });
  }
}

async function ask(path, options = {}) {
  const key = memory.get(KEY);
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the server does not respond; is it running?");
  }
  if (reply.status === 401) {
    const message = key ? "Unknown API key: it is misspelled or was revoked." : "";
    if (memory.get(KEY) === key && !(await askForKey(message))) {
      throw new ApiError("this server requires an API key; choose Key to enter one", { code: "key_missing" });
    }
    return ask(path, options);
  }
  if (!reply.ok) {
    const problem = await reply.json().catch(() => null);
    throw new ApiError(problem?.error?.message ?? `the server responded with status ${reply.status}`, problem?.error);
  }
  return reply;
}

/** Ask for an API key. Resolves to whether one was entered. `message` says why the last one was rejected. */
export function askForKey(message = "") {
  lock ??= new Promise((done) => {
    const dialog = document.getElementById("key");
    const value = document.getElementById("key-value");
    document.getElementById("key-status").textContent = message;
    value.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const entered = dialog.returnValue === "use" && value.value.trim();
      if (entered) memory.set(KEY, entered);
      lock = null;
      done(Boolean(entered));
    }, { once: true });
    dialog.showModal();
  });
  return lock;
}

export const hasKey = () => Boolean(memory.get(KEY));

const json = async (path, options) => (await ask(path, options)).json();
const body = (method, value) => ({
  method, body: JSON.stringify(value), headers: { "Content-Type": "application/json" },
});
const part = encodeURIComponent;

export const info = () => json("v1/info");
export const facets = (field, filter) =>
  json(`v1/facets/${part(field)}?limit=30${filter ? `&filter=${part(filter)}` : ""}`);

export function search(query, signal) {
  const form = new FormData();
  if (query.photo) form.append("photo", query.photo, "photo.jpg");
  for (const name of ["text", "product", "filter", "category", "cursor"]) if (query[name]) form.append(name, query[name]);
  if (query.photo) form.append("regions", query.regions);
  if (query.photo && query.box) form.append("box", query.box.join(","));
  for (const name of ["right", "wrong"]) for (const product of query[name] ?? []) form.append(name, product);
  form.append("limit", 24);
  form.append("explain", "true");
  form.append("session", session);
  return json("v1/search", { method: "POST", body: form, signal });
}

export function explain(photo, product, picture, box) {
  const form = new FormData();
  form.append("photo", photo, "photo.jpg");
  form.append("product", product);
  form.append("picture", picture);
  if (box) form.append("box", box.join(","));
  return json("v1/explain", { method: "POST", body: form });
}

export const products = (filter, cursor) =>
  json(`v1/products?limit=48${filter ? `&filter=${part(filter)}` : ""}${cursor ? `&cursor=${part(cursor)}` : ""}`);
const one = (id) => `v1/products/${id.split("/").map(part).join("/")}`;
export const product = (id) => json(one(id));
export const change = (id, fields) => json(one(id), body("PATCH", fields));
export const remove = (id) => json(one(id), { method: "DELETE" });
export function put(fields, pictures) {
  const form = new FormData();
  form.append("product", JSON.stringify(fields));
  for (const picture of pictures) form.append("picture", picture);
  return json("v1/products", { method: "POST", body: form });
}

export function startImport(table, pictures, columns, sync) {
  const form = new FormData();
  if (table) form.append("table", table);
  for (const picture of pictures) form.append("pictures", picture);
  for (const column of columns) form.append("column", column);
  form.append("sync", String(sync));
  return json("v1/imports", { method: "POST", body: form, headers: { "Idempotency-Key": newId() } });
}
export const jobs = () => json("v1/jobs");
export const job = (id) => json(`v1/jobs/${id}`);
export const cancelJob = (id) => json(`v1/jobs/${id}`, { method: "DELETE" });
export const jobErrors = async (id) => (await ask(`v1/jobs/${id}/errors`)).blob();

export const quality = () => json("v1/quality");
export const startSurvey = () => json("v1/quality/check", { method: "POST" });
export const applyFinding = (id) => json(`v1/quality/${id}/apply`, { method: "POST" });
export const dismissFinding = (id, restore) => json(`v1/quality/${id}/dismiss?restore=${restore}`, { method: "POST" });
export const undoFinding = (id) => json(`v1/quality/${id}/undo`, { method: "POST" });

/** Report events of the user. A failure must not disturb the user. */
export function report(events) {
  const all = events.map((event) => ({ session, id: newId(), ...event }));
  return ask("v1/events", body("POST", { events: all })).catch(() => {});
}

/** The URL of a picture relative to this page, independent of the path prefix that the server knows. */
const relative = (url) => url.slice(url.indexOf("v1/"));

export const fetchPicture = async (url) => (await ask(relative(url))).blob();

/** Show a picture of the catalog. With a key it is fetched, because an <img> cannot send the key. */
export async function show(image, url) {
  if (!hasKey()) {
    image.src = relative(url);
    return;
  }
  const picture = await fetchPicture(url).catch(() => null); // then the alternative text is shown
  if (!picture) return;
  image.onload = () => URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
}

export const runs = () => json("v1/flywheel");
export const startRun = () => json("v1/flywheel/runs", body("POST", {}));
export const concludeExperiment = () => json("v1/flywheel/conclude", body("POST", {}));
