// How good a version is: the metrics, and of a classifier its labels, its confusion matrix, and a form that asks it.

import { get, part, post } from "./api.js";
import { el, fill, find, link, plainTable, show } from "./dom.js";
import { number, time } from "./format.js";
import { ModelFields } from "./model_fields.js";
import { attempt, home, named, title } from "./page.js";
import { confusionOf, labelsOf, metricsOf } from "./evaluation_document.js";

const name = named("models");
title(`Evaluation of ${name}`);

function tiles(metrics) {
  fill(find("metrics"), metrics.map(([metric, value]) =>
    el("div", { class: metric === "accuracy" ? "tile first" : "tile" },
      el("span", { class: "tile-name" }, metric.replaceAll("_", " ")),
      el("span", { class: "tile-value" }, metric === "accuracy" ? `${(100 * value).toFixed(1)} %` : number(value)))));
}

function confusion({ classes, counts }) {
  const whole = Math.max(...counts.flat(), 1);
  fill(find("confusion"),
    el("caption", {}, "Held-out rows: what they are, and what the model says"),
    el("thead", {},
      el("tr", {}, el("td", {}), el("th", { scope: "colgroup", colspan: classes.length }, "Predicted")),
      el("tr", {}, el("th", { scope: "col" }, "True"), classes.map((label) => el("th", { scope: "col" }, label)))),
    el("tbody", {}, counts.map((line, row) => el("tr", {},
      el("th", { scope: "row" }, classes[row]),
      line.map((count, column) => el("td", {
        class: row === column ? "right" : "wrong", style: { "--share": `${Math.round((100 * count) / whole)}%` },
      }, count.toLocaleString("en")))))));
}

function labels({ truth, predicted, total }) {
  const wrong = truth.filter((label, place) => label !== predicted[place]).length;
  find("labels-hint").textContent = `${truth.length.toLocaleString("en")} rows` +
    `${total > truth.length ? ` of ${total.toLocaleString("en")}` : ""} in the same order; ${wrong.toLocaleString("en")} of them differ.`;
  fill(find("true"), `[${truth.join(", ")}]`);
  // The same array, with what the model has wrong marked.
  fill(find("predicted"), "[", predicted.flatMap((label, place) => [
    place ? ", " : "", label === truth[place] ? String(label) : el("mark", { title: `row ${place}: it is ${truth[place]}` }, label)]), "]");
  fill(find("strip"), truth.slice(0, 2000).map((label, place) => el("i", { class: label === predicted[place] ? "right" : "wrong" })));
  show(find("labels-section"));
}

function answer(row, told) {
  const prediction = told.predictions[0];
  const shown = prediction && typeof prediction === "object" ? prediction : { prediction };
  const share = typeof shown.probability === "number" ? shown.probability : null;
  fill(find("answer"),
    el("div", { class: "answer" },
      Object.entries(shown).map(([what, value]) => el("div", {}, el("span", { class: "tile-name" }, what), el("span", { class: "tile-value" }, number(value)))),
      share === null ? null : el("meter", { min: 0, max: 1, value: share, "aria-label": "probability" })),
    el("p", { class: "hint" }, `Version ${told.version}, prediction ${told.prediction_id}`));
}

function asking(form) {
  const fields = new ModelFields(form.inputs);
  fill(find("fields"), fields.fields);
  show(find("example"), fields.hasExample);
  fields.showExample();
  find("example").addEventListener("click", () => fields.showExample());
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const row = fields.read();
    if (row === null) return;
    attempt(async () => {
      try {
        answer(row, await post(`/models/${part(name)}/predict`, { rows: [row] }));
      } catch (error) {
        find("answer").replaceChildren();
        if (fields.refuse(error.errors ?? []) || !(error.errors ?? []).length) throw error;
      }
    });
  });
}

/** What some users of a recommender would get, beside what they are known to like. */
function example({ user_id: user, liked, items }) {
  return el("section", { class: "card" },
    el("h3", {}, `User ${user}`),
    liked.length ? el("p", { class: "hint" }, `Likes ${liked.slice(0, 5).join("; ")}`) : null,
    el("ol", { class: "titles" }, items.map((item) => el("li", {}, item.title ?? `item ${item.item_id}`,
      item.held_out ? [" ", el("span", { class: "tag here" }, "chosen")] : null))));
}

const version = new URLSearchParams(location.search).get("version");
await attempt(async () => {
  const told = await get(`/models/${part(name)}${version ? `/versions/${part(version)}` : ""}/evaluation`);
  const [matrix, rows] = [confusionOf(told), labelsOf(told)];
  fill(find("lead"), link(`${home}/models/${part(name)}`, name), ` version ${told.version}, asked about held-out rows of `,
    el("code", {}, told.table), " at ", time(told.at), ".");
  tiles(metricsOf(told));
  if (matrix) confusion(matrix);
  if (rows) labels(rows);
  if (told.ranking) {
    fill(find("ranking"), plainTable(told.ranking.map((one) => Object.fromEntries(
      Object.entries(one).map(([metric, value]) => [metric, metric === "k" ? value : number(value)]))), "By the length of the list"));
    show(find("ranking-section"));
  }
  if (told.examples) {
    fill(find("examples"), told.examples.map(example));
    show(find("examples-section"));
  }
  show(find("classifier"), Boolean(matrix));
  if (!matrix) return;
  const form = await get(`${home}/forms/${part(name)}`);
  if (form.inputs) asking(form);
  show(find("ask-section"), Boolean(form.inputs));
});
