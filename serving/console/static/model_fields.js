// A form from a model's signature: a field a column, and a row of values from it.

import { el } from "./dom.js";

export class ModelFields {
  constructor(inputs) {
    this.columns = inputs.map((input, place) => new Column(input, `column-${place}`));
  }

  get fields() {
    return this.columns.map((column) => column.field);
  }

  get hasExample() {
    return this.columns.some(({ input }) => input.example !== null && input.example !== undefined);
  }

  showExample() {
    for (const column of this.columns) column.show(column.input.example);
  }

  /** One row; null if something cannot be read, which then stands beside its field. */
  read() {
    const row = {};
    let first = null;
    for (const column of this.columns) {
      try {
        column.refuse("");
        const value = column.read();
        if (value !== null) row[column.input.name] = value;
      } catch (error) {
        column.refuse(error.message);
        first ??= column;
      }
    }
    first?.control.focus();
    return first ? null : row;
  }

  /** The service's errors beside their fields; gives how many have none here. */
  refuse(errors) {
    let left = 0;
    for (const { field, message } of errors) {
      const column = this.columns.find(({ input }) => String(field).endsWith(input.name));
      if (column) column.refuse(message);
      else left += 1;
    }
    return left;
  }
}

class Column {
  constructor(input, id) {
    this.input = input;
    const shared = { id, name: input.name, "aria-describedby": `${id}-problem`, autocomplete: "off" };
    this.control = input.kind === "boolean"
      ? el("select", shared, input.required ? null : el("option", { value: "" }, "–"), el("option", { value: "true" }, "true"), el("option", { value: "false" }, "false"))
      : el("input", { ...shared, type: "text", inputmode: { integer: "numeric", number: "decimal" }[input.kind] });
    this.problem = el("p", { class: "field-problem", id: `${id}-problem` });
    const label = el("label", { for: id }, input.name.replaceAll("_", " "), input.required ? null : el("span", { class: "type" }, " may be empty"));
    this.field = el("div", { class: "field" }, label, this.control, this.problem);
  }

  show(value) {
    this.control.value = value === null || value === undefined ? "" : String(value);
  }

  refuse(message) {
    this.problem.textContent = message;
    if (message) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  read() {
    const text = this.control.value.trim();
    const { kind, required } = this.input;
    if (text === "") {
      if (required && kind !== "text") throw new Error("It needs a value.");
      return required ? "" : null;
    }
    if (kind === "text") return text;
    if (kind === "boolean") return text === "true";
    const value = Number(text.replace(",", "."));
    if (!Number.isFinite(value)) throw new Error("This is not a number.");
    if (kind === "integer" && !Number.isInteger(value)) throw new Error("This is not a whole number.");
    return value;
  }
}
