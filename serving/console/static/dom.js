// The page as elements. Whatever comes from outside becomes text: nothing is ever read as HTML.

export const find = (id) => document.getElementById(id);

/** An element: el("a", {href: "/x", onclick: f, style: {width: "3px"}}, "text", another). Empty attributes are left out. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [property, text] of Object.entries(value)) made.style.setProperty(property, text);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Put these in the place of what is there. */
export function fill(place, ...children) {
  place.replaceChildren(...present(children));
  return place;
}

export const show = (place, shown = true) => { place.hidden = !shown; };

/** A link, if the address is one that may be followed; else its text alone. */
export function link(address, ...children) {
  return /^(https?:\/\/|\/(?!\/))/.test(address ?? "") ? el("a", { href: address }, ...children) : el("span", {}, ...children);
}

const contents = new WeakMap();

/**
 * Show items as rows of a table's body, or of a list. What did not change stays as it is, with its focus and selection.
 * `key` names an item among the others; `make` gives its row.
 */
export function rows(body, items, key, make) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wanted = items.map((item) => {
    const name = String(key(item)), content = JSON.stringify(item);
    const old = known.get(name);
    if (old && contents.get(old) === content) return old;
    const row = make(item);
    row.dataset.key = name;
    contents.set(row, content);
    return row;
  });
  wanted.forEach((row, place) => {
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  });
  while (body.children.length > wanted.length) body.lastElementChild.remove();
}

/** Names and values as a list of definitions; pairs without a value are left out. */
export function pairs(list, values) {
  const shown = values.filter(([, value]) => value !== null && value !== undefined && value !== "");
  fill(list, shown.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** A table of plain objects, with a column for each name that one of them has. */
export function plainTable(objects, caption) {
  const names = [...new Set(objects.flatMap((one) => Object.keys(one ?? {})))];
  return el("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 },
    el("table", {},
      el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col", class: numbers(objects, name) }, name)))),
      el("tbody", {}, objects.map((one) => el("tr", {}, names.map((name) =>
        el("td", { class: numbers(objects, name) }, plain(one?.[name]))))))));
}

const numbers = (objects, name) =>
  objects.every((one) => one?.[name] === null || one?.[name] === undefined || typeof one[name] === "number") ? "number" : null;

/** Any value in one line. */
export function plain(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** JSON as a person reads it; small objects as a list of definitions. */
export function json(value) {
  if (value === null || value === undefined) return el("p", { class: "empty" }, "None.");
  if (typeof value !== "object") return el("p", {}, String(value));
  const entries = Array.isArray(value) ? null : Object.entries(value);
  if (entries && entries.length && entries.every(([, one]) => one === null || typeof one !== "object")) {
    const list = el("dl", {});
    fill(list, entries.map(([name, one]) => [el("dt", {}, name), el("dd", {}, plain(one))]));
    return list;
  }
  return el("pre", { tabindex: 0 }, JSON.stringify(value, null, 2));
}
