// The API reference, rendered from openapi.json: operations, then schemas. Nothing is loaded from another host.

import { stored } from "./browser.js";
import { by, make } from "./dom.js";

document.documentElement.dataset.theme = stored("localStorage").get("snapfind.theme");

const METHODS = ["get", "post", "put", "patch", "delete"];

async function start() {
  const reply = await fetch("openapi.json");
  const { paths, components, info } = await reply.json();
  by("operations").replaceChildren(...Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => operation(method.toUpperCase(), path, item[method]))));
  by("schemas").replaceChildren(...Object.keys(components.schemas).sort().map((name) => schemaSection(name, components.schemas[name])));
  by("status").textContent = `snapfind ${info.version}`;
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function operation(method, path, item) {
  const scopes = (item.security ?? []).flatMap((need) => Object.values(need).flat());
  const bodies = Object.entries(item.requestBody?.content ?? {});
  const replies = Object.entries(item.responses).filter(([status]) => status.startsWith("2"))
    .flatMap(([status, one]) => Object.entries(one.content ?? {}).map(([kind, { schema }]) => [status, kind, schema]));
  return make("section", { class: "job" },
    make("h2", {}, make("code", {}, `${method} ${path}`)),
    ...paragraphs(item.description ?? ""),
    make("p", { class: "small" }, `Scope: ${scopes.join(", ") || "none, no key is needed"}`),
    item.parameters?.length ? table(["Parameter", "In", "Type", "Description"], item.parameters.map((one) => [
      make("code", {}, one.name + (one.required ? "" : "?")), one.in, type(one.schema), one.description ?? one.schema.description ?? ""])) : "",
    ...bodies.map(([kind, { schema }]) => make("div", {}, make("p", {}, "Request body ", make("code", {}, kind), ": ", type(schema)), fields(schema))),
    ...replies.map(([status, kind, schema]) => make("p", {}, `Response ${status}, `, make("code", {}, kind), ": ", type(schema))),
  );
}

function schemaSection(name, schema) {
  return make("section", { class: "job", id: `schema-${name}` }, make("h3", {}, name), make("p", {}, schema.description ?? ""), fields(schema));
}

function fields(schema) {
  const known = Object.entries(schema.properties ?? {});
  if (!known.length) return "";
  const required = new Set(schema.required ?? []);
  return table(["Field", "Type", "Description"], known.map(([name, field]) => [make("code", {}, name + (required.has(name) ? "" : "?")), type(field), field.description ?? ""]));
}

/** Paragraphs and code examples of a description. */
function paragraphs(text) {
  return text.split(/```\w*\n/).flatMap((part, place) => (place % 2
    ? [make("pre", { tabIndex: 0 }, make("code", {}, part.replace("```", "").trim()))]
    : part.split(/\n{2,}/).filter((one) => one.trim()).map((one) => make("p", {}, one.trim()))));
}

function table(heads, rows) {
  return make("div", { class: "wide", tabIndex: 0 }, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))))));
}

/** A short description of the type of a schema. */
function type(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return make("a", { href: `#schema-${name}` }, name);
  }
  if (schema.anyOf) return make("span", {}, ...schema.anyOf.flatMap((one, place) => (place ? [" or ", type(one)] : [type(one)])));
  if (schema.enum) return schema.enum.join(", ");
  if (schema.type === "array") {
    const items = schema.items ?? schema.prefixItems?.[0] ?? {};
    return make("span", {}, `list of ${schema.prefixItems ? `${schema.prefixItems.length} ` : ""}`, type(items));
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object") return make("span", {}, "object of ", type(schema.additionalProperties));
  if (schema.format === "binary") return "file";
  if (schema.format === "date-time") return "time";
  return schema.type ?? "anything";
}

start().catch((error) => { by("status").textContent = `The API reference cannot be loaded: ${error.message}`; });
