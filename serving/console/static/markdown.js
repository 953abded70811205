// The part of Markdown that artifacts are written in, as elements: headings, lists, tables, code, bold, links. All else
// is text as it stands, HTML too.

import { el, link } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

export function inline(text) {
  const made = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    made.push(text.slice(end, found.index));
    if (found[1] !== undefined) made.push(el("code", {}, found[1]));
    else if (found[2] !== undefined) made.push(el("strong", {}, found[2]));
    else made.push(link(found[4], found[3]));
    end = found.index + found[0].length;
  }
  made.push(text.slice(end));
  return made.filter((one) => one !== "");
}

export function markdown(text) {
  const lines = String(text ?? "").split("\n");
  const made = el("div", { class: "markdown" });
  let place = 0;
  const take = (fits) => {
    const taken = [];
    while (place < lines.length && fits(lines[place])) taken.push(lines[place++]);
    return taken;
  };
  while (place < lines.length) {
    const line = lines[place];
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (line.startsWith("```")) {
      place += 1;
      made.append(el("pre", {}, take((one) => !one.startsWith("```")).join("\n")));
      place += 1;
    } else if (heading) {
      made.append(el(heading[1].length < 3 ? "h4" : "h5", {}, inline(heading[2])));
      place += 1;
    } else if (line.startsWith("|")) {
      made.append(table(take((one) => one.startsWith("|"))));
    } else if (/^\s*[-*]\s/.test(line)) {
      made.append(el("ul", {}, take((one) => /^\s*[-*]\s/.test(one)).map((one) => el("li", {}, inline(one.replace(/^\s*[-*]\s/, ""))))));
    } else if (line.trim() === "") {
      place += 1;
    } else {
      const paragraph = take((one) => one.trim() !== "" && !/^(#{1,6}\s|\||```|\s*[-*]\s)/.test(one));
      // What only looks like the beginning of something else is text.
      made.append(el("p", {}, inline(paragraph.length ? paragraph.join(" ") : lines[place++])));
    }
  }
  return made;
}

function table(lines) {
  const cells = (line) => line.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim());
  const ruled = lines.length > 1 && /^[\s|:-]+$/.test(lines[1]);
  const [head, body] = ruled ? [cells(lines[0]), lines.slice(2)] : [null, lines];
  return el("div", { class: "scroll" }, el("table", {},
    head ? el("thead", {}, el("tr", {}, head.map((cell) => el("th", { scope: "col" }, inline(cell))))) : null,
    el("tbody", {}, body.map((line) => el("tr", {}, cells(line).map((cell) => el("td", {}, inline(cell))))))));
}
