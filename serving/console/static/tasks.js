// The tasks table, as people know it from Flower.

import { address, get, part } from "./api.js";
import { el, fill, find, link, rows, show } from "./dom.js";
import { duration, shortId, state, time } from "./format.js";
import { asked, filters, home, paging, repeat } from "./page.js";

const chosen = filters(find("filters"));
const { cursor, ...narrowed } = chosen;
find("csv").href = address("/tasks", { ...asked(narrowed), format: "csv" });

const taskLink = (id) => link(`${home}/tasks/${part(id)}`, el("code", {}, shortId(id)));
const argumentText = (given) => Object.entries(given ?? {}).map(([name, value]) => `${name}=${value}`).join(", ");

function row(task) {
  const told = task.error ?? task.result;
  return el("tr", {},
    el("th", { scope: "row" }, link(`${home}/tasks/${part(task.id)}`, task.name)),
    el("td", {}, state(task.state, task.state_type)),
    el("td", { class: "number" }, duration(task.runtime)),
    el("td", { class: "cut", title: argumentText(task.arguments) }, argumentText(task.arguments) || "–"),
    el("td", { class: task.error ? "cut error" : "cut", title: told }, told ?? "–"),
    el("td", {}, time(task.received)),
    el("td", {}, time(task.started)),
    el("td", {}, time(task.succeeded)),
    el("td", {}, time(task.failed)),
    el("td", { class: "cut", title: task.worker }, task.worker ?? "–"),
    el("td", {}, task.run ? link(`${home}/runs/${part(task.run)}`, el("code", {}, shortId(task.run))) : "–"),
    el("td", {}, task.parent ? taskLink(task.parent) : "–"),
    el("td", {}, (task.children ?? []).length ? task.children.map((child) => [taskLink(child), " "]) : "–"),
    el("td", { class: "number" }, task.retries ?? 0),
    el("td", {}, time(task.timestamp)));
}

function nameRow(group) {
  return el("tr", {},
    el("th", { scope: "row" }, link(address(`${home}/tasks`, { ...narrowed, name: group.name }), group.name)),
    el("td", { class: "number" }, group.count),
    el("td", {}, Object.entries(group.states).map(([name, count]) => [state(`${count} ${name}`, name), " "])),
    el("td", { class: "number" }, duration(group.runtime_mean)),
    el("td", { class: "number" }, duration(group.runtime_p95)),
    el("td", { class: "wide" }, time(group.last)));
}

repeat(async () => {
  const { tasks, next } = await get("/tasks", { limit: 50, ...asked(chosen) });
  rows(find("tasks").tBodies[0], tasks, (task) => task.id, row);
  show(find("empty"), tasks.length === 0);
  paging(chosen, next);
  return tasks.some((task) => task.state_type === "RUNNING" || task.state_type === "PENDING") ? 3 : 10;
});

repeat(async () => {
  const groups = await get("/tasks/names");
  rows(find("names").tBodies[0], groups, (group) => group.name, nameRow);
  fill(find("known-names"), groups.map((group) => el("option", { value: group.name })));
  return 15;
});
