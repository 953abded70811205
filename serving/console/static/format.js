// Numbers, times and states as people read them.

import { el } from "./dom.js";

const two = (number) => String(number).padStart(2, "0");

/** A moment in the time zone of whoever looks, to the second; the exact one is its title. */
export function time(text) {
  if (!text) return "–";
  const at = new Date(text);
  if (Number.isNaN(at.valueOf())) return String(text);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const today = at.toDateString() === new Date().toDateString();
  return el("time", { datetime: at.toISOString(), title: `${day} ${clock} (${at.toISOString()})` }, today ? clock : `${day} ${clock}`);
}

/** The time of day alone, to the millisecond: for log lines. */
export function clock(text) {
  const at = new Date(text);
  if (Number.isNaN(at.valueOf())) return String(text ?? "");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** How long something took, or takes. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(rest)} s`;
}

/** A metric: as many digits as tell something. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 0.001 && Math.abs(value) < 1e6 ? value.toPrecision(4) : value.toExponential(2);
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0, value = count;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const shortId = (id) => String(id).slice(0, 8);

const KINDS = {
  COMPLETED: "good", RUNNING: "busy", PENDING: "waiting", SCHEDULED: "waiting", FAILED: "bad", CRASHED: "bad",
  CANCELLED: "off", CANCELLING: "off", PAUSED: "waiting",
  // Names of states, where the type is not told.
  CACHED: "good", LATE: "waiting", SUBMITTED: "waiting", AWAITINGRETRY: "waiting", RETRYING: "busy", TIMEDOUT: "bad",
  // Of workers.
  ONLINE: "good", OFFLINE: "bad",
};

/** A state as a colour with its word: `name` is what is shown, `type` decides on the colour. */
export function state(name, type) {
  const kind = KINDS[String(type ?? name ?? "").toUpperCase()] ?? "off";
  return el("span", { class: `state ${kind}` }, String(name ?? type ?? "unknown"));
}

export const FINAL = new Set(["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]);
