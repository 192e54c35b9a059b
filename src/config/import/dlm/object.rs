//! A JSON object that knows what of it has been read, so that nothing is passed over in silence.

use serde_json::{Map, Value};

/// An object with the keys that have not been read yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    map: Map<String, Value>,
}

impl Object {
    pub(super) fn new(value: Value) -> Self {
        match value {
            Value::Object(map) => Self { map },
            _ => Self::default(),
        }
    }

    /// Takes a value out; none for one that says nothing.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !is_empty(value))
    }

    pub(super) fn object(&mut self, key: &str) -> Option<Self> {
        self.take(key).map(Self::new)
    }

    /// Takes a list out; a single value is one of one.
    pub(super) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
            None => Vec::new(),
        }
    }

    pub(super) fn objects(&mut self, key: &str) -> Vec<Self> {
        self.list(key).into_iter().map(Self::new).collect()
    }

    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(text).collect()
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).as_ref().and_then(text)
    }

    /// Takes a positive number out.
    pub(super) fn number(&mut self, key: &str) -> Option<u64> {
        self.take(key)?.as_u64().filter(|number| *number != 0)
    }

    /// Takes a switch out; false if it is absent.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.take(key) == Some(Value::Bool(true))
    }

    /// Returns what has not been read and says something, as `key = value`.
    pub(super) fn rest(&self) -> Vec<String> {
        let said = self.map.iter().filter(|(_, value)| !is_empty(value));
        said.map(|(key, value)| format!("{key} = {value}")).collect()
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// Returns true for what says nothing: the AWS CLI prints empty lists and tables, too.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
