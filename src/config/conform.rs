//! Finds what is wrong with the structure of a file, by the published schema.
//!
//! Offending parts are reported and taken out, so that the rest can still be read and checked for
//! its meaning. What a key is called and what it may hold stands in the schema alone; what to write
//! instead is for `hint`, and where a misplaced key belongs for `misplaced`.

mod hint;
mod misplaced;
mod synonyms;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::conform::hint::Mistyped;
use crate::config::conform::synonyms::Meant;
use crate::config::diagnose::{Findings, Place, did_you_mean, either};

/// Paths of what was taken out, such as `policy/0/retention/daily`.
///
/// Whoever misses something there must not complain a second time.
#[derive(Debug, Default)]
pub(super) struct Broken(BTreeSet<String>);

impl Broken {
    /// Returns true if something is missing at `path`, below it or above it.
    pub(super) fn touches(&self, path: &str) -> bool {
        let is_within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(|broken| is_within(broken, path) || is_within(path, broken))
    }

    fn add(&mut self, path: &str, key: &str) {
        self.0.insert(join(path, key));
    }
}

/// Returns the path of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
}

/// Reports and takes out of `root` whatever does not conform to `schema`.
pub(super) fn conform(
    root: &mut Spanned<DeTable<'_>>,
    schema: &Value,
    file: usize,
    findings: &mut Findings<'_>,
) -> Broken {
    let mut walk = Walk { schema, file, findings, broken: Broken::default() };
    // The span of the root is the whole file; what it lacks is said at the top.
    walk.table(schema, root.get_mut(), &Place::new(file, 0..0), "");
    walk.broken
}

struct Walk<'a, 'f> {
    schema: &'a Value,
    file: usize,
    findings: &'a mut Findings<'f>,
    broken: Broken,
}

impl<'a> Walk<'a, '_> {
    /// Follows a reference within the schema.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        target.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(schema)
    }

    /// Returns the alternatives that a schema offers; itself if it offers none.
    fn forms(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let forms = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        forms.map_or_else(|| vec![schema], |forms| forms.iter().map(|f| self.resolved(f)).collect())
    }

    fn table(&mut self, form: &'a Value, table: &mut DeTable<'_>, place: &Place, path: &str) {
        let header = self.findings.text_at(place);
        let properties = form.get("properties").and_then(Value::as_object);
        let others = form.get("additionalProperties").filter(|others| others.is_object());
        for (key, mut value) in std::mem::take(table) {
            let name: &str = key.get_ref();
            let inner = join(path, name);
            let schema = properties.and_then(|p| p.get(name)).or(others);
            let is_kept = if let Some(schema) = schema {
                self.value(schema, &format!("`{name}`"), &mut value, &inner)
            } else {
                let place = Place::new(self.file, key.span());
                self.unknown_key(name, properties, &place, path, header);
                false
            };
            if is_kept {
                table.insert(key, value);
            } else {
                self.broken.0.insert(inner);
            }
        }
        for key in required(form) {
            let is_there = table.keys().any(|k| k.get_ref() == key);
            if !is_there && !self.broken.touches(&join(path, key)) {
                self.broken.add(path, key);
                let message = format!("{} has no `{key}`", called(path));
                self.findings.report(place, message, hint::example(&join(path, key)));
            }
        }
    }

    fn unknown_key(
        &mut self,
        name: &str,
        properties: Option<&'a Map<String, Value>>,
        place: &Place,
        path: &str,
        header: &str,
    ) {
        if misplaced::is_not_overridable(path, name) {
            let message = format!("`{name}` cannot be overridden: it belongs to the whole policy");
            self.findings.report(place, message, "remove it, or write it above in the policy");
            return;
        }
        let known: Vec<&str> =
            properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let synonym = synonyms::meant(path, name, misplaced::holds_policy_keys(path));
        let hint = if let Some(Meant::Text(hint)) = synonym {
            hint.to_owned()
        } else if let Some(Meant::Key(meant)) = synonym {
            self.broken.add(path, meant);
            format!("did you mean `{meant}`?")
        } else if let Some(sunk) = misplaced::sunk(self.schema, path, header, name) {
            // It is there, so nobody needs to miss it.
            self.broken.add(sunk.home, name);
            sunk.hint
        } else if let Some(meant) = did_you_mean(name, known.iter().copied()) {
            // What is meant is there, so nobody needs to miss it.
            self.broken.add(path, meant);
            format!("did you mean `{meant}`?")
        } else if let Some(home) = self.home_of(name, properties) {
            format!("`{name}` belongs in `{home}`")
        } else {
            format!("expected {}", either(known))
        };
        self.findings.report(place, format!("unknown key `{name}`"), hint);
    }

    /// Returns the key of a table, one level down, that has a key `name`.
    fn home_of(&self, name: &str, properties: Option<&'a Map<String, Value>>) -> Option<&'a str> {
        let has_name = |schema| {
            self.forms(schema).into_iter().any(|form| {
                // Of an array of tables, those in it.
                let table = form.get("items").map_or(form, |items| self.resolved(items));
                table.get("properties").is_some_and(|p| p.get(name).is_some())
            })
        };
        let mut keys = properties.into_iter().flatten();
        keys.find(|(_, schema)| has_name(schema)).map(|(key, _)| key.as_str())
    }

    /// Returns true if `value`, which messages call `label`, may stay.
    fn value(
        &mut self,
        schema: &'a Value,
        label: &str,
        value: &mut Spanned<DeValue<'_>>,
        path: &str,
    ) -> bool {
        let place = Place::new(self.file, value.span());
        let forms: Vec<&Value> = self.forms(schema);
        let fitting: Vec<&Value> =
            forms.iter().copied().filter(|form| is_of_type(form, value.get_ref())).collect();
        let Some(form) = fitting.first().copied() else {
            self.wrong_type(schema, &forms, label, value.get_ref(), path, &place);
            return false;
        };
        match value.get_mut() {
            DeValue::Table(table) => self.table(form, table, &place, path),
            DeValue::Array(array) => {
                let Some(items) = form.get("items") else { return true };
                let all = std::mem::replace(array, DeArray::new());
                let mut kept = 0_usize;
                let item_label = format!("an item of {label}");
                for mut item in all {
                    // Numbered as the reader will see them.
                    let inner = join(path, &kept.to_string());
                    if self.value(items, &item_label, &mut item, &inner) {
                        kept += 1;
                        array.push(item);
                    } else {
                        self.broken.add(path, "item");
                    }
                }
            }
            DeValue::String(text) => {
                return self.word(&fitting, label, text, path, &place);
            }
            DeValue::Integer(number) => {
                if i64::from_str_radix(number.as_str(), number.radix()).is_err() {
                    let message = format!("{label} is too large a number");
                    self.findings.report(&place, message, hint::example(path));
                    return false;
                }
            }
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
        true
    }

    /// Returns true if `text` is among the words that the schema lists, or it lists none.
    fn word(
        &mut self,
        forms: &[&'a Value],
        label: &str,
        text: &str,
        path: &str,
        place: &Place,
    ) -> bool {
        let Some(words) = forms.iter().map(|form| words(form)).collect::<Option<Vec<_>>>() else {
            return true;
        };
        let words = words.concat();
        if words.contains(&text) {
            return true;
        }
        let hint = match did_you_mean(text, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if path.ends_with("/retention") => hint::retention(text),
            None => format!("expected {}", either(words)),
        };
        self.findings.report(place, format!("{label} cannot be `{text}`"), hint);
        false
    }

    fn wrong_type(
        &mut self,
        schema: &'a Value,
        forms: &[&'a Value],
        label: &str,
        value: &DeValue<'_>,
        path: &str,
        place: &Place,
    ) {
        let mut expected: Vec<&str> = Vec::new();
        for form in forms {
            let name = type_name(form.get("type").and_then(Value::as_str).unwrap_or_default());
            if !expected.contains(&name) {
                expected.push(name);
            }
        }
        let found = match value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let written = self.findings.text_at(place);
        let mistyped = Mistyped { schema, forms, expected: &expected, path, value, written };
        let hint = mistyped.hint();
        let message = format!("{label} must be {}, not {found}", expected.join(" or "));
        self.findings.report(place, message, hint);
    }
}

/// Returns what messages call the table at `path`.
fn called(path: &str) -> String {
    match path.split('/').collect::<Vec<_>>()[..] {
        [""] => "this file".to_owned(),
        ["policy", _] => "this policy".to_owned(),
        [.., "copy", _] => "this rule for copies".to_owned(),
        [.., name] => format!("`{name}`"),
        [] => String::new(),
    }
}

fn required(form: &Value) -> impl Iterator<Item = &str> {
    let keys = form.get("required").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_str)
}

/// Returns the words that a schema lists; none if any text will do.
fn words(form: &Value) -> Option<Vec<&str>> {
    if let Some(word) = form.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    let list = form.get("enum").and_then(Value::as_array)?;
    Some(list.iter().filter_map(Value::as_str).collect())
}

fn is_of_type(form: &Value, value: &DeValue<'_>) -> bool {
    let Some(name) = form.get("type").and_then(Value::as_str) else { return true };
    match value {
        DeValue::String(_) => name == "string",
        DeValue::Integer(_) => matches!(name, "integer" | "number"),
        DeValue::Float(_) => name == "number",
        DeValue::Boolean(_) => name == "boolean",
        DeValue::Datetime(_) => false,
        DeValue::Array(_) => name == "array",
        DeValue::Table(_) => name == "object",
    }
}

fn type_name(name: &str) -> &'static str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        _ => "a table",
    }
}

#[cfg(test)]
mod tests;
