// The types of the document: their fields as tables, and examples of them.

import { h } from "./dom.js";
import { inline, markdown } from "./reference_text.js";

const DEPTH = 6;

export class Schemas {
  constructor(description) {
    this.description = description;
  }

  /** What a reference points to, or the thing itself. */
  resolve(it) {
    if (!it?.$ref) return it;
    const target = it.$ref.slice(2).split("/").reduce((place, key) => place?.[key.replaceAll("~1", "/")], this.description);
    return { ...target, ...Object.fromEntries(Object.entries(it).filter(([key]) => key !== "$ref")) };
  }

  /** Every named type. */
  all() {
    return Object.entries(this.description.components.schemas).map(([name, schema]) =>
      h("article", { id: `type-${name}`, class: "type" }, h("h3", {}, name), ...this.shown(schema)),
    );
  }

  /** A type in words, and its fields. */
  shown(schema) {
    const words = schema.description ? markdown(schema.description) : [];
    const others = (schema.allOf ?? []).filter((part) => part.$ref).map((part) => h("p", {}, "Also what ", this.type(part), " says."));
    if (!schema.properties) return [...words, h("p", { class: "muted" }, this.type(schema), ...bounds(schema)), ...this.choices(schema)];
    return [...words, this.fields(schema), ...others];
  }

  choices(schema) {
    return (schema.anyOf ?? []).filter((one) => one.properties).map((one) => {
      const name = one.properties.event?.enum?.[0];
      return h("p", {}, name ? h("code", {}, name) : "another event", ": ", this.type(one.properties.data));
    });
  }

  /** The fields of an object, or of a body. */
  fields(schema) {
    const required = new Set(schema.required ?? []);
    const entries = Object.entries(schema.properties ?? {});
    entries.sort(([a], [b]) => required.has(b) - required.has(a));
    return rows(entries.map(([name, field]) => [name, this.type(field), required.has(name), this.words(field), bounds(field)]));
  }

  words(field) {
    const own = field.description ?? field.oneOf?.[0]?.description ?? (field.$ref ? this.resolve(field).description : "") ?? "";
    return inline(own.replaceAll("\n", " "));
  }

  /** A type's name, as a link where it is one of ours. */
  type(schema) {
    if (schema.$ref) {
      const name = schema.$ref.split("/").pop();
      return h("a", { href: `#type-${name}`, class: "type-name" }, name);
    }
    const choices = schema.oneOf ?? (schema.properties ? undefined : schema.anyOf);
    if (choices && !choices.some((one) => one.properties)) {
      return h("span", {}, ...choices.flatMap((one, place) => [place > 0 ? " or " : "", this.type(one)]));
    }
    if (schema.const !== undefined) return h("code", {}, JSON.stringify(schema.const));
    if (schema.type === "array") return h("span", {}, "list of ", this.type(schema.items ?? {}));
    if (schema.enum) return h("span", {}, ...schema.enum.flatMap((word, place) => [place > 0 ? " · " : "", h("code", {}, String(word))]));
    const kinds = [schema.type ?? "anything"].flat();
    return h("span", { class: "type-name" }, kinds.join(" or "), schema.format === "date-time" ? " (time)" : "");
  }

  /** Something of this type. */
  example(schema, depth = 0) {
    const it = this.resolve(schema) ?? {};
    if (it.examples?.length > 0) return it.examples[0];
    if (it.example !== undefined) return it.example;
    if (it.const !== undefined) return it.const;
    if (it.enum) return it.enum[0];
    const choices = it.oneOf ?? it.anyOf;
    if (it.properties || it.allOf) return this.exampleObject(it, depth);
    if (choices) return this.example(choices[0], depth + 1);
    switch ([it.type].flat()[0]) {
      case "array":
        return depth < DEPTH && it.items ? [this.example(it.items, depth + 1)] : [];
      case "integer":
      case "number":
        return it.minimum ?? 0;
      case "boolean":
        return false;
      case "string":
        return "…";
      default:
        return {};
    }
  }

  exampleObject(it, depth) {
    const made = {};
    for (const part of it.allOf ?? []) Object.assign(made, this.example(part, depth + 1));
    if (depth >= DEPTH) return made;
    for (const [name, field] of Object.entries(it.properties ?? {})) {
      made[name] = name === "next" ? null : this.example(field, depth + 1);
    }
    return made;
  }
}

/** Names with their types, whether they are needed, and words. */
export function rows(entries) {
  const body = entries.map(([name, type, required, words, limits]) =>
    h(
      "tr",
      {},
      h("td", {}, h("code", {}, name), required ? h("span", { class: "needed" }, "needed") : null),
      h("td", {}, type),
      h("td", {}, ...words, ...limits),
    ),
  );
  return h("div", { class: "wide" }, h("table", { class: "fields" }, h("tbody", {}, ...body)));
}

/** How long, how many, of what form. */
export function bounds(schema) {
  const said = [];
  const between = (low, high, unit) => {
    if (low !== undefined && high !== undefined) said.push(low === high ? `${low} ${unit}` : `${low} to ${high} ${unit}`);
    else if (high !== undefined) said.push(`at most ${high} ${unit}`);
    else if (low) said.push(`at least ${low} ${unit}`);
  };
  between(schema.minLength, schema.maxLength, "characters");
  between(schema.minItems, schema.maxItems, "items");
  if (schema.type === "integer" && schema.maximum !== undefined) between(schema.minimum, schema.maximum, "");
  if (schema.default !== undefined) said.push(`${JSON.stringify(schema.default)} if absent`);
  const parts = said.map((text) => h("span", { class: "bound" }, text.trim()));
  if (schema.pattern) parts.push(h("span", { class: "bound" }, h("code", {}, schema.pattern)));
  return parts;
}
