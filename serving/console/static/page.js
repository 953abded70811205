// What pages have in common: the visitor, problems, filters, paging, looking again, and asking before something changes.

import { address, Problem } from "./api.js";
import { el, fill, find, show } from "./dom.js";

export const home = "/console";
/** Addresses of the engines' own pages, empty where there are none. */
export const engines = document.body.dataset;
export const may = (scope) => document.body.dataset.scopes.split(" ").includes(scope);

/** The path's part after the name: of /console/runs/7 after "runs" it is "7". */
export function named(after) {
  const parts = location.pathname.split("/").map(decodeURIComponent);
  return parts[parts.indexOf(after) + 1] ?? "";
}

export function title(text) {
  find("title").textContent = text;
  document.title = `${text} · Sluice`;
}

const owners = new WeakMap();

/** Show what went wrong, or, without an error, that nothing does any more. `owner` is whose trouble it is. */
export function problem(error, place = find("problem"), owner = undefined) {
  if (error === undefined) { show(place, false); return; }
  if (!(error instanceof Problem)) throw error;
  owners.set(place, owner);
  fill(place, error.message);
  show(place);
}

/** Do something that may be refused, and show why on the page; gives whether it was done. */
export async function attempt(work, place = find("problem"), owner = undefined) {
  try {
    await work();
    // What looks again and again takes back its own trouble only.
    if (owner === undefined || owners.get(place) === owner) problem(undefined, place);
    return true;
  } catch (error) {
    problem(error, place, owner);
    return false;
  }
}

/** Do it now and again: `work` gives the seconds until the next time, or nothing when it is over. Hidden pages wait. */
export function repeat(work) {
  let failures = 0;
  const once = async () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", once, { once: true });
      return;
    }
    let seconds;
    const done = await attempt(async () => { seconds = await work(); }, find("problem"), work);
    failures = done ? 0 : failures + 1;
    if (!done) seconds = Math.min(2 ** failures, 30);
    if (seconds) setTimeout(once, seconds * 1000);
  };
  return once();
}

/** The filters of the address, put into the form's fields; a form that is sent leaves out what is empty. */
export function filters(form) {
  const chosen = Object.fromEntries(new URLSearchParams(location.search));
  for (const field of form.elements) {
    if (!field.name || !(field.name in chosen)) continue;
    // What the list does not have yet is chosen all the same.
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === chosen[field.name])) {
      field.append(el("option", { value: chosen[field.name] }, chosen[field.name]));
    }
    if (field.type === "checkbox") field.checked = true;
    else field.value = chosen[field.name];
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(address(location.pathname, Object.fromEntries(new FormData(form))));
  });
  for (const select of form.querySelectorAll("select, [type=checkbox]")) select.addEventListener("change", () => form.requestSubmit());
  return chosen;
}

/** Fill a list of choices without losing the one that was made. */
export function options(select, values) {
  const chosen = select.value;
  const known = new Set([...select.options].map((option) => option.value));
  select.append(...values.filter((value) => !known.has(value)).map((value) => el("option", { value }, value)));
  select.value = chosen;
}

const UNITS = { h: 3600, d: 86400 };

/** The filters as the JSON routes take them: "24h" becomes a moment. */
export function asked(chosen) {
  const { since, ...others } = chosen;
  const found = /^(\d+)([hd])$/.exec(since ?? "");
  const at = found ? new Date(Date.now() - found[1] * UNITS[found[2]] * 1000).toISOString() : since;
  return { ...others, since: at };
}

/** Links to older and to the newest, for lists that are read in parts. */
export function paging(chosen, next) {
  const { cursor, ...others } = chosen;
  const [newest, older] = [find("newest"), find("older")];
  newest.href = address(location.pathname, others);
  older.href = address(location.pathname, { ...others, cursor: next });
  show(newest, Boolean(cursor));
  show(older, Boolean(next));
  show(find("pages"), Boolean(cursor || next));
}

/**
 * Ask whether something is to be done, and do it: `work` gets the reason that was typed. It stays open with the
 * problem when it is refused. Gives whether it was done.
 */
export function confirm({ title: heading, text, yes, reason = false, work }) {
  const dialog = find("confirm"), form = find("confirm-form"), place = find("confirm-problem");
  find("confirm-title").textContent = heading;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = yes;
  find("confirm-reason").value = "";
  show(find("confirm-reason-field"), reason);
  show(place, false);
  return new Promise((resolve) => {
    const answer = async (event) => {
      event.preventDefault();
      if (event.submitter?.value !== "yes") { close(false); return; }
      find("confirm-yes").disabled = true;
      const done = await attempt(() => work(find("confirm-reason").value.trim()), place);
      find("confirm-yes").disabled = false;
      if (done) close(true);
    };
    const escape = () => close(false);
    const close = (done) => {
      form.removeEventListener("submit", answer);
      dialog.removeEventListener("cancel", escape);
      dialog.close();
      resolve(done);
    };
    form.addEventListener("submit", answer);
    dialog.addEventListener("cancel", escape);
    dialog.showModal();
    (reason ? find("confirm-reason") : find("confirm-yes")).focus();
  });
}
