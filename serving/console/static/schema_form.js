// A form from a JSON schema of parameters, as Prefect keeps it for a deployment.

import { el } from "./dom.js";

let made = 0;

/** `given` are the deployment's own values; what nobody changes is not sent, so those stay in force. */
export class SchemaForm {
  constructor(schema, given, leftOut = new Set()) {
    const required = new Set(schema.required ?? []);
    const place = ([, one]) => one.position ?? 0;
    this.parameters = Object.entries(schema.properties ?? {})
      .sort((one, other) => place(one) - place(other))
      .filter(([name]) => !leftOut.has(name))
      .map(([name, one]) => {
        const plain = resolved(one, schema);
        const value = name in given ? given[name] : plain.default;
        return new Parameter(name, plain, value, required.has(name) && !(name in given));
      });
  }

  get fields() {
    return this.parameters.map((one) => one.field);
  }

  /** What was changed; null if something cannot be read, which then stands beside its field. */
  read() {
    const found = {};
    let first = null;
    for (const parameter of this.parameters) {
      try {
        parameter.refuse("");
        const value = parameter.read();
        if (value !== undefined) found[parameter.name] = value;
      } catch (error) {
        parameter.refuse(error.message);
        first ??= parameter;
      }
    }
    first?.control.focus();
    return first ? null : found;
  }

  /** Show the service's errors beside their fields; gives how many have none here. */
  refuse(errors) {
    let left = 0, first = null;
    for (const { field, message } of errors) {
      const parts = String(field).split(".");
      const parameter = this.parameters.find((one) => parts.includes(one.name));
      if (!parameter) { left += 1; continue; }
      const inside = parts.slice(parts.indexOf(parameter.name) + 1).join(".");
      parameter.refuse(inside ? `${inside}: ${message}` : message);
      first ??= parameter;
    }
    first?.control.focus();
    return left;
  }
}

/** References followed, and the kinds that a value may have, null apart. */
function resolved(schema, whole, depth = 0) {
  if (depth > 8) return {};
  if (schema.$ref) {
    const target = schema.$ref.split("/").slice(1).reduce((place, name) => place?.[name], whole) ?? {};
    const { $ref, ...own } = schema;
    return { ...resolved(target, whole, depth + 1), ...own };
  }
  if (schema.allOf?.length === 1) {
    const { allOf, ...own } = schema;
    return { ...resolved(allOf[0], whole, depth + 1), ...own };
  }
  const variants = (schema.anyOf ?? schema.oneOf)?.map((one) => resolved(one, whole, depth + 1));
  if (!variants) return { ...schema, nullable: schema.type === "null" || [schema.type].flat().includes("null") };
  const values = variants.filter((one) => one.type !== "null");
  const { anyOf, oneOf, ...own } = schema;
  const one = values.length === 1 ? values[0] : { type: values.map((each) => each.type ?? "object") };
  return { ...one, ...own, nullable: values.length < variants.length || values.some((each) => each.nullable) };
}

class Parameter {
  constructor(name, schema, value, required) {
    Object.assign(this, { name, schema, value, required });
    this.types = [schema.type ?? (schema.enum ? "enum" : "object")].flat().filter((type) => type !== "null");
    made += 1;
    this.id = `parameter-${made}`;
    this.control = this.#control();
    this.before = this.#text();
    this.problem = el("p", { class: "field-problem", id: `${this.id}-problem` });
    const hint = schema.description ?? "";
    this.control.setAttribute("aria-describedby", `${this.id}-problem${hint ? ` ${this.id}-hint` : ""}`);
    const label = el("label", { for: this.id }, name, required ? el("span", { class: "needed" }, " (needed)") : null,
      el("span", { class: "type" }, ` ${this.#kind()}`));
    this.field = el("div", { class: "field" }, label, this.control,
      hint ? el("p", { class: "hint", id: `${this.id}-hint` }, hint) : null, this.problem);
  }

  refuse(message) {
    this.problem.textContent = message;
    this.control.toggleAttribute("aria-invalid", Boolean(message));
    if (message) this.control.setAttribute("aria-invalid", "true");
  }

  /** The value, undefined where it is as it was. */
  read() {
    const text = this.#text();
    if (text === this.before && !this.required) return undefined;
    if (this.schema.enum || this.schema.const !== undefined || this.#isChoice) return JSON.parse(text || "null");
    if (this.#is("boolean")) return this.control.checked;
    if (text.trim() === "") {
      if (this.schema.nullable) return null;
      if (this.#is("string")) return this.#notEmpty("");
      throw new Error("It needs a value.");
    }
    if (this.#is("integer") || this.#is("number")) return this.#number(text);
    if (this.#is("string")) return this.#notEmpty(text);
    if (!this.#isJson) return mixed(text, this.types);
    try {
      return this.#shaped(JSON.parse(text));
    } catch (error) {
      throw error instanceof SyntaxError ? new Error(`This is not JSON: ${error.message}`) : error;
    }
  }

  #is(type) {
    return this.types.length === 1 && this.types[0] === type;
  }

  get #isChoice() {
    return this.#is("boolean") && this.schema.nullable;
  }

  get #isJson() {
    return this.types.some((type) => type === "object" || type === "array");
  }

  #kind() {
    if (this.schema.enum) return "";
    const names = { object: "JSON object", array: "JSON list", integer: "whole number", string: "text", boolean: "" };
    return this.types.map((type) => names[type] ?? type).join(" or ");
  }

  #notEmpty(text) {
    if (text === "" && this.required) throw new Error("It needs a value.");
    if (text.length < (this.schema.minLength ?? 0)) throw new Error(`At least ${this.schema.minLength} characters.`);
    if (text.length > (this.schema.maxLength ?? Infinity)) throw new Error(`At most ${this.schema.maxLength} characters.`);
    return text;
  }

  #number(text) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Error("This is not a number.");
    if (this.#is("integer") && !Number.isInteger(value)) throw new Error("This is not a whole number.");
    if (value < (this.schema.minimum ?? -Infinity)) throw new Error(`At least ${this.schema.minimum}.`);
    if (value > (this.schema.maximum ?? Infinity)) throw new Error(`At most ${this.schema.maximum}.`);
    return value;
  }

  #shaped(value) {
    const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    const wanted = this.types.map((one) => (one === "integer" ? "number" : one));
    if (type === "null" ? !this.schema.nullable : !wanted.includes(type)) throw new Error(`It must be a ${this.#kind()}.`);
    return value;
  }

  #text() {
    return this.control.type === "checkbox" ? String(this.control.checked) : this.control.value;
  }

  #control() {
    const { schema, value, id, name, required } = this;
    const shared = { id, name, required };
    if (schema.enum || schema.const !== undefined || this.#isChoice) {
      const values = schema.enum ?? (schema.const !== undefined ? [schema.const] : [true, false]);
      const all = schema.nullable || value === null || value === undefined ? [null, ...values.filter((one) => one !== null)] : values;
      const select = el("select", shared, all.map((one) => el("option", { value: JSON.stringify(one) }, one === null ? "–" : String(one))));
      select.value = JSON.stringify(value ?? null);
      return select;
    }
    if (this.#is("boolean")) return el("input", { id, name, type: "checkbox", checked: value === true });
    if (this.#isJson) {
      const text = value === null || value === undefined ? "" : JSON.stringify(value, null, 2);
      const area = el("textarea", { ...shared, rows: Math.min(Math.max(text.split("\n").length, 2), 12), spellcheck: "false" });
      area.value = text;
      return area;
    }
    const input = el("input", { ...shared, type: "text", autocomplete: "off",
      inputmode: this.#is("integer") ? "numeric" : this.#is("number") ? "decimal" : null });
    input.value = value === null || value === undefined ? "" : String(value);
    return input;
  }
}

/** A text for which several kinds will do: a number if it reads as one. */
function mixed(text, types) {
  const value = Number(text);
  if (types.includes("integer") && Number.isInteger(value)) return value;
  if (types.includes("number") && Number.isFinite(value)) return value;
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  if (types.includes("string")) return text;
  throw new Error(`It must be one of: ${types.join(", ")}.`);
}
