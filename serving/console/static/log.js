// Log lines of a run: those that are there, and those that come while it goes on.

import { address, get } from "./api.js";
import { el, find } from "./dom.js";
import { clock } from "./format.js";

const MOST_LINES = 5000;

const levelName = (level) => String(level ?? "").toLowerCase();

export function line({ at, level, message, logger, service, run, error }, named = () => "") {
  const name = levelName(level), from = service ?? named(run) ?? "";
  const stack = error?.stack && !String(message).includes(error.stack) ? `\n${error.stack}` : "";
  return el("li", { class: name },
    el("time", { datetime: at, title: at }, clock(at)), el("span", { class: "level" }, name),
    from || logger ? el("span", { class: "logger" }, from || logger) : null, el("span", { class: "message" }, `${message ?? ""}${stack}`));
}

/** The lines of one run and its stages. `onstate` is called when the run or a stage has changed. */
export class RunLog {
  constructor(run, named, onstate) {
    Object.assign(this, { run, named, onstate });
    this.list = find("log");
    this.told = find("log-state");
    this.level = find("level");
    this.level.addEventListener("change", () => this.start(this.final));
  }

  /** Show them from the first. Of a run that is over they are read once; of one under way they follow. */
  async start(final) {
    this.final = final;
    this.stop();
    this.list.replaceChildren();
    if (final) await this.#read();
    else this.#follow();
  }

  stop() {
    this.stream?.close();
    this.stream = undefined;
    this.reading = undefined;
  }

  get #path() {
    return `/runs/${encodeURIComponent(this.run)}/logs`;
  }

  async #read() {
    const reading = (this.reading = {});
    let cursor, count = 0;
    this.told.textContent = "Reading…";
    do {
      const { lines, next } = await get(this.#path, { level: this.level.value, limit: 500, cursor });
      if (this.reading !== reading) return;
      this.#add(lines);
      count += lines.length;
      cursor = next;
    } while (cursor && count < MOST_LINES);
    this.told.textContent = count ? `${count} lines${cursor ? " and more" : ""}` : "No lines.";
  }

  #follow() {
    const stream = (this.stream = new EventSource(address(this.#path, { level: this.level.value, follow: true })));
    this.told.textContent = "Following…";
    // After a break the browser asks again, from the last line on that it was told.
    stream.addEventListener("open", () => { this.told.textContent = "Following…"; });
    stream.addEventListener("line", (event) => this.#add([JSON.parse(event.data)]));
    stream.addEventListener("stage", () => this.onstate());
    stream.addEventListener("state", () => this.onstate());
    stream.addEventListener("problem", (event) => { this.told.textContent = JSON.parse(event.data).detail; });
    stream.addEventListener("end", () => {
      this.stop();
      this.told.textContent = `${this.list.children.length} lines`;
      this.onstate();
    });
    stream.addEventListener("error", () => {
      if (this.stream === stream) this.told.textContent = "The connection broke; trying again…";
    });
  }

  #add(lines) {
    if (!lines.length) return;
    this.list.append(...lines.map((one) => line(one, this.named)));
    while (this.list.children.length > MOST_LINES) this.list.firstElementChild.remove();
    if (find("follow").checked) this.list.scrollTop = this.list.scrollHeight;
  }
}
