// Products: look through them, add one, change one, delete one.

import * as api from "./api.js";
import * as columns from "./columns.js";
import { by, make, newest } from "./dom.js";
import { card, openProduct } from "./hits.js";

const turn = newest();
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
  const mine = turn();
  try {
    const page = await api.products(by("list-filter").value.trim(), cursor);
    if (!mine()) return;
    const cards = page.products.map((product) => card(product, product.pictures[0], { opened: () => openProduct(product.id), actions: [["Edit", () => edit(product)]] }));
    if (cursor) by("products").append(...cards);
    else by("products").replaceChildren(...cards);
    next = page.next;
    by("list-more").hidden = !next;
    by("list-status").textContent = by("products").children.length ? "" : "No products here. Add one, or import a table.";
  } catch (fault) {
    if (mine()) by("list-status").textContent = fault.message;
  }
}

const FIELDS = { "edit-name": "title", "edit-brand": "brand", "edit-category": "category", "edit-description": "description" };

function edit(product) {
  edited = product?.id ?? null;
  by("edit-form").reset();
  by("edit-title").textContent = product ? "Change a product" : "Add a product";
  by("edit-id").value = product?.id ?? "";
  by("edit-id").readOnly = Boolean(product);
  for (const [id, name] of Object.entries(FIELDS)) by(id).value = product?.[name] ?? "";
  by("edit-price").value = product?.price ?? "";
  by("edit-delete").hidden = !product;
  by("edit-status").textContent = "";
  columns.show(by("edit-attributes"), product?.attributes ?? {}).catch((fault) => { by("edit-status").textContent = fault.message; });
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
    if (edited === null && !pictures.length) throw new api.Refused("A new product needs a picture.");
    fields.attributes = columns.given(by("edit-attributes"));
    if (edited !== null) await api.change(id, fields);
    if (pictures.length) await add(id, fields, pictures);
    by("edit").close();
    await list();
  } catch (fault) {
    by("edit-status").textContent = fault.message;
  }
}

async function add(id, fields, pictures) {
  const known = edited === null ? {} : { attributes: (await api.product(id)).product.attributes };
  const { failures } = await api.put({ id, ...fields, ...known }, pictures);
  if (failures.length) throw new api.Refused(failures.map((failure) => failure.reason).join("; "));
}

async function remove() {
  if (!confirm(`Delete ${edited} with all its pictures?`)) return;
  try {
    await api.remove(edited);
    by("edit").close();
    await list();
  } catch (fault) {
    by("edit-status").textContent = fault.message;
  }
}
