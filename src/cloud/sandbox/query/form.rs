//! The parameters of a request, as EC2's Query protocol spells them: `Filter.1.Value.2`.
//!
//! Whoever reads a parameter takes it out, so that what nobody knows is left over and can be refused.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::cloud::sandbox::refusal::Refusal;

/// Parameters that have not been read yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form(BTreeMap<String, String>);

/// Tags by the kind of resource that they are for.
pub(super) type TagsByKind = BTreeMap<String, Vec<(String, String)>>;

impl Form {
    pub(super) fn new(params: BTreeMap<String, String>) -> Self {
        Self(params)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn need(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| missing(name))
    }

    /// Takes an id or name; `code` is EC2's for one that cannot be.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &str,
        code: &'static str,
    ) -> Result<T, Refusal> {
        parse(&self.need(name)?, code)
    }

    /// Takes a list of ids, `NAME.1` and so on.
    pub(super) fn parsed_list<T: FromStr>(
        &mut self,
        name: &str,
        code: &'static str,
    ) -> Result<Vec<T>, Refusal> {
        self.list(name).iter().map(|text| parse(text, code)).collect()
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        let flag = self.take(name).map(|text| match text.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad_value(name, &text)),
        });
        flag.transpose()
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<u32>, Refusal> {
        let number = self.take(name).map(|text| text.parse().map_err(|_| bad_value(name, &text)));
        number.transpose()
    }

    /// Takes `NAME.1`, `NAME.2` and so on.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        (1..).map_while(|n: usize| self.take(&format!("{name}.{n}"))).collect()
    }

    /// Takes `NAME.1.…`, `NAME.2.…` and so on, each with what stands after its number.
    pub(super) fn items(&mut self, name: &str) -> Vec<Self> {
        let item = |n: usize| {
            let item = self.part(&format!("{name}.{n}"));
            (!item.0.is_empty()).then_some(item)
        };
        (1..).map_while(item).collect()
    }

    /// Takes what begins with `NAME.`, without that.
    pub(super) fn part(&mut self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let names: Vec<String> =
            self.0.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        let taken = names.into_iter().filter_map(|key| self.0.remove_entry(&key));
        Self(taken.map(|(key, value)| (key[prefix.len()..].to_owned(), value)).collect())
    }

    /// Takes `NAME.1.Key`, `NAME.1.Value` and so on.
    pub(super) fn tags(&mut self, name: &str) -> Result<Vec<(String, String)>, Refusal> {
        let tag = |mut item: Self| {
            let tag = (item.need("Key")?, item.take("Value").unwrap_or_default());
            item.end().map(|()| tag)
        };
        self.items(name).into_iter().map(tag).collect()
    }

    /// Takes the tags of what is to be made, which may be of these kinds.
    pub(super) fn tag_specifications(&mut self, kinds: &[&str]) -> Result<TagsByKind, Refusal> {
        let mut res = TagsByKind::new();
        for mut item in self.items("TagSpecification") {
            let kind = item.need("ResourceType")?;
            if !kinds.contains(&kind.as_str()) {
                let message =
                    format!("'{kind}' is not a valid taggable resource type for this operation.");
                return Err(Refusal::invalid_parameter(message));
            }
            let tags = item.tags("Tag")?;
            // EC2 API reference, "Error codes": a specification needs a tag.
            if tags.is_empty() {
                return Err(Refusal::invalid_parameter("Tag specification must have a tag"));
            }
            item.end()?;
            res.entry(kind).or_default().extend(tags);
        }
        Ok(res)
    }

    /// Ends the reading; returns true if the request is one with DryRun.
    pub(super) fn end_of_request(mut self) -> Result<bool, Refusal> {
        let is_dry = self.flag("DryRun")?.unwrap_or_default();
        self.end().map(|()| is_dry)
    }

    /// Refuses what nobody has read: its effect would be missing.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let message = format!("The parameter {name} is not recognized");
                Err(Refusal::new("UnknownParameter", message))
            }
        }
    }
}

/// Reads `application/x-www-form-urlencoded`, as the query of a URL is, too.
pub(super) fn decode(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (unescaped(key), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut res = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        res.push(match byte {
            b'+' => b' ',
            b'%' => match after.split_at_checked(2).and_then(|(hex, after)| {
                let hex = std::str::from_utf8(hex).ok()?;
                Some((u8::from_str_radix(hex, 16).ok()?, after))
            }) {
                Some((byte, after)) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            byte => *byte,
        });
    }
    String::from_utf8_lossy(&res).into_owned()
}

fn parse<T: FromStr>(text: &str, code: &'static str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::new(code, format!("Invalid id: \"{text}\"")))
}

fn missing(name: &str) -> Refusal {
    Refusal::new("MissingParameter", format!("The request must contain the parameter {name}"))
}

pub(super) fn bad_value(name: &str, value: &str) -> Refusal {
    Refusal::invalid_parameter(format!("Value ({value}) for parameter {name} is invalid."))
}

#[cfg(test)]
mod tests {
    use super::{Form, decode};

    #[test]
    fn parameters_are_read_by_number_and_what_is_left_is_refused() {
        let text = "Id.1=a&Id.2=b&Id.10=c&T.1.Key=k%20%3D+%26&T.1.Value=%EC%84%9C&On=true&x=%zz%4";
        let mut form = Form::new(decode(text));
        assert_eq!(form.list("Id"), ["a", "b"]);
        assert_eq!(form.tags("T").unwrap(), [("k = &".to_owned(), "서".to_owned())]);
        assert_eq!(form.flag("On").unwrap(), Some(true));
        assert_eq!(form.take("x").as_deref(), Some("%zz%4"));
        let refusal = format!("{:?}", form.end().unwrap_err());
        assert!(refusal.contains("UnknownParameter") && refusal.contains("Id.10"), "{refusal}");
    }
}
