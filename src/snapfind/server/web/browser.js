// Fallbacks for browsers: ids on plain http, and storage if cookies are blocked.

/** 128 random bits as a UUID. crypto.randomUUID exists on https and localhost only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** `sessionStorage` or `localStorage`. If the browser forbids them, values are kept until the page is closed. */
export function stored(kind) {
  const own = new Map();
  const reached = (act, instead) => {
    try {
      return act(window[kind]);
    } catch {
      return instead();
    }
  };
  return {
    get: (name) => reached((place) => place.getItem(name), () => own.get(name)) ?? "",
    set: (name, value) => reached((place) => place.setItem(name, value), () => own.set(name, value)),
  };
}
