use std::collections::BTreeSet;

use super::*;
use crate::rest::Route;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

fn written() -> Value {
    serde_json::from_str(document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, operation)| (method.clone(), path.clone(), operation.clone()))
    });
    methods.collect()
}

#[test]
fn the_table_of_routes_and_the_document_name_the_same() {
    let described: BTreeSet<_> =
        operations(&written()).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let served: BTreeSet<_> = ROUTES.iter().map(|Route { method, path, .. }| format!("{method} {path}")).collect();
    let missing: Vec<_> = served.difference(&described).collect();
    let stray: Vec<_> = described.difference(&served).collect();
    assert!(
        missing.is_empty() && stray.is_empty(),
        "the table in rest.rs and #[utoipa::path] at the handlers differ: only in the table {missing:?}, only at a \
         handler {stray:?}"
    );
}

#[test]
fn every_operation_says_what_it_is() {
    let document = written();
    let tags: Vec<&str> = TAGS.iter().map(|(name, _)| *name).collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(METHODS.contains(&method.as_str()), "{place}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}: its operationId is taken");
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.contains('/') && !summary.contains('`'), "{place}: {summary}");
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(tags.contains(&tag), "{place}: the tag {tag} is not described");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{place}: {} has no words", parameter["name"]);
        }
        if operation["requestBody"].is_object() {
            let content = &operation["requestBody"]["content"]["application/json"];
            assert!(content["example"].is_object(), "{place}: its request has no example in openapi/examples.rs");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with(['1', '2'])), "{place}: nothing goes well");
        for (status, response) in responses.iter().filter(|(_, response)| response["$ref"].is_null()) {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{place} {status}");
        }
    }
}

#[test]
fn everything_that_is_referred_to_is_there() {
    fn walk(document: &Value, value: &Value) {
        if let Some(target) = value.get("$ref") {
            let pointer = target.as_str().unwrap().trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target} is nowhere");
        }
        let children: Vec<&Value> = match value {
            Value::Object(object) => object.values().collect(),
            Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        children.into_iter().for_each(|child| walk(document, child));
    }
    let document = written();
    walk(&document, &document);
}

#[test]
fn every_field_has_words() {
    let document = written();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let fields = schemas.iter().flat_map(|(name, schema)| {
        schema["properties"].as_object().into_iter().flatten().map(move |(field, it)| (name, field, it))
    });
    let words = |it: &Value| it["description"].is_string() || it["oneOf"][0]["description"].is_string();
    let mute: Vec<String> =
        fields.filter(|(.., it)| !words(it)).map(|(name, field, _)| format!("{name}.{field}")).collect();
    assert!(mute.is_empty(), "fields without a doc comment: {mute:?}");
}

#[test]
fn every_bound_has_its_field() {
    let mut components = written()["components"].take();
    assert_eq!(bounds::add(&mut components), Vec::<String>::new());
}

#[test]
fn flattened_types_are_one_object_and_only_next_is_null() {
    let document = written();
    let schemas = &document["components"]["schemas"];
    let conversation = &schemas["Conversation"];
    for field in ["title", "unread", "head", "created_by"] {
        assert!(conversation["properties"][field].is_object(), "{field} is not in {conversation}");
    }
    assert_eq!(conversation["properties"]["title"]["type"], "string");
    assert!(schemas["ConversationFields"].is_null(), "nobody refers to it");
    assert_eq!(schemas["List_User"]["properties"]["items"]["items"]["$ref"], "#/components/schemas/User");
    assert_eq!(schemas["List_User"]["properties"]["next"]["anyOf"][1]["type"], "null");
    assert_eq!(schemas["ChangeUser"]["properties"]["avatar_url"]["type"][1], "null", "it removes");
}

#[test]
fn problems_are_those_of_the_error_table() {
    let document = written();
    let not_found = &document["paths"]["/v1/users/{user}"]["get"]["responses"]["404"]["$ref"];
    let response = document.pointer(not_found.as_str().unwrap().trim_start_matches('#')).unwrap();
    let schema = &response["content"]["application/problem+json"]["schema"]["allOf"];
    assert_eq!(schema[1]["properties"]["code"]["enum"], json!(["not_found"]));
    for (code, example) in document["components"]["examples"].as_object().unwrap() {
        let problem: chat_protocol::error::Problem = serde_json::from_value(example["value"].clone()).unwrap();
        assert_eq!(problem.code.code(), code);
        assert_eq!(problem.code.http(), Some(problem.status));
    }
}
