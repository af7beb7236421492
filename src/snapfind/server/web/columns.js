// Form fields for the attributes of a product, by their type.

import * as api from "./api.js";
import { make } from "./dom.js";

const BUILT_IN = ["title", "price", "brand", "category", "description"];
const HINTS = { list: "several values, separated by |", date: "for example 2026-01-31", number: "", text: "", bool: "" };

/** Fill an element with a field for each attribute, with the values of the product. */
export async function show(place, attributes) {
  place.replaceChildren();
  const { fields } = await api.info();
  const own = Object.keys(fields).filter((name) => !BUILT_IN.includes(name));
  place.replaceChildren(...own.flatMap((name, row) => field(name, fields[name], attributes[name] ?? null, `edit-own-${row}`)));
}

function field(name, kind, value, id) {
  const text = value === null ? "" : Array.isArray(value) ? value.join(" | ") : String(value);
  const input = kind === "bool"
    ? make("select", { id }, ...["", "true", "false"].map((one) => make("option", { value: one }, one || "not set")))
    : make("input", { id, autocomplete: "off", ...(kind === "number" ? { type: "number", step: "any" } : {}) });
  input.value = text;
  Object.assign(input.dataset, { name, kind, before: text });
  return [make("label", { htmlFor: id }, name, " ", make("span", { class: "small" }, HINTS[kind])), input];
}

/** The changed values. null removes an attribute. */
export function changedValues(place) {
  const changed = [...place.querySelectorAll("[data-name]")].filter((input) => input.value.trim() !== input.dataset.before.trim());
  return Object.fromEntries(changed.map((input) => [input.dataset.name, read(input.value.trim(), input.dataset.kind)]));
}

function read(text, kind) {
  if (text === "") return null;
  if (kind === "number") return Number(text);
  if (kind === "bool") return text === "true";
  return kind === "list" ? text.split("|").map((one) => one.trim()).filter(Boolean) : text;
}
