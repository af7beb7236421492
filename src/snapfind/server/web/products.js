// Products: list, add, edit and delete.

import * as api from "./api.js";
import * as columns from "./columns.js";
import { by, make, newest } from "./dom.js";
import { card, openProduct } from "./hits.js";

const latest = newest();
let next = null;
let edited = null; // the id of the product in the dialog, null for a new one

export function start() {
  by("list").addEventListener("submit", (event) => {
    event.preventDefault();
    list();
  });
  by("list-more").addEventListener("click", () => list(next));
  by("new").addEventListener("click", () => edit(null));
  by("edit-close").addEventListener("click", () => by("edit").close());
  by("edit-delete").addEventListener("click", remove);
  by("edit-form").addEventListener("submit", save);
}

export async function list(cursor = null) {
  const isLatest = latest();
  try {
    const page = await api.products(by("list-filter").value.trim(), cursor);
    if (!isLatest()) return;
    const cards = page.products.map((product) => card(product, product.pictures[0], { onOpen: () => openProduct(product.id), actions: [["Edit", () => edit(product)]] }));
    if (cursor) by("products").append(...cards);
    else by("products").replaceChildren(...cards);
    next = page.next;
    by("list-more").hidden = !next;
    by("list-status").textContent = by("products").children.length ? "" : "No products. Add one, or import a table.";
  } catch (error) {
    if (isLatest()) by("list-status").textContent = error.message;
  }
}

const FIELDS = { "edit-name": "title", "edit-brand": "brand", "edit-category": "category", "edit-description": "description" };

function edit(product) {
  edited = product?.id ?? null;
  by("edit-form").reset();
  by("edit-title").textContent = product ? "Edit a product" : "Add a product";
  by("edit-id").value = product?.id ?? "";
  by("edit-id").readOnly = Boolean(product);
  for (const [id, name] of Object.entries(FIELDS)) by(id).value = product?.[name] ?? "";
  by("edit-price").value = product?.price ?? "";
  by("edit-delete").hidden = !product;
  by("edit-status").textContent = "";
  columns.show(by("edit-attributes"), product?.attributes ?? {}).catch((error) => { by("edit-status").textContent = error.message; });
  by("edit").showModal();
}

async function save(event) {
  event.preventDefault();
  const fields = Object.fromEntries(Object.entries(FIELDS).map(([id, name]) => [name, by(id).value.trim()]));
  fields.price = by("edit-price").value === "" ? null : Number(by("edit-price").value);
  const id = by("edit-id").value.trim();
  const pictures = [...by("edit-pictures").files];
  by("edit-status").textContent = "Saving …";
  try {
    if (edited === null && !pictures.length) throw new api.ApiError("A new product needs a picture.");
    fields.attributes = columns.changedValues(by("edit-attributes"));
    if (edited !== null) await api.change(id, fields);
    if (pictures.length) await add(id, fields, pictures);
    by("edit").close();
    await list();
  } catch (error) {
    by("edit-status").textContent = error.message;
  }
}

async function add(id, fields, pictures) {
  const known = edited === null ? {} : { attributes: (await api.product(id)).product.attributes };
  const { failures } = await api.put({ id, ...fields, ...known }, pictures);
  if (failures.length) throw new api.ApiError(failures.map((failure) => failure.reason).join("; "));
}

async function remove() {
  if (!confirm(`Delete ${edited} with all its pictures?`)) return;
  try {
    await api.remove(edited);
    by("edit").close();
    await list();
  } catch (error) {
    by("edit-status").textContent = error.message;
  }
}
