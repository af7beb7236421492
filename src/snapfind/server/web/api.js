// What the page asks of the server: one function for each endpoint, one error with the server's own sentence.
// Addresses are relative, so that the page also works below a path of a proxy.

import { newId, stored } from "./browser.js";

const KEY = "snapfind.key";
const memory = stored("sessionStorage");
const session = memory.get("snapfind.session") || newId();
memory.set("snapfind.session", session);
let lock = null; // resolves when the shopper has given a key, or none

export class Refused extends Error {
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
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Refused("the server does not answer; is it still running?");
  }
  if (reply.status === 401) {
    const said = key ? "This key is not known here: it is misspelt, or it was revoked." : "";
    if (memory.get(KEY) === key && !(await wantKey(said))) {
      throw new Refused("this server wants a key; choose Key to give one", { code: "key_missing" });
    }
    return ask(path, options);
  }
  if (!reply.ok) {
    const told = await reply.json().catch(() => null);
    throw new Refused(told?.error?.message ?? `the server answered ${reply.status}`, told?.error);
  }
  return reply;
}

/** Ask for a key; true when one was given. `said` tells what was wrong with the one before. */
export function wantKey(said = "") {
  lock ??= new Promise((done) => {
    const dialog = document.getElementById("key");
    const value = document.getElementById("key-value");
    document.getElementById("key-status").textContent = said;
    value.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use" && value.value.trim();
      if (given) memory.set(KEY, given);
      lock = null;
      done(Boolean(given));
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

/** Tell what a shopper did; a lost event must never disturb the shopper. */
export function tell(events) {
  const told = events.map((event) => ({ session, id: newId(), ...event }));
  return ask("v1/events", body("POST", { events: told })).catch(() => {});
}

/** The address of a picture as this page reaches it, whatever the server believes its own path to be. */
const near = (url) => url.slice(url.indexOf("v1/"));

export const fetchPicture = async (url) => (await ask(near(url))).blob();

/** Show a picture of the catalog; with a key it is fetched, as an <img> cannot send one. */
export async function show(image, url) {
  if (!hasKey()) {
    image.src = near(url);
    return;
  }
  const picture = await fetchPicture(url).catch(() => null); // the alternative text stands for it
  if (!picture) return;
  image.onload = () => URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
}

export const runs = () => json("v1/flywheel");
export const startRun = () => json("v1/flywheel/runs", body("POST", {}));
export const concludeExperiment = () => json("v1/flywheel/conclude", body("POST", {}));
