// Starting a run: a form made of the deployment's parameters.

import { address, get, part, post } from "./api.js";
import { el, fill, find, link, show } from "./dom.js";
import { attempt, home, may, problem } from "./page.js";
import { SchemaForm } from "./schema_form.js";

// Whoever tells them apart from a person: what a deployment sets itself.
const SET = new Set(["use_case", "schedule", "limits", "within", "parallel"]);
const wanted = new URLSearchParams(location.search);
const select = find("deployment"), status = find("status"), submit = find("submit");
let form, known = new Map();

function choose() {
  const deployment = known.get(select.value);
  if (!deployment) return;
  find("description").textContent = deployment.description ?? "";
  form = new SchemaForm(deployment.parameters_schema ?? {}, deployment.parameters ?? {}, SET);
  fill(find("fields"), form.fields.length ? form.fields : el("p", { class: "empty" }, "It takes none."));
  newKey();
}

// The same key for the same form: sent twice, it starts one run.
let key;
function newKey() {
  key = [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

async function start() {
  const parameters = form.read();
  if (parameters === null) { status.textContent = "Something in the form is wrong."; return; }
  submit.disabled = true;
  status.textContent = "Starting…";
  const done = await attempt(async () => {
    try {
      const run = await post("/runs", { deployment: select.value, parameters, idempotency_key: key });
      location.assign(`${home}/runs/${part(run.id)}`);
    } catch (error) {
      const left = form.refuse(error.errors ?? []);
      if (left || !(error.errors ?? []).length) throw error;
      status.textContent = "Something in the form is wrong.";
    }
  });
  if (!done) status.textContent = "";
  submit.disabled = false;
}

await attempt(async () => {
  const { deployments } = await get("/deployments");
  // Pipelines first: those are what people start.
  const order = (name) => (name.startsWith("pipeline/") ? `0${name}` : `1${name}`);
  const names = deployments.map((one) => one.name).sort((one, other) => order(one).localeCompare(order(other)));
  known = new Map(deployments.map((one) => [one.name, one]));
  fill(select, names.map((name) => el("option", { value: name }, name)));
  if (known.has(wanted.get("deployment"))) select.value = wanted.get("deployment");
  show(find("start"), names.length > 0);
  if (!names.length) fill(find("problem"), "Prefect has no deployment. Register them: sluice deploy"), show(find("problem"));
  choose();
  submit.disabled = !may("operate");
  if (!may("operate")) status.textContent = "Your key does not have the scope operate.";
});
select.addEventListener("change", () => { problem(undefined); status.textContent = ""; choose(); });
find("start").addEventListener("input", newKey);
find("start").addEventListener("submit", (event) => { event.preventDefault(); start(); });
