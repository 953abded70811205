// Who works: Prefect's workers, which start runs, and Dask's, which run tasks.

import { Problem, get } from "./api.js";
import { el, fill, find, rows, show } from "./dom.js";
import { bytes, number, state, time } from "./format.js";
import { engines, problem, repeat } from "./page.js";

function prefectRow(worker) {
  return el("tr", {},
    el("td", {}, state(worker.status)),
    el("th", { scope: "row" }, worker.name),
    el("td", {}, worker.pool ?? "–"),
    el("td", { class: "wide" }, worker.type ?? "–"),
    el("td", { class: "wide" }, worker.host ?? "–"),
    el("td", { class: "number" }, worker.runs_in_hand),
    el("td", {}, time(worker.last_heartbeat)));
}

function memory({ used, limit } = {}) {
  if (!limit) return bytes(used);
  return el("span", { class: "meter-row" },
    el("meter", { min: 0, max: limit, high: limit * 0.8, optimum: 0, value: used ?? 0, "aria-hidden": "true" }),
    `${bytes(used)} of ${bytes(limit)}`);
}

function daskRow(worker) {
  return el("tr", {},
    el("td", {}, state(worker.status)),
    el("th", { scope: "row" }, worker.name ?? worker.address),
    el("td", { class: "wide" }, worker.address === worker.name ? "as its name" : worker.address),
    el("td", { class: "wide" }, worker.host ?? "–"),
    el("td", { class: "number wide" }, worker.pid ?? "–"),
    el("td", { class: "number" }, worker.threads ?? "–"),
    el("td", {}, memory(worker.memory)),
    el("td", { class: "number" }, worker.cpu === null || worker.cpu === undefined ? "–" : `${number(Math.round(worker.cpu))} %`),
    el("td", { class: "number" }, worker.tasks_in_hand),
    el("td", { class: "number" }, worker.tasks_done ?? "–"),
    el("td", {}, time(worker.last_heartbeat)));
}

fill(find("actions"), engines.dask ? el("a", { class: "button", href: `${engines.dask}/status` }, "Dask's dashboard") : null);

repeat(async () => {
  const { prefect, dask, problems, note } = await get("/workers");
  rows(find("prefect").tBodies[0], prefect, (worker) => `${worker.pool}/${worker.name}`, prefectRow);
  rows(find("dask").tBodies[0], dask, (worker) => worker.address ?? worker.name, daskRow);
  show(find("no-prefect"), prefect.length === 0);
  if (note) fill(find("no-dask"), note);
  show(find("no-dask"), dask.length === 0);
  problem(problems.length ? new Problem(503, { detail: problems.join(" ") }) : undefined);
  return 3;
});
