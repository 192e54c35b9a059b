//! XML as EC2 writes it.

use std::fmt::{Display, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};

/// Elements one after the other.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds an element that holds text.
    pub(super) fn text(&mut self, name: &str, text: impl Display) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        push_escaped(&mut self.0, &text.to_string());
        let _ = write!(self.0, "</{name}>");
        self
    }

    /// Adds such an element if there is any text.
    pub(super) fn optional(&mut self, name: &str, text: Option<impl Display>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds an element with an instant.
    pub(super) fn instant(&mut self, name: &str, at: DateTime<Utc>) -> &mut Self {
        self.text(name, written(at))
    }

    /// Adds an element that holds others.
    pub(super) fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        fill(self);
        let _ = write!(self.0, "</{name}>");
        self
    }

    /// Adds a list: an element with an `item` for each.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("item", |xml| fill(xml, item));
            }
        })
    }

    /// Adds elements that are written already.
    pub(super) fn written(&mut self, xml: &Self) -> &mut Self {
        self.0.push_str(&xml.0);
        self
    }

    /// Adds what is not XML, where the whole is none.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Returns an instant as EC2 writes it, with milliseconds.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Escapes what XML would take for its own.
///
/// A carriage return would come out as a line feed if it stood there as it is (XML 1.0, section
/// 2.11). Other control characters cannot be written in XML 1.0 at all (section 2.2), not even by
/// number; how EC2 writes them is not documented. Here U+FFFD stands for each, so that a listing can
/// be read all the same.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn text_is_escaped() {
        let mut xml = Xml::new();
        xml.element("a", |xml| {
            xml.text("b", "<&>\"' \r\n\t\u{1}\u{7f}\u{ffff} 서울 </b>");
            xml.optional("c", None::<&str>);
        });
        assert_eq!(
            xml.into_text(),
            "<a><b>&lt;&amp;&gt;&quot;&#39; &#xD;\n\t\u{fffd}\u{7f}\u{fffd} 서울 &lt;/b&gt;</b></a>"
        );
    }
}
