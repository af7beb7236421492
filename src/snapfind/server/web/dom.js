// Elements without markup in strings: what a product is called can never become HTML.

export const by = (id) => document.getElementById(id);

/** make("p", {class: "small", onclick}, "text", otherElement) */
export function make(tag, given = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name === "class" ? "className" : name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value);
  }
  element.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

/** Of calls that overlap only the newest may show what it got: `const mine = turn();`, then `if (mine())`. */
export function newest() {
  let last = 0;
  return () => {
    const own = ++last;
    return () => own === last;
  };
}

export const price = (value) => (value === null || value === undefined ? "" : value.toLocaleString(undefined, { minimumFractionDigits: 2 }));
export const percent = (value) => `${Math.round(value * 100)} %`;
