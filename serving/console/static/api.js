// The service's JSON routes, with the errors that they tell.

/** What the service said no to: `status`, a sentence for people, and `errors` with a field and a message each. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The service answered with ${status}.`);
    this.status = status;
    this.errors = Array.isArray(body.errors) ? body.errors : [];
  }
}

export const part = encodeURIComponent;

/** An address with those parameters that have a value. */
export function address(path, parameters = {}) {
  const chosen = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(chosen).toString();
  return query ? `${path}?${query}` : path;
}

export const get = async (path, parameters) => (await ask("GET", address(path, parameters))).told;
export const post = async (path, body) => (await ask("POST", path, body ?? {})).told;

/** A part of a list, and the cursor of the next one, which the header Link names (RFC 8288). */
export async function getPart(path, parameters) {
  const { told, answer } = await ask("GET", address(path, parameters));
  const next = /<([^>]*)>;\s*rel="next"/.exec(answer.headers.get("link") ?? "");
  return { told, next: next ? new URL(next[1], location.href).searchParams.get("cursor") : null };
}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: "The service does not answer. Is it up?" });
  }
  if (answer.status === 401) signIn();
  const text = await answer.text();
  let told = {};
  try {
    told = text ? JSON.parse(text) : {};
  } catch {
    told = { detail: `The service answered with ${answer.status}, and not in JSON.` };
    if (answer.ok) throw new Problem(answer.status, told);
  }
  if (!answer.ok) throw new Problem(answer.status, told);
  return { told, answer };
}

function signIn() {
  location.assign(address("/console/login", { next: location.pathname + location.search }));
}
