// The list of runs.

import { get } from "./api.js";
import { el, find, link, rows, show } from "./dom.js";
import { duration, FINAL, state, time } from "./format.js";
import { asked, attempt, filters, home, options, paging, repeat } from "./page.js";

const chosen = filters(find("filters"));
const body = find("runs").tBodies[0];
find("runs").classList.toggle("with-parents", Boolean(chosen.stages));

function row(run) {
  return el("tr", {},
    el("td", {}, state(run.state, run.state_type)),
    el("th", { scope: "row" }, link(`${home}/runs/${run.id}`, run.name)),
    el("td", { class: "wide" }, run.deployment ?? run.flow ?? "–"),
    el("td", { class: "wide" }, time(run.due)),
    el("td", {}, time(run.started)),
    el("td", { class: "number wide" }, run.started ? duration(run.seconds) : "–"),
    el("td", { class: "parent" }, run.parent ? link(`${home}/runs/${run.parent}`, "a run") : "–"));
}

repeat(async () => {
  const { stages, ...others } = asked(chosen);
  const { runs, next } = await get("/runs", { limit: 50, parent: stages ? undefined : "none", ...others });
  rows(body, runs, (run) => run.id, row);
  show(find("empty"), runs.length === 0);
  paging(chosen, next);
  return runs.some((run) => !FINAL.has(run.state_type)) ? 3 : 10;
});

attempt(async () => {
  const { deployments } = await get("/deployments");
  options(find("deployment"), deployments.map((one) => one.name).sort());
  options(find("use_case"), [...new Set(deployments.map((one) => one.use_case).filter(Boolean))].sort());
});
