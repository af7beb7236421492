// Navigation, color scheme, and the start of each page.

import * as api from "./api.js";
import { stored } from "./browser.js";
import { by } from "./dom.js";
import * as finder from "./finder.js";
import * as flywheel from "./flywheel.js";
import * as imports from "./imports.js";
import * as products from "./products.js";
import * as quality from "./quality.js";

const PAGES = { search: null, products: () => products.list(), import: () => imports.watch(), quality: () => Promise.all([quality.show(), flywheel.show()]) };

function go() {
  const page = location.hash.slice(1) in PAGES ? location.hash.slice(1) : "search";
  for (const name of Object.keys(PAGES)) by(`page-${name}`).hidden = name !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  PAGES[page]?.();
}

const root = document.documentElement;
const memory = stored("localStorage");
root.dataset.theme = memory.get("snapfind.theme");
by("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  memory.set("snapfind.theme", root.dataset.theme);
});

window.addEventListener("hashchange", go);
products.start();
imports.start();
quality.start();
flywheel.start();
go();
by("key-cancel").addEventListener("click", () => by("key").close());
by("change-key").addEventListener("click", async () => {
  if (!(await api.askForKey())) return;
  await finder.describe();
  go();
});
finder.start();
