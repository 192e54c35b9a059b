use serde_json::Value;

use crate::config::schema;

/// What the walk obeys, and what is for editors alone. Values out of range are found where
/// their meaning is read, with better words.
const KEYWORDS: [&str; 24] = [
    "$ref",
    "anyOf",
    "oneOf",
    "type",
    "properties",
    "additionalProperties",
    "required",
    "items",
    "const",
    "enum",
    "$schema",
    "$defs",
    "title",
    "description",
    "examples",
    "pattern",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
];

fn check(root: &Value, schema: &Value) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, value) in keywords {
        assert!(KEYWORDS.contains(&keyword.as_str()), "`{keyword}` would be ignored");
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(inner)) => {
                for schema in inner.values() {
                    check(root, schema);
                }
            }
            ("anyOf" | "oneOf", Value::Array(forms)) => {
                for form in forms {
                    check(root, form);
                }
            }
            ("items" | "additionalProperties", schema) => check(root, schema),
            ("$ref", Value::String(reference)) => {
                let target = reference.strip_prefix('#').and_then(|p| root.pointer(p));
                assert!(target.is_some(), "{reference} leads nowhere");
            }
            _ => {}
        }
    }
    // A table that names its keys has no others.
    if keywords.contains_key("properties") {
        assert_eq!(keywords.get("additionalProperties"), Some(&Value::Bool(false)));
    }
}

#[test]
fn the_schema_says_nothing_that_is_not_looked_at() {
    let schema = schema();
    check(&schema, &schema);
}
