//! Values of a configuration file that have more than one form, or a place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use toml::Spanned;

use super::{PolicyShape, RulesShape, TakeShape};

/// A value with its place in the file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct At<T>(Spanned<T>);

impl<T> At<T> {
    pub(in crate::config) fn value(&self) -> &T {
        self.0.as_ref()
    }

    pub(in crate::config) fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The keys of a policy that may stand in `[defaults]`.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct DefaultsShape(pub(in crate::config) PolicyShape);

impl JsonSchema for DefaultsShape {
    fn schema_name() -> Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "What every policy says unless it says otherwise.";
        policy_without(&["name", "renamed_from"], about, generator)
    }
}

/// The keys of a policy that may differ by region.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct OverrideShape(pub(in crate::config) PolicyShape);

impl JsonSchema for OverrideShape {
    fn schema_name() -> Cow<'static, str> {
        "Override".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let without = ["name", "renamed_from", "regions", "accounts", "override"];
        policy_without(&without, "What differs in one region.", generator)
    }
}

fn policy_without(keys: &[&str], about: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = PolicyShape::json_schema(generator);
    schema.remove("required");
    schema.insert("description".to_owned(), about.into());
    if let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) {
        properties.retain(|key, _| !keys.contains(&key.as_str()));
    }
    schema
}

/// `["all"]` or names of regions.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct RegionsShape(pub(in crate::config) Vec<At<String>>);

impl JsonSchema for RegionsShape {
    fn schema_name() -> Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Names of regions, or `[\"all\"]` for every region enabled for the account.",
            "type": "array",
            "items": {
                "type": "string",
                "pattern": "^(all|[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2})$",
                "examples": ["eu-west-1", "us-east-1", "ap-northeast-2", "all"],
            },
            "minItems": 1,
            "uniqueItems": true,
        })
    }
}

/// `"forever"` or a table of rules.
#[derive(Debug)]
pub(in crate::config) enum RetentionShape {
    /// The word `forever`.
    Forever,
    /// A table.
    Rules(Box<RulesShape>),
}

impl JsonSchema for RetentionShape {
    fn schema_name() -> Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rules = generator.subschema_for::<RulesShape>();
        json_schema!({
            "description": "How long points are kept: rules, or `\"forever\"`.",
            "anyOf": [{ "type": "string", "enum": ["forever"] }, rules],
        })
    }
}

impl<'de> Deserialize<'de> for RetentionShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = RetentionShape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of rules or `forever`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<RetentionShape, E> {
                match word {
                    "forever" => Ok(RetentionShape::Forever),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetentionShape, A::Error> {
                RulesShape::deserialize(MapAccessDeserializer::new(map))
                    .map(|rules| RetentionShape::Rules(Box::new(rules)))
            }
        }

        deserializer.deserialize_any(FormVisitor)
    }
}

/// How far back a tier reaches, and which point stands for a period.
#[derive(Debug)]
pub(in crate::config) enum TierShape {
    /// A span, such as `"7 months"`.
    Span(String),
    /// A count of periods.
    Count(i64),
    /// Both keys.
    Table(TierTable),
}

/// The full form of a tier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TierTable", extend("required" = ["for"]))]
pub(in crate::config) struct TierTable {
    /// How far back it reaches: a span, or a count of periods.
    #[serde(rename = "for")]
    pub(in crate::config) window: Option<At<WindowShape>>,
    /// Which point stands for a period. Default `first`.
    pub(in crate::config) take: Option<At<TakeShape>>,
}

const SPAN_PATTERN: &str = "^ *[0-9]+ *(h|hours?|d|days?|w|weeks?|months?|y|years?) *$";

impl JsonSchema for TierShape {
    fn schema_name() -> Cow<'static, str> {
        "Tier".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<TierTable>();
        json_schema!({
            "description": "A span such as `\"7 months\"`, a count of periods, or a table with `for` and `take`.",
            "anyOf": [
                { "type": "string", "pattern": SPAN_PATTERN },
                { "type": "integer", "minimum": 1 },
                table,
            ],
        })
    }
}

impl<'de> Deserialize<'de> for TierShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = TierShape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span, a count, or a table with `for` and `take`")
            }

            fn visit_str<E: Error>(self, span: &str) -> Result<TierShape, E> {
                Ok(TierShape::Span(span.to_owned()))
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<TierShape, E> {
                Ok(TierShape::Count(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TierShape, A::Error> {
                TierTable::deserialize(MapAccessDeserializer::new(map)).map(TierShape::Table)
            }
        }

        deserializer.deserialize_any(FormVisitor)
    }
}

/// A span or a count of periods.
#[derive(Debug)]
pub(in crate::config) enum WindowShape {
    /// A span, such as `"7 months"`.
    Span(String),
    /// A count of periods.
    Count(i64),
}

impl JsonSchema for WindowShape {
    fn schema_name() -> Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span such as `\"7 months\"`, or a count of periods.",
            "anyOf": [
                { "type": "string", "pattern": SPAN_PATTERN },
                { "type": "integer", "minimum": 1 },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for WindowShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor;

        impl Visitor<'_> for FormVisitor {
            type Value = WindowShape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span or a count")
            }

            fn visit_str<E: Error>(self, span: &str) -> Result<WindowShape, E> {
                Ok(WindowShape::Span(span.to_owned()))
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<WindowShape, E> {
                Ok(WindowShape::Count(count))
            }
        }

        deserializer.deserialize_any(FormVisitor)
    }
}
