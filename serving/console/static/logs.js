// Any component's log.

import { get } from "./api.js";
import { find, rows, show } from "./dom.js";
import { line } from "./log.js";
import { asked, attempt, filters, options, paging, repeat } from "./page.js";

const chosen = filters(find("filters"));

repeat(async () => {
  const { lines, next } = await get("/logs", { limit: 200, ...asked(chosen) });
  const seen = new Map();
  const named = lines.map((one) => {
    const name = `${one.at} ${one.service} ${one.message}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return { ...one, name: `${name} ${seen.get(name)}` };
  });
  rows(find("log"), named, (one) => one.name, (one) => line(one));
  show(find("empty"), lines.length === 0);
  paging(chosen, next);
  return chosen.cursor ? undefined : 5;
});

attempt(async () => {
  options(find("service"), (await get("/logs/services")).services);
});
