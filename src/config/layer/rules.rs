//! Retention: from what was typed to rules.

use crate::config::diagnose::Place;
use crate::config::layer::{Key, Reader, Rules};
use crate::config::policy::{Orphans, Retention, Take, Tier, TierRule, Window};
use crate::config::shape::{At, RetentionShape, RulesShape, TakeShape, TierShape, WindowShape};
use crate::domain::span::Span;

impl Reader<'_, '_> {
    /// Reads the retention at `path`, which is spelled as in `Broken`.
    pub(super) fn retention(&mut self, at: &At<RetentionShape>, path: &str) -> Option<Rules> {
        let mut retention = Retention {
            keep_last: 1,
            orphans: Orphans::KeepLast,
            tiers: Vec::new(),
            forever: false,
        };
        let RulesShape { keep_last, orphans, every, hourly, daily, weekly, monthly, yearly } =
            match at.value() {
                RetentionShape::Forever => {
                    retention.forever = true;
                    return Some(Rules { retention, places: Vec::new(), is_whole: true });
                }
                RetentionShape::Rules(rules) => rules.as_ref(),
            };
        let mut is_valid = true;
        if let Some(at) = keep_last {
            let read = self.keep_last(at);
            is_valid &= read.is_some();
            retention.keep_last = read.unwrap_or(1);
        }
        if let Some(at) = orphans {
            let read = self.orphans(at);
            is_valid &= read.is_some();
            retention.orphans = read.unwrap_or(Orphans::KeepLast);
        }
        let mut places = Vec::new();
        let tiers = [every, hourly, daily, weekly, monthly, yearly];
        for ((tier, _), at) in Tier::ALL.into_iter().zip(tiers) {
            let Some(at) = at else { continue };
            let rule = self.tier_rule(tier, at);
            is_valid &= rule.is_some();
            retention.tiers.extend(rule);
            places.push((tier, self.place(at.span())));
        }
        if keep_last.is_none() && places.is_empty() && !self.broken.touches(path) {
            let hint = "name a tier such as `daily = \"1 month\"`, give `keep_last`, or write \
                        `retention = \"forever\"`";
            let message = "`retention` has no rule that keeps anything";
            return self.refuse(&self.place(at.span()), message, hint);
        }
        let is_whole = !self.broken.touches(path);
        is_valid.then_some(Rules { retention, places, is_whole })
    }

    fn keep_last(&mut self, at: &At<i64>) -> Option<u32> {
        let number = *at.value();
        let read = u32::try_from(number).ok().filter(|number| *number != 0);
        read.or_else(|| {
            let hint = "the newest complete point is never deleted; 1 is the least";
            let message = format!("`keep_last` cannot be {number}");
            self.refuse(&self.place(at.span()), message, hint)
        })
    }

    fn orphans(&mut self, at: &At<String>) -> Option<Orphans> {
        match at.value().as_str() {
            "keep-last" => Some(Orphans::KeepLast),
            "expire" => Some(Orphans::Expire),
            text => text.parse().map(Orphans::After).ok().or_else(|| {
                let message = format!("`orphans` cannot be `{text}`");
                let usual = "expected `keep-last`, `expire` or a span such as `90 days`";
                let hint = in_one_unit(text).unwrap_or_else(|| usual.to_owned());
                self.refuse(&self.place(at.span()), message, hint)
            }),
        }
    }

    fn tier_rule(&mut self, tier: Tier, at: &At<TierShape>) -> Option<TierRule> {
        let place = self.place(at.span());
        match at.value() {
            TierShape::Span(text) => {
                let window = self.span(text, &place)?;
                Some(TierRule { tier, window, take: Take::First })
            }
            TierShape::Count(count) => {
                let window = self.count(tier, *count, &place)?;
                Some(TierRule { tier, window, take: Take::First })
            }
            TierShape::Table(table) => {
                let take = match &table.take {
                    Some(take) if tier == Tier::Every => {
                        let place = self.place(take.span());
                        let hint = "`every` keeps each point, so there is nothing to choose";
                        self.refuse(&place, "`every` has no `take`", hint)
                    }
                    Some(take) => Some(match take.value() {
                        TakeShape::First => Take::First,
                        TakeShape::Last => Take::Last,
                        TakeShape::FirstDay => Take::FirstDay,
                    }),
                    None => Some(Take::First),
                };
                let window = table.window.as_ref()?;
                let place = self.place(window.span());
                let window = match window.value() {
                    WindowShape::Span(text) => self.span(text, &place),
                    WindowShape::Count(count) => self.count(tier, *count, &place),
                };
                Some(TierRule { tier, window: window?, take: take? })
            }
        }
    }

    fn span(&mut self, text: &str, place: &Place) -> Option<Window> {
        let usual = "write a span such as `36 hours`, `30 days` or `7 months`";
        self.read_span(text, place, usual).map(Window::For)
    }

    /// Reads a key of the table at `path` that is a span.
    pub(super) fn span_key(
        &mut self,
        path: &str,
        name: &str,
        at: Option<&At<String>>,
    ) -> Key<Span> {
        let found = at.map(|at| {
            let place = self.place(at.span());
            let span = self.read_span(at.value(), &place, "write a span such as `30 days`");
            (place, span)
        });
        self.key(path, name, found)
    }

    /// Reads a span; `usual` is what to write if nothing better can be told.
    pub(super) fn read_span(&mut self, text: &str, place: &Place, usual: &str) -> Option<Span> {
        match text.parse::<Span>() {
            Ok(span) => Some(span),
            Err(err) => {
                let hint = in_one_unit(text).unwrap_or_else(|| usual.to_owned());
                self.refuse(place, err.to_string(), hint)
            }
        }
    }

    fn count(&mut self, tier: Tier, count: i64, place: &Place) -> Option<Window> {
        let name = tier.name();
        if tier == Tier::Every {
            let hint = format!("`every` has no periods; write a span such as `\"{count} days\"`");
            return self.refuse(place, "`every` cannot be a count", hint);
        }
        let read = u32::try_from(count).ok().filter(|count| *count != 0);
        read.map(Window::Count).or_else(|| {
            let hint = format!("write 1 or more, or leave `{name}` out");
            self.refuse(place, format!("`{name}` cannot keep {count} periods"), hint)
        })
    }
}

/// Returns what to write instead of `1 year 6 months`; none if it is no sum of spans.
fn in_one_unit(text: &str) -> Option<String> {
    let sum = text.replace([',', '+'], " ").replace(" and ", " ");
    let mut rest = sum.trim();
    // Each unit is a multiple of another, but for months, which differ in length.
    let (mut months, mut hours, mut n_parts) = (0_u32, 0_u32, 0);
    let mut is_in_days = true;
    while !rest.is_empty() {
        let is_unit = |c: char| c.is_ascii_alphabetic();
        let unit_start = rest.find(is_unit)?;
        let (count, after) = rest.split_at(unit_start);
        let (unit, after) = after.split_at(after.find(|c| !is_unit(c)).unwrap_or(after.len()));
        let count: u32 = count.trim().parse().ok()?;
        let (sum, factor) = match unit {
            "y" | "year" | "years" => (&mut months, 12),
            "month" | "months" => (&mut months, 1),
            "w" | "week" | "weeks" => (&mut hours, 7 * 24),
            "d" | "day" | "days" => (&mut hours, 24),
            "h" | "hour" | "hours" => (&mut hours, 1),
            _ => return None,
        };
        is_in_days &= factor != 1;
        *sum = sum.checked_add(count.checked_mul(factor)?)?;
        n_parts += 1;
        rest = after.trim();
    }
    if n_parts < 2 {
        return None;
    }
    let rule = "a span is one number and one unit";
    let span = match (months, hours) {
        (0, hours) if is_in_days => format!("{} days", hours / 24),
        (0, hours) => format!("{hours} hours"),
        (months, 0) => format!("{months} months"),
        _ => return Some(format!("{rule}, such as `7 months`")),
    };
    Some(if span.parse::<Span>().is_ok() {
        format!("write `{span}`: {rule}")
    } else {
        rule.to_owned()
    })
}
