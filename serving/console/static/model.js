// One model: what answers, its versions side by side, its history, and its releases.

import { get, getPart, part, post } from "./api.js";
import { el, fill, find, link, pairs, rows, show } from "./dom.js";
import { number, time } from "./format.js";
import { attempt, confirm, engines, home, may, named, repeat, title } from "./page.js";

const name = named("models");
const path = `/models/${part(name)}`;
title(name);
let status = {}, versions = [], next = null, history = [];

function serving() {
  const refused = status.refused;
  pairs(find("serving"), [
    ["Version", status.version ?? el("span", {}, "none")],
    ["Since", status.since ? time(status.since) : null],
    ["How", status.how],
    ["MLflow run", status.run_id ? el("code", {}, status.run_id) : null],
    ["Refused", refused ? el("span", { class: "error" }, `version ${refused.version}: ${refused.problem}`) : null],
  ]);
}

const isChampion = (version) => (version.aliases ?? []).includes("champion");
// What is shown first: metrics that all versions have, in the order of the newest.
const metricNames = () => [...new Set(versions.flatMap((version) => Object.keys(version.metrics ?? {})))];

function versionRow(version, metrics) {
  const champion = versions.find(isChampion);
  const mlflow = version.links?.mlflow ?? (engines.mlflow ? `${engines.mlflow}/#/models/${part(name)}/versions/${part(version.version)}` : "");
  return el("tr", { class: isChampion(version) ? "chosen" : null },
    el("th", { scope: "row" }, link(mlflow, version.version)),
    el("td", {}, (version.aliases ?? []).map((alias) => [el("span", { class: `tag ${alias}` }, alias), " "]),
      String(version.version) === String(status.version) ? el("span", { class: "tag here" }, "answers here") : null),
    el("td", {}, time(version.created)),
    metrics.map((metric) => metricCell(version, champion, metric)),
    el("td", { class: "buttons" }, el("a", { class: "button quiet", href: `${home}/models/${part(name)}/evaluation?version=${part(version.version)}` }, "Evaluation"),
      isChampion(version) ? null : el("button", { class: "quiet", disabled: !may("operate"), onclick: () => promote(version) }, "Promote")));
}

/** A metric, and by how much it differs from the champion's. */
function metricCell(version, champion, metric) {
  const value = version.metrics?.[metric], base = champion?.metrics?.[metric];
  const differs = champion && champion !== version && typeof value === "number" && typeof base === "number" && value !== base;
  const sign = value > base ? "+" : "−";
  return el("td", { class: "number" }, number(value),
    differs ? el("span", { class: "difference" }, ` ${sign}${Math.abs(value - base).toPrecision(2)}`) : null);
}

function table() {
  const metrics = metricNames();
  fill(find("versions").tHead, el("tr", {},
    ["Version", "Alias", "Created"].map((text) => el("th", { scope: "col" }, text)),
    metrics.map((metric) => el("th", { scope: "col", class: "number" }, metric)),
    el("th", { scope: "col" }, el("span", { class: "hidden" }, "Release"))));
  const champion = versions.find(isChampion)?.metrics;
  rows(find("versions").tBodies[0], versions.map((version) => ({ ...version, here: status.version, metrics_shown: metrics, champion })),
    (version) => version.version, (version) => versionRow(versions.find((one) => one.version === version.version), metrics));
  show(find("no-versions"), versions.length === 0);
  show(find("pages"), Boolean(next));
}

function historyRow(reign) {
  return el("tr", { class: reign.until ? null : "chosen" },
    el("th", { scope: "row" }, reign.version),
    el("td", {}, time(reign.since)),
    el("td", {}, reign.until ? time(reign.until) : "today"),
    el("td", {}, reign.external ? "outside of Sluice" : reign.by),
    el("td", { class: "text" }, reign.reason || "–"));
}

function actions() {
  const before = history.find((reign) => reign.until);
  fill(find("actions"),
    el("a", { class: "button", href: `${home}/models/${part(name)}/evaluation` }, "Evaluation"),
    form?.recommends ? el("a", { class: "button", href: `${home}/models/${part(name)}/recommendations` }, "Recommendations") : null,
    el("button", { class: "danger", disabled: !may("operate") || !before, onclick: rollBack }, "Roll back"),
    engines.mlflow ? el("a", { class: "button", href: `${engines.mlflow}/#/models/${part(name)}` }, "In MLflow") : null);
}

async function promote(version) {
  const done = await confirm({
    title: `Promote version ${version.version}?`,
    text: `It becomes champion of ${name}: the service answers with it as soon as it is loaded. The gate is not asked.`,
    yes: "Promote it",
    reason: true,
    work: (reason) => post(`${path}/promote`, { version: String(version.version), ...(reason ? { reason } : {}) }),
  });
  if (done) await attempt(look);
}

async function rollBack() {
  const done = await confirm({
    title: "Roll back?",
    text: `The champion of ${name} before this one answers again. Once more goes back one further.`,
    yes: "Roll back",
    reason: true,
    work: (reason) => post(`${path}/rollback`, reason ? { reason } : {}),
  });
  if (done) await attempt(look);
}

/** A model may have versions and no champion yet. */
function nothing(error) {
  if (error.status !== 404) throw error;
  return {};
}

let form;
async function look() {
  const [first, reigns, known] = await Promise.all([getPart(`${path}/versions`, { limit: 20 }), get(`${path}/history`), get(path).catch(nothing)]);
  // Older ones that were asked for stay.
  const newest = new Set(first.told.map((version) => version.version));
  const older = versions.filter((version) => !newest.has(version.version));
  if (!older.length) next = first.next;
  [versions, status, history] = [[...first.told, ...older], known, reigns];
  serving();
  table();
  rows(find("history").tBodies[0], history, (reign) => `${reign.version} ${reign.since}`, historyRow);
  show(find("no-history"), history.length === 0);
  actions();
}

find("more").addEventListener("click", () => attempt(async () => {
  const listed = await getPart(`${path}/versions`, { limit: 20, cursor: next });
  versions = [...versions, ...listed.told];
  next = listed.next;
  table();
}));

repeat(async () => {
  await look();
  if (!form && status.version) form = await get(`${home}/forms/${part(name)}`);
  actions();
  return 4;
});
