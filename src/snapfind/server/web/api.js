// What the page asks of the server: one function for each endpoint, one error with the server's own sentence.

const KEY = "snapfind.key";
const session = sessionStorage.getItem("snapfind.session") ?? crypto.randomUUID();
sessionStorage.setItem("snapfind.session", session);
let lock = null; // resolves when the shopper has given a key

export class Refused extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Refused("the server does not answer; is it still running?");
  }
  if (reply.status === 401) {
    await wantKey();
    return ask(path, options);
  }
  if (!reply.ok) {
    const told = await reply.json().catch(() => null);
    throw new Refused(told?.error?.message ?? `the server answered ${reply.status}`);
  }
  return reply;
}

function wantKey() {
  lock ??= new Promise((done) => {
    const dialog = document.getElementById("key");
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, document.getElementById("key-value").value.trim());
      lock = null;
      done();
    }, { once: true });
    dialog.showModal();
  });
  return lock;
}

const json = async (path, options) => (await ask(path, options)).json();
const body = (method, value) => ({
  method, body: JSON.stringify(value), headers: { "Content-Type": "application/json" },
});
const part = encodeURIComponent;

export const info = () => json("/v1/info");
export const facets = (field, filter) =>
  json(`/v1/facets/${part(field)}?limit=30${filter ? `&filter=${part(filter)}` : ""}`);

export function search(query, signal) {
  const form = new FormData();
  if (query.photo) form.append("photo", query.photo, "photo.jpg");
  for (const name of ["text", "product", "filter", "category", "cursor", "regions"]) if (query[name]) form.append(name, query[name]);
  if (query.photo && query.box) form.append("box", query.box.join(","));
  for (const name of ["right", "wrong"]) for (const product of query[name] ?? []) form.append(name, product);
  form.append("limit", 24);
  form.append("explain", "true");
  form.append("session", session);
  return json("/v1/search", { method: "POST", body: form, signal });
}

export function explain(photo, product, picture, box) {
  const form = new FormData();
  form.append("photo", photo, "photo.jpg");
  form.append("product", product);
  form.append("picture", picture);
  if (box) form.append("box", box.join(","));
  return json("/v1/explain", { method: "POST", body: form });
}

export const products = (filter, cursor) =>
  json(`/v1/products?limit=48${filter ? `&filter=${part(filter)}` : ""}${cursor ? `&cursor=${part(cursor)}` : ""}`);
const one = (id) => `/v1/products/${id.split("/").map(part).join("/")}`;
export const product = (id) => json(one(id));
export const change = (id, fields) => json(one(id), body("PATCH", fields));
export const remove = (id) => json(one(id), { method: "DELETE" });
export function put(fields, pictures) {
  const form = new FormData();
  form.append("product", JSON.stringify(fields));
  for (const picture of pictures) form.append("picture", picture);
  return json("/v1/products", { method: "POST", body: form });
}

export function startImport(table, pictures, columns, sync) {
  const form = new FormData();
  if (table) form.append("table", table);
  for (const picture of pictures) form.append("pictures", picture);
  for (const column of columns) form.append("column", column);
  form.append("sync", String(sync));
  return json("/v1/imports", { method: "POST", body: form, headers: { "Idempotency-Key": crypto.randomUUID() } });
}
export const jobs = () => json("/v1/jobs");
export const job = (id) => json(`/v1/jobs/${id}`);
export const cancelJob = (id) => json(`/v1/jobs/${id}`, { method: "DELETE" });
export const jobErrors = async (id) => (await ask(`/v1/jobs/${id}/errors`)).blob();

export const quality = () => json("/v1/quality");
export const lookAgain = () => json("/v1/quality/look", { method: "POST" });
export const applyFinding = (id) => json(`/v1/quality/${id}/apply`, { method: "POST" });
export const dismissFinding = (id, restore) => json(`/v1/quality/${id}/dismiss?restore=${restore}`, { method: "POST" });
export const undoFinding = (id) => json(`/v1/quality/${id}/undo`, { method: "POST" });

/** Tell what a shopper did; a lost event must never disturb the shopper. */
export function tell(events) {
  const told = events.map((event) => ({ session, id: crypto.randomUUID(), ...event }));
  return ask("/v1/events", body("POST", { events: told })).catch(() => {});
}

export const fetchPicture = async (url) => (await ask(url)).blob();

/** Show a picture of the catalogue; with a key it is fetched, as an <img> cannot send one. */
export async function show(image, url) {
  if (!sessionStorage.getItem(KEY)) {
    image.src = url;
    return;
  }
  const picture = await fetchPicture(url);
  image.onload = () => URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
}

export const turns = () => json("/v1/flywheel");
export const turnNow = () => json("/v1/flywheel/turns", body("POST", {}));
export const concludeTrial = () => json("/v1/flywheel/conclude", body("POST", {}));
