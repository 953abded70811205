// A link on another site leads here although this browser is signed in: the cookie does not come along from there.

import { find } from "./dom.js";

const answer = await fetch("/console/session");
if (answer.ok && (await answer.json()).caller !== null) location.replace(find("next").value);
