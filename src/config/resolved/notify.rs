//! Who is told what.

use std::fmt::Write as _;

use super::{entry, strings};
use crate::config::notify::{Notify, UrlSource};
use crate::domain::event::Event;

pub(super) fn render_notify(out: &mut String, notify: &Notify) {
    let Notify { on, summary, timezone, repeat, sns, webhook, command } = notify;
    out.push_str("\n[notify]\n");
    entry(out, "on", strings(on.iter().copied().map(Event::name)));
    if let Some(schedule) = summary {
        entry(out, "summary", schedule.text());
    }
    entry(out, "timezone", timezone.name());
    entry(out, "repeat", repeat.to_string());
    if let Some(topic) = sns {
        let _ = write!(out, "\n[notify.sns]\n");
        entry(out, "topic", topic.arn.as_ref());
    }
    if let Some(source) = webhook {
        let _ = write!(out, "\n[notify.webhook]\n");
        match source {
            UrlSource::Env(name) => entry(out, "url_env", name.as_str()),
            UrlSource::File(path) => entry(out, "url_file", path.display().to_string()),
            UrlSource::Credential(name) => entry(out, "url_file", name.as_str()),
        }
    }
    if let Some(argv) = command {
        let _ = write!(out, "\n[notify.command]\n");
        entry(out, "run", strings(argv.iter().map(String::as_str)));
    }
}
