// What a recommender says to a user of the data, or to somebody who likes some items.

import { get, part, post } from "./api.js";
import { el, fill, find, link, rows, show } from "./dom.js";
import { attempt, home, named, problem, title } from "./page.js";

const name = named("models");
title(`Recommendations of ${name}`);
const liked = new Map();
const ofUser = () => find("who-user").checked;

function choose() {
  show(find("user-field"), ofUser());
  show(find("liked-field"), !ofUser());
}

function showLiked() {
  rows(find("liked"), [...liked.values()], (item) => item.item_id, (item) =>
    el("li", {}, item.title, el("button", { type: "button", class: "remove", "aria-label": `Remove ${item.title}`, onclick: () => like(item, false) }, "×")));
  show(find("liked-empty"), liked.size === 0);
}

function like(item, likes = true) {
  if (likes) liked.set(item.item_id, item);
  else liked.delete(item.item_id);
  showLiked();
  search();
  if (liked.size) recommend();
}

let searched = 0;
async function search() {
  const asked = (searched += 1);
  await attempt(async () => {
    const { items } = await get("/recommendations/items", { model: name, query: find("search").value.trim(), k: 12 });
    if (asked !== searched) return;
    const others = items.filter((item) => !liked.has(item.item_id)).slice(0, 8);
    rows(find("found"), others, (item) => item.item_id, (item) =>
      el("li", {}, el("button", { type: "button", onclick: () => like(item) },
        el("span", {}, item.title), el("span", { class: "hint" }, item.genres.replaceAll("|", ", ")))));
  });
}

function recommended(told, whom) {
  const best = Math.max(...told.items.map((item) => item.score ?? 0), 1e-9);
  const least = Math.min(...told.items.map((item) => item.score ?? 0), 0);
  find("told").textContent = `${whom} Version ${told.version} of ${told.model}.`;
  fill(find("ranking"), told.items.map((item) => el("li", {},
    el("span", { class: "name" }, item.title ?? `item ${item.item_id}`),
    el("span", { class: "track", "aria-hidden": "true" }, el("span", {
      class: "bar", style: { width: `${Math.max(2, (100 * ((item.score ?? 0) - least)) / (best - least)).toFixed(1)}%` } })),
    el("span", { class: "number" }, (item.score ?? 0).toPrecision(3)))));
  if (!told.items.length) fill(find("ranking"), el("li", { class: "empty" }, "Nothing is left."));
}

async function recommend() {
  const k = Number(find("k").value) || 10, genre = find("genre").value || undefined;
  find("user-problem").textContent = "";
  await attempt(async () => {
    try {
      if (ofUser()) {
        const user = find("user").value.trim();
        if (!user) { find("user-problem").textContent = "Type a user's id."; return; }
        const told = await get(`/recommendations/${part(user)}`, { k, genre, model: name });
        recommended(told, told.known ? `For user ${user}.` : `The model does not know user ${user}: these are the popular ones.`);
      } else {
        if (!liked.size) { find("told").textContent = "Add something that is liked."; return; }
        const told = await post(`/recommendations?model=${part(name)}`, { items: [...liked.keys()], k, ...(genre ? { genre } : {}) });
        recommended(told, told.known ? `For somebody who likes ${liked.size === 1 ? "this" : `these ${liked.size}`}.` : "The model knows none of them: these are the popular ones.");
      }
    } catch (error) {
      const wrong = (error.errors ?? []).find((one) => one.field === "user_id");
      if (!wrong) throw error;
      find("user-problem").textContent = wrong.message;
    }
  });
}

find("ask").addEventListener("submit", (event) => { event.preventDefault(); recommend(); });
for (const id of ["who-user", "who-liked"]) find(id).addEventListener("change", choose);
let typing;
find("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 150); });
find("search").addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });

await attempt(async () => {
  fill(find("actions"), el("a", { class: "button", href: `${home}/models/${part(name)}` }, "Versions"));
  const form = await get(`${home}/forms/${part(name)}`);
  if (!form.recommends) { problem(undefined); fill(find("told"), link(`${home}/models/${part(name)}`, name), " recommends nothing."); return; }
  show(find("liked-choice"), form.catalogue);
  show(find("genre-field"), form.genres.length > 0);
  find("genre").append(...form.genres.map((genre) => el("option", { value: genre }, genre)));
  if (form.catalogue) { showLiked(); search(); }
  await recommend();
});
choose();
