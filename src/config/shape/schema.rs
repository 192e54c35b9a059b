//! The published JSON Schema of a configuration file.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::Value;

use super::FileShape;

/// Returns the JSON Schema (draft 2020-12) of a configuration file.
///
/// Editors complete and check by it, and so does the loader.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<FileShape>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(with_plain_descriptions).transform(&mut schema);
    schema.to_value()
}

/// TOML has no null: what may be absent is simply not required.
fn without_null(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(forms)) = schema.get_mut("anyOf") else { return };
    forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
    let [Value::Object(only)] = forms.as_slice() else { return };
    let only = only.clone();
    schema.remove("anyOf");
    for (key, value) in only {
        if schema.get(&key).is_none() {
            schema.insert(key, value);
        }
    }
}

/// Doc comments are wrapped where the source is; editors wrap by themselves.
fn with_plain_descriptions(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
