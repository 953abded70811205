// One task.

import { get, part } from "./api.js";
import { el, find, link, pairs, plain, show } from "./dom.js";
import { duration, FINAL, state, time } from "./format.js";
import { engines, home, named, repeat, title } from "./page.js";

const taskLink = (id) => link(`${home}/tasks/${part(id)}`, el("code", {}, id));

repeat(async () => {
  const task = await get(`/tasks/${part(named("tasks"))}`);
  title(task.name);
  const prefect = task.links?.prefect ?? (engines.prefect ? `${engines.prefect}/runs/task-run/${task.id}` : "");
  find("actions").replaceChildren(...(prefect ? [el("a", { class: "button", href: prefect }, "In Prefect")] : []));
  pairs(find("summary"), [
    ["State", state(task.state, task.state_type)],
    ["Received", task.received ? time(task.received) : null],
    ["Started", task.started ? time(task.started) : null],
    ["Succeeded", task.succeeded ? time(task.succeeded) : null],
    ["Failed", task.failed ? time(task.failed) : null],
    ["Last change", task.timestamp ? time(task.timestamp) : null],
    ["Runtime", task.runtime === null || task.runtime === undefined ? null : duration(task.runtime)],
    ["Retries", task.retries],
    ["Worker", task.worker],
    ["Deployment", task.deployment],
    ["Run", task.run ? link(`${home}/runs/${part(task.run)}`, el("code", {}, task.run)) : null],
    ["Parent", task.parent ? taskLink(task.parent) : null],
    ["Children", (task.children ?? []).length ? task.children.map((child) => el("div", {}, taskLink(child))) : null],
    ["Id", el("code", {}, task.id)],
  ]);
  const given = Object.entries(task.arguments ?? {});
  pairs(find("arguments"), given.map(([name, value]) => [name, plain(value)]));
  show(find("no-arguments"), given.length === 0);
  const told = task.error ?? task.result;
  show(find("outcome-section"), told !== null && told !== undefined);
  find("outcome-title").textContent = task.error ? "Error" : "Result";
  find("outcome").textContent = typeof told === "string" ? told : JSON.stringify(told, null, 2);
  return FINAL.has(task.state_type) ? undefined : 2;
});
