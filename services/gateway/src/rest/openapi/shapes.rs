//! Each type as one object: what serde flattens stands among the fields, what only the server says is never `null`, and
//! what nobody refers to goes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::reference;

type Schemas = Map<String, Value>;

/// What the shared answers refer to.
const PROBLEM: [&str; 3] = ["Problem", "FieldError", "ErrorCode"];

/// Works on what utoipa made of the types.
pub fn simplify(components: &mut Value, paths: &mut Value) {
    each(paths, &mut one_paragraph);
    let Some(Value::Object(schemas)) = components.get_mut("schemas") else { return };
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in &names {
        let whole = schemas.get(name).map(|schema| merged(schema, schemas));
        if let Some(mut whole) = whole {
            name_items(name, &names, &mut whole);
            each(&mut whole, &mut one_paragraph);
            schemas.insert(name.clone(), whole);
        }
    }
    let heard = reachable(schemas, paths, "requestBody");
    let said = reachable(schemas, paths, "responses");
    schemas.retain(|name, _| heard.contains(name) || said.contains(name) || PROBLEM.contains(&name.as_str()));
    for (name, schema) in schemas.iter_mut() {
        if !heard.contains(name) {
            each(schema, &mut never_null);
        }
    }
    each_parameter(paths, &mut never_null);
}

/// The parts of an `allOf` as one object.
fn merged(schema: &Value, schemas: &Schemas) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
    let mut whole = Map::new();
    let (mut properties, mut required, mut choices) = (Map::new(), BTreeSet::new(), Vec::new());
    for part in parts {
        // What is flattened and may be absent has no required field.
        let optional = part.get("oneOf").and_then(|choices| choices.get(0));
        let part = resolved(optional.unwrap_or(part), schemas);
        if part.get("anyOf").is_some() {
            choices.push(part);
            continue;
        }
        if let Some(Value::Object(fields)) = part.get("properties") {
            properties.extend(fields.clone());
        }
        if optional.is_none() {
            let names = part.get("required").and_then(Value::as_array).into_iter().flatten();
            required.extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    whole.insert("type".into(), json!("object"));
    whole.insert("properties".into(), properties.into());
    whole.insert("required".into(), json!(required));
    if !choices.is_empty() {
        whole.insert("allOf".into(), choices.into());
    }
    if let Some(text) = schema.get("description") {
        whole.insert("description".into(), text.clone());
    }
    whole.into()
}

fn resolved(part: &Value, schemas: &Schemas) -> Value {
    let target = part.as_object().and_then(reference).and_then(|(_, name)| Some((name, schemas.get(name)?)));
    match target {
        // Its choices stay where they are described.
        Some((name, schema)) if schema.get("anyOf").is_some() => {
            json!({"$ref": format!("#/components/schemas/{name}"), "anyOf": null})
        }
        Some((_, schema)) => merged(schema, schemas),
        None => part.clone(),
    }
}

/// A list names the type of what it holds.
fn name_items(name: &str, names: &[String], list: &mut Value) {
    let of = name.strip_prefix("List_").filter(|of| names.iter().any(|name| name == of));
    if let (Some(of), Some(items)) = (of, list.pointer_mut("/properties/items/items")) {
        *items = json!({"$ref": format!("#/components/schemas/{of}")});
    }
}

/// The schemas that this part of some operation refers to, directly or not.
fn reachable(schemas: &Schemas, paths: &Value, part: &str) -> BTreeSet<String> {
    let direct: BTreeMap<&String, BTreeSet<String>> =
        schemas.iter().map(|(name, schema)| (name, named_in(schema))).collect();
    let methods = paths.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let parts = methods.flat_map(Map::values).filter_map(|operation| operation.get(part));
    let mut waiting: Vec<String> = parts.flat_map(named_in).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if found.insert(name.clone()) {
            waiting.extend(direct.get(&name).into_iter().flatten().cloned());
        }
    }
    found
}

fn named_in(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut value = value.clone();
    each(&mut value, &mut |object| {
        names.extend(reference(object).filter(|(kind, _)| *kind == "schemas").map(|(_, name)| name.to_owned()));
    });
    names
}

/// Does something with every object in a document, the outer ones first.
fn each(value: &mut Value, with: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            with(object);
            object.values_mut().for_each(|value| each(value, with));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each(value, with)),
        _ => {}
    }
}

fn each_parameter(paths: &mut Value, with: &mut impl FnMut(&mut Map<String, Value>)) {
    let methods = paths.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    let lists = methods.flat_map(Map::values_mut).filter_map(|operation| operation.get_mut("parameters"));
    lists.for_each(|list| each(list, with));
}

/// Lines are broken for the source.
fn one_paragraph(object: &mut Map<String, Value>) {
    // A mark of `resolved`.
    if object.get("anyOf").is_some_and(Value::is_null) {
        object.remove("anyOf");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}

/// Absent instead: only the cursor of the next page is said to be `null`.
fn never_null(object: &mut Map<String, Value>) {
    let next = object.get("properties").and_then(|fields| fields.get("next")).cloned();
    if let Some(Value::Array(types)) = object.get("type")
        && let [one, Value::String(null)] = &types[..]
        && null == "null"
    {
        let one = one.clone();
        object.insert("type".into(), one);
    }
    if let Some(Value::Array(choices)) = object.get("oneOf")
        && let [Value::Object(one), null] = &choices[..]
        && null.get("type").is_some_and(|kind| kind == "null")
    {
        let one = one.clone();
        object.remove("oneOf");
        object.extend(one);
    }
    if let (Some(mut next), Some(Value::Object(fields))) = (next, object.get_mut("properties"))
        && next.get("type").is_some_and(Value::is_array)
    {
        // Out of reach for the walk over the fields, which comes after this.
        let kind = next.as_object_mut().and_then(|next| next.remove("type"));
        let choices = kind.as_ref().and_then(Value::as_array).into_iter().flatten().map(|kind| json!({"type": kind}));
        if let Some(next) = next.as_object_mut() {
            next.insert("anyOf".into(), choices.collect());
        }
        fields.insert("next".into(), next);
    }
}
