// DOM elements without HTML strings: a product title can never become markup.

export const by = (id) => document.getElementById(id);

/** make("p", {class: "small", onclick}, "text", otherElement) */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name === "class" ? "className" : name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value);
  }
  element.append(...children.filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

/** Detect overtaken calls: `const isLatest = latest();` before a request, then `if (!isLatest()) return;`. */
export function newest() {
  let last = 0;
  return () => {
    const own = ++last;
    return () => own === last;
  };
}

export const price = (value) => (value === null || value === undefined ? "" : value.toLocaleString(undefined, { minimumFractionDigits: 2 }));
export const percent = (value) => `${Math.round(value * 100)} %`;
