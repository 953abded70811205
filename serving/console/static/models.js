// The models.

import { get, part } from "./api.js";
import { el, find, link, rows, show } from "./dom.js";
import { time } from "./format.js";
import { home, may, repeat } from "./page.js";

function row(model) {
  const page = `${home}/models/${part(model.name)}`;
  return el("tr", {},
    el("th", { scope: "row" }, link(page, model.name)),
    el("td", {}, answers(model)),
    el("td", {}, time(model.since)),
    el("td", { class: "wide" }, model.how ?? "–"),
    el("td", {}, link(`${page}/evaluation`, "Evaluation")));
}

function answers({ version, refused }) {
  return [
    version ? el("span", { class: "state good" }, `version ${version}`) : el("span", { class: "state off" }, "not loaded yet"),
    refused ? el("span", { class: "state bad" }, `version ${refused.version} is refused`) : null,
  ];
}

// What a use case makes is a model too, if the service was not asked for it yet.
let made = [];
if (may("operate")) get("/deployments").then(({ deployments }) => { made = deployments.map((one) => one.use_case); }, () => {});

repeat(async () => {
  const { models } = await get("/models");
  const known = new Set(models.map((model) => model.name));
  const others = [...new Set(made)].filter((name) => name && !known.has(name)).map((name) => ({ name }));
  const all = [...models, ...others].sort((one, other) => one.name.localeCompare(other.name));
  rows(find("models").tBodies[0], all, (model) => model.name, row);
  show(find("empty"), all.length === 0);
  return made.length || !may("operate") ? 5 : 0.5;
});
