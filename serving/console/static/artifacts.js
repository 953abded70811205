// What a run has left for people: tables, pictures, texts.

import { el, json, link, plainTable } from "./dom.js";
import { inline, markdown } from "./markdown.js";

export function artifact({ key, type, description, data }) {
  const heading = el("h3", {}, key ?? type ?? "artifact");
  const told = description ? el("p", { class: "hint" }, inline(description)) : null;
  return el("section", { class: "card artifact" }, heading, told, content(type, data, key));
}

function content(type, data, key) {
  const value = parsed(data);
  if (type === "markdown") return markdown(value);
  if (type === "table") {
    if (Array.isArray(value)) return plainTable(value.map((row) => (Array.isArray(row) ? { ...row } : row)), key ?? "table");
    if (value && typeof value === "object") return plainTable(byRow(value), key ?? "table");
  }
  if (type === "image" && typeof value === "string") return image(value, key);
  if (type === "progress" && Number.isFinite(Number(value))) return el("progress", { max: 100, value });
  return json(value);
}

/** Pictures of other machines are not loaded: the page asks nobody but its own service. */
function image(address, key) {
  return /^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/.test(address)
    ? el("img", { src: address, alt: key ?? "picture" })
    : link(address, address);
}

/** Prefect keeps some kinds as text. */
function parsed(data) {
  if (typeof data !== "string") return data;
  if (!/^\s*[[{]/.test(data)) return data;
  try { return JSON.parse(data); } catch { return data; }
}

/** Columns of values as rows. */
function byRow(columns) {
  const names = Object.keys(columns);
  const length = Math.max(0, ...names.map((name) => (Array.isArray(columns[name]) ? columns[name].length : 1)));
  const cell = (name, row) => (Array.isArray(columns[name]) ? columns[name][row] : columns[name]);
  return Array.from({ length }, (_, row) => Object.fromEntries(names.map((name) => [name, cell(name, row)])));
}
