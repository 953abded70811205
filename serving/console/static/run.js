// One run: its state, stages, log, and what it left.

import { get, part, post } from "./api.js";
import { artifact } from "./artifacts.js";
import { el, fill, find, json, link, pairs, rows, show } from "./dom.js";
import { duration, FINAL, shortId, state, time } from "./format.js";
import { RunLog } from "./log.js";
import { attempt, confirm, engines, home, may, named, repeat, title } from "./page.js";

const id = named("runs");
const path = `/runs/${part(id)}`;
let stages = new Map(), looked = 0, log;

function summary(run) {
  pairs(find("summary"), [
    ["State", state(run.state, run.state_type)],
    ["Message", run.message],
    ["Deployment", run.deployment ?? run.flow],
    ["Due", time(run.due)],
    ["Started", run.started ? time(run.started) : null],
    ["Ended", run.ended ? time(run.ended) : null],
    ["Took", run.started ? duration(run.seconds) : null],
    ["Part of", run.parent ? link(`${home}/runs/${run.parent}`, shortId(run.parent)) : null],
    ["Tags", (run.tags ?? []).length ? run.tags.map((tag) => el("span", { class: "tag" }, tag)) : null],
    ["Id", el("code", {}, run.id)],
  ]);
}

function actions(run) {
  const final = FINAL.has(run.state_type), allowed = may("operate");
  const prefect = run.links?.prefect ?? (engines.prefect ? `${engines.prefect}/runs/flow-run/${run.id}` : "");
  fill(find("actions"),
    final && run.state_type !== "COMPLETED" ? el("button", { class: "primary", disabled: !allowed, onclick: () => retry(run) }, "Retry") : null,
    final ? null : el("button", { class: "danger", disabled: !allowed || run.state_type === "CANCELLING", onclick: () => cancel(run) }, "Cancel"),
    run.deployment ? el("a", { class: "button", href: `${home}/runs/new?deployment=${part(run.deployment)}` }, "Start another") : null,
    prefect ? el("a", { class: "button", href: prefect }, "In Prefect") : null);
}

async function cancel(run) {
  const done = await confirm({
    title: `Cancel ${run.name}?`,
    text: "Its process is ended, and those of the stages that it started. What they have written stays.",
    yes: "Cancel the run",
    work: () => post(`${path}/cancel`),
  });
  if (done) await attempt(look);
}

async function retry(run) {
  const done = await confirm({
    title: `Retry ${run.name}?`,
    text: "It goes on as the same run. Stages that are finished are skipped.",
    yes: "Retry the run",
    work: () => post(`${path}/retry`),
  });
  if (done) location.reload();
}

/** Bars on one scale: from the run's start to its end, or to now. */
function timeline(run) {
  const list = run.stages ?? [];
  const moment = (text, otherwise) => (text ? Date.parse(text) : otherwise);
  const now = moment(run.ended, Date.now());
  const start = Math.min(moment(run.started, now), ...list.map((stage) => moment(stage.started, now)));
  const whole = Math.max(now - start, 1);
  const shown = list.map((stage) => {
    const from = moment(stage.started, null), to = moment(stage.ended, now);
    return { ...stage, from: from === null ? 0 : (from - start) / whole, share: from === null ? 0 : (to - from) / whole };
  });
  rows(find("stages"), shown, (stage) => stage.run, (stage) =>
    el("li", {},
      el("span", { class: "name" }, link(`${home}/runs/${stage.run}`, stage.flow)),
      el("span", { class: "track", "aria-hidden": "true" }, el("span", {
        class: `bar ${String(stage.state_type).toLowerCase()}`,
        style: { "margin-inline-start": `${(100 * stage.from).toFixed(2)}%`, width: `${Math.max(100 * stage.share, 0.7).toFixed(2)}%` },
      })),
      el("span", { class: "number" }, stage.started ? duration(stage.seconds) : "–"),
      el("span", { class: "outcome" }, state(stage.unchanged ? "unchanged" : stage.state, stage.state_type))));
  show(find("no-stages"), list.length === 0);
}

function tasks(run) {
  const counts = Object.entries(run.tasks ?? {}).filter(([, count]) => count);
  const runs = [run, ...(run.stages ?? []).map((stage) => ({ id: stage.run }))];
  fill(find("tasks"), counts.length
    ? [link(`${home}/tasks?run=${part(runs[0].id)}`, "Tasks"), ": ", counts.map(([name, count]) => `${count} ${name.toLowerCase()}`).join(", ")]
    : link(`${home}/tasks?run=${part(id)}`, "Tasks"));
}

function artifacts(run) {
  const list = run.artifacts ?? [];
  rows(find("artifacts"), list, (one) => `${one.key}-${list.indexOf(one)}`, artifact);
  show(find("artifacts-section"), list.length > 0);
}

let content = "";
async function look() {
  const asked = (looked += 1);
  const run = await get(path);
  if (asked !== looked) return run;  // a later look was quicker
  stages = new Map([[run.id, run.flow], ...(run.stages ?? []).map((stage) => [stage.run, stage.flow])]);
  title(run.name);
  summary(run);
  actions(run);
  timeline(run);
  tasks(run);
  const now = JSON.stringify([run.parameters, run.result, run.state_type]);
  if (now !== content) {
    content = now;
    fill(find("parameters"), json(run.parameters));
    fill(find("result"), run.result === null || run.result === undefined
      ? el("p", { class: "empty" }, FINAL.has(run.state_type) ? "It left none." : "Not yet.") : json(run.result));
  }
  artifacts(run);
  return run;
}

await repeat(async () => {
  const run = await look();
  const final = FINAL.has(run.state_type);
  if (!log) {
    log = new RunLog(id, (from) => stages.get(from), () => attempt(look));
    log.start(final);
  }
  // The log tells when something changes; this is for what it does not, such as the time that a stage takes.
  return final ? undefined : 2;
});
addEventListener("pagehide", () => log?.stop());
