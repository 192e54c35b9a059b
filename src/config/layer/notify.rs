//! What `[notify]` says.

use std::collections::BTreeSet;
use std::path::Path;

use chrono_tz::Tz;

use crate::config::layer::Reader;
use crate::config::layer::keys::is_account;
use crate::config::notify::{Notify, Topic, UrlSource};
use crate::config::schedule::Schedule;
use crate::config::shape::{At, CommandShape, EventShape, NotifyShape, SnsShape, WebhookShape};
use crate::domain::event::Event;
use crate::domain::span::Span;

/// When the summary is due unless something else is said.
const SUMMARY: &str = "0 8 * * *";
/// What to do with a URL instead of writing it into a configuration.
pub(in crate::config) const URL_HINT: &str = "the URL is a secret: put it into an environment \
     variable and write `url_env = \"SNAPKEEP_WEBHOOK_URL\"`, or into a file and write `url_file = \
     \"/etc/snapkeep/webhook-url\"`";

impl Reader<'_, '_> {
    /// Reads the table; `default_zone` is the one of `[defaults]`.
    pub(in crate::config) fn notify(
        &mut self,
        at: &At<NotifyShape>,
        default_zone: Option<Tz>,
    ) -> Option<Notify> {
        let NotifyShape { on, summary, timezone, repeat, sns, webhook, command } = at.value();
        let timezone = self.optional(timezone.as_ref(), Self::timezone);
        let on = self.optional(on.as_ref(), Self::events);
        let schedule = self.optional(summary.as_ref(), Self::schedule);
        let repeat = self.optional(repeat.as_ref(), |reader, at| {
            let place = reader.place(at.span());
            reader.read_span(at.value(), &place, "write a span such as `1 day`")
        });
        let topic = self.optional(sns.as_ref(), |reader, at| reader.topic(at.value()));
        let url = self.optional(webhook.as_ref(), Self::url_source);
        let run = self.optional(command.as_ref(), |reader, at| reader.argv(at.value()));
        // What was taken out may have been the channel.
        if sns.is_none() && webhook.is_none() && command.is_none() && !self.broken.touches("notify")
        {
            let hint = "add `[notify.sns]`, `[notify.webhook]` or `[notify.command]`";
            return self.refuse(&self.place(at.span()), "`[notify]` names nobody to tell", hint);
        }
        let on = on.ok()?.unwrap_or_else(usual_events);
        let zone = timezone.ok()?.or(default_zone).unwrap_or(Tz::UTC);
        let has_summary = on.contains(&Event::Summary);
        // A word that was taken out may have been meant for it.
        let is_known = !self.broken.touches("notify/on");
        if let (Some(at), false, true) = (summary, has_summary, is_known) {
            let hint = "add it: `on = [\"failure\", \"refusal\", \"recovery\", \"summary\"]`";
            let message = "`summary` is given, but `on` does not name it";
            return self.refuse(&self.place(at.span()), message, hint);
        }
        let schedule = schedule.ok()?.or_else(|| Schedule::parse(SUMMARY, zone).ok());
        Some(Notify {
            on,
            summary: schedule.filter(|_| has_summary).map(|schedule| schedule.in_zone(zone)),
            timezone: zone,
            repeat: repeat.ok()?.unwrap_or(Span::days(1)),
            sns: topic.ok()?,
            webhook: url.ok()?,
            command: run.ok()?,
        })
    }

    fn events(&mut self, at: &At<Vec<EventShape>>) -> Option<BTreeSet<Event>> {
        let events: BTreeSet<Event> = at.value().iter().map(|shape| event(*shape)).collect();
        if events.is_empty() && !self.broken.touches("notify/on") {
            let hint = "leave it out for failures, refusals and recoveries, or remove `[notify]`";
            return self.refuse(&self.place(at.span()), "`on` names nothing to tell", hint);
        }
        Some(events)
    }

    fn topic(&mut self, shape: &SnsShape) -> Option<Topic> {
        let at = shape.topic.as_ref()?;
        let (text, place) = (at.value().trim(), self.place(at.span()));
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else {
            let hint = "the ARN of a topic is `arn:aws:sns:REGION:ACCOUNT:NAME`";
            return self.refuse(&place, format!("`{text}` is not the ARN of a topic"), hint);
        };
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.strip_suffix(".fifo").is_some() {
            let hint = "make a standard topic: e-mail and chats cannot subscribe to a FIFO one";
            return self.refuse(&place, format!("`{name}` is a FIFO topic"), hint);
        }
        if !partition.starts_with("aws") || !is_account(account) || !name.bytes().all(is_allowed) {
            let hint = if name.contains(':') {
                "this is the ARN of a subscription; leave out what stands behind the topic's name"
            } else {
                "the ARN of a topic is `arn:aws:sns:REGION:ACCOUNT:NAME`"
            };
            return self.refuse(&place, format!("`{text}` is not the ARN of a topic"), hint);
        }
        let region = self.region(region, &place)?;
        Some(Topic { arn: text.into(), region })
    }

    fn url_source(&mut self, at: &At<WebhookShape>) -> Option<UrlSource> {
        let WebhookShape { url_env, url_file } = at.value();
        match (url_env, url_file) {
            (Some(env), None) => self.url_env(env),
            (None, Some(file)) => self.url_file(file),
            (Some(_), Some(file)) => {
                let message = "both `url_env` and `url_file` are given";
                self.refuse(&self.place(file.span()), message, "keep one of them")
            }
            (None, None) if self.broken.touches("notify/webhook") => None,
            (None, None) => {
                let message = "`[notify.webhook]` does not say where its URL is";
                self.refuse(&self.place(at.span()), message, URL_HINT)
            }
        }
    }

    // What stands here may be the secret itself, so messages do not repeat it.
    fn url_env(&mut self, at: &At<String>) -> Option<UrlSource> {
        let (name, place) = (at.value().as_str(), self.place(at.span()));
        if name.contains("://") {
            return self.refuse(&place, "`url_env` holds a URL, not a name", URL_HINT);
        }
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_name = |name: &str| {
            name.bytes().all(is_allowed) && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        };
        if is_name(name) {
            return Some(UrlSource::Env(name.to_owned()));
        }
        let bare = name.trim().trim_start_matches(['$', '{']).trim_end_matches('}');
        let hint = if is_name(bare) {
            format!("write `{bare}`, without `$` and spaces")
        } else {
            "write the name of a variable, such as `SNAPKEEP_WEBHOOK_URL`".to_owned()
        };
        self.refuse(&place, "`url_env` is not the name of an environment variable", hint)
    }

    fn url_file(&mut self, at: &At<String>) -> Option<UrlSource> {
        let (text, place) = (at.value().as_str(), self.place(at.span()));
        if text.contains("://") {
            return self.refuse(&place, "`url_file` holds a URL, not a path", URL_HINT);
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            let hint = "write an absolute path, or the name of a systemd credential";
            return self.refuse(&place, "`url_file` is not a path", hint);
        }
        if Path::new(text).is_absolute() {
            return Some(UrlSource::File(text.into()));
        }
        if text.contains('/') || matches!(text, "." | "..") || text.starts_with(['~', '$']) {
            let hint = "write an absolute path, such as `/etc/snapkeep/webhook-url`; a name alone \
                        is that of a systemd credential";
            return self.refuse(&place, format!("`{text}` is not an absolute path"), hint);
        }
        Some(UrlSource::Credential(text.to_owned()))
    }

    fn argv(&mut self, shape: &CommandShape) -> Option<Vec<String>> {
        let at = shape.run.as_ref()?;
        let argv: Vec<String> = at.value().iter().map(|item| item.value().clone()).collect();
        let program = argv.first().map(String::as_str).unwrap_or_default();
        if program.is_empty() {
            if self.broken.touches("notify/command/run") {
                return None;
            }
            let hint = "write the program and its arguments, such as `[\"/usr/local/bin/page\"]`";
            return self.refuse(&self.place(at.span()), "`run` names no program", hint);
        }
        // No shell takes it apart.
        if let Some((first, rest)) = program.split_once(" -") {
            let hint = format!("each argument stands by itself: `[\"{first}\", \"-{rest}\"]`");
            let message = format!("`{program}` is not a program");
            return self.refuse(&self.place(at.span()), message, hint);
        }
        if argv.iter().any(|item| item.contains('\0')) {
            let message = "an argument contains a NUL character";
            return self.refuse(&self.place(at.span()), message, "remove it");
        }
        Some(argv)
    }
}

fn usual_events() -> BTreeSet<Event> {
    [Event::Failure, Event::Refusal, Event::Recovery].into()
}

fn event(shape: EventShape) -> Event {
    match shape {
        EventShape::Failure => Event::Failure,
        EventShape::Refusal => Event::Refusal,
        EventShape::Recovery => Event::Recovery,
        EventShape::Summary => Event::Summary,
    }
}
