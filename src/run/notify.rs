//! Telling people what a cycle came to: what is to be told now, and by which channels.
//!
//! Every way of starting a cycle calls [`Teller::tell`] after it. A message that does not arrive is
//! a warning in the log and a count, and never fails a cycle. Channels are told side by side, each
//! within [`Patience::total`]. In a sandbox nobody is told: the messages are returned as rehearsed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join3;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::cloud::Publish;
use crate::config::{Notify, Topic, UrlSource};
use crate::domain::event::Event;
use crate::report::Message;
use crate::report::message::Before;
use crate::report::trouble::{Cycle, Trouble, troubles};
use crate::run::world::World;

mod command;
mod memory;
mod notifier;
mod secret;
mod told;
mod webhook;

pub use memory::{Memory, MemoryError};
pub use notifier::{After, Environment, Notifier, teller, url};
pub use secret::Secret;
pub use told::{News, Repeat, Told};

/// A URL in a file is no longer.
const SECRET_BYTES_MAX: u64 = 8192;

/// How long telling may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One channel, with all its attempts.
    pub total: Duration,
    /// Between two attempts, unless the other side asks for another pause.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { total: Duration::from_secs(10), pause: Duration::from_secs(1) }
    }
}

/// Who is told, and with what.
pub struct Teller<'a> {
    /// What the configuration says about it.
    pub notify: &'a Notify,
    /// The webhook's URL, or why it is not there.
    pub url: Result<Secret, String>,
    /// The own account, whose credentials publish to the topic; an error says why there is none.
    pub own: Result<&'a World, String>,
    /// How long it may take.
    pub patience: Patience,
}

/// What there may be to tell of.
#[derive(Debug, Default)]
pub struct Occasion<'a> {
    /// One cycle in each account; none if none could be run.
    pub cycles: &'a [Cycle<'a>],
    /// What is wrong beside, such as a configuration that cannot be used.
    pub troubles: Vec<Trouble>,
    /// Whether the cycle was for some policies, regions or accounts only, or interrupted in one.
    pub is_partial: bool,
    /// The present instant.
    pub now: DateTime<Utc>,
}

/// A way to tell people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// An SNS topic.
    Sns,
    /// A webhook.
    Webhook,
    /// A program.
    Command,
}

/// What became of a message on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// The other side has it.
    Arrived,
    /// It would have been sent, if this were no sandbox.
    Rehearsed,
    /// It has not; why.
    Failed(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Each channel, in order.
    pub channels: Vec<(Channel, Arrival)>,
}

impl Teller<'_> {
    /// Tells what is to be told after a cycle, and notes it in `told`.
    ///
    /// What arrived nowhere is not told, so the next cycle tells it.
    pub async fn tell(&self, occasion: Occasion<'_>, told: &mut Told) -> Vec<Delivery> {
        let Occasion { cycles, troubles: others, is_partial, now } = occasion;
        let mut all = others;
        all.extend(troubles(cycles));
        let mut deliveries = self.tell_news(&all, cycles, is_partial, now, told).await;
        // A summary says how everything is: not that all is well, if nobody knows.
        let is_known = !all.is_empty() || !are_cut_short(cycles);
        let slot = self.notify.summary.as_ref().and_then(|schedule| schedule.slot_at(now));
        if let Some(slot) = slot.filter(|_| !is_partial && is_known && !cycles.is_empty()) {
            let (is_due, next) = told.summary(slot);
            if is_due {
                let message = Message::of_summary(&all, cycles);
                self.send_and_note(message, next, told, &mut deliveries).await;
            } else {
                *told = next;
            }
        }
        deliveries
    }

    /// Tells what is wrong, or that all is well again.
    async fn tell_news(
        &self,
        all: &[Trouble],
        cycles: &[Cycle<'_>],
        is_partial: bool,
        now: DateTime<Utc>,
        told: &mut Told,
    ) -> Vec<Delivery> {
        let on = &self.notify.on;
        let asked: Vec<Trouble> =
            all.iter().filter(|trouble| on.contains(&trouble.event())).cloned().collect();
        let keys: BTreeSet<String> = asked.iter().map(Trouble::key).collect();
        let repeat = Repeat { span: self.notify.repeat, timezone: self.notify.timezone };
        // What was not reached may be as wrong as before.
        let is_whole = !is_partial && !are_cut_short(cycles);
        let (news, next) = told.next(&keys, is_whole, repeat, now);
        let message = match news {
            News::Trouble { since, recovered_at } => {
                let before = match (since, recovered_at) {
                    (Some(since), _) => Before::SoSince(since),
                    (None, Some(at)) => Before::RecoveredAt(at),
                    (None, None) => Before::Nothing,
                };
                Some(Message::of_troubles(&asked, cycles, before))
            }
            News::Recovery { since, keys } if on.contains(&Event::Recovery) => {
                Some(Message::of_recovery(since, &keys, cycles))
            }
            News::Recovery { .. } | News::None => None,
        };
        let mut deliveries = Vec::new();
        match message {
            Some(message) => self.send_and_note(message, next, told, &mut deliveries).await,
            None => *told = next,
        }
        deliveries
    }

    async fn send_and_note(
        &self,
        message: Message,
        next: Told,
        told: &mut Told,
        deliveries: &mut Vec<Delivery>,
    ) {
        let delivery = self.send(message).await;
        delivery.log();
        if delivery.has_arrived() {
            *told = next;
        }
        deliveries.push(delivery);
    }

    /// Sends a message by all channels, whatever was told before.
    pub async fn send(&self, message: Message) -> Delivery {
        let Notify { sns, webhook, command, .. } = self.notify;
        let by_sns = async { Some(self.publish(sns.as_ref()?, &message).await) };
        let by_webhook = async {
            webhook.as_ref()?;
            Some(self.post(&message).await)
        };
        let by_command = async { Some(self.run(command.as_ref()?, &message).await) };
        let (by_sns, by_webhook, by_command) = join3(by_sns, by_webhook, by_command).await;
        let channels = [
            (Channel::Sns, by_sns),
            (Channel::Webhook, by_webhook),
            (Channel::Command, by_command),
        ];
        let channels = channels.into_iter().filter_map(|(channel, res)| Some((channel, res?)));
        Delivery { channels: channels.collect(), message }
    }

    fn is_sandbox(&self) -> bool {
        self.own.as_ref().is_ok_and(|world| world.is_sandbox())
    }

    async fn publish(&self, topic: &Topic, message: &Message) -> Arrival {
        let world = match &self.own {
            Ok(world) => world,
            Err(why) => return Arrival::Failed(why.clone()),
        };
        let request = Publish {
            topic_arn: topic.arn.as_ref().to_owned(),
            subject: message.subject.clone(),
            text: message.text.clone(),
        };
        let published = timeout(self.patience.total, world.publish(&topic.region, &request)).await;
        let late = || Err(format!("no answer within {} s", self.patience.total.as_secs_f32()));
        let is_sandbox = self.is_sandbox();
        arrival(published.unwrap_or_else(|_| late()), is_sandbox)
    }

    async fn post(&self, message: &Message) -> Arrival {
        match &self.url {
            Err(why) => Arrival::Failed(why.clone()),
            Ok(_) if self.is_sandbox() => Arrival::Rehearsed,
            Ok(url) => {
                let body = message.slack().to_string();
                arrival(webhook::post(url, &body, self.patience).await, false)
            }
        }
    }

    async fn run(&self, argv: &[String], message: &Message) -> Arrival {
        if self.is_sandbox() {
            return Arrival::Rehearsed;
        }
        let secret = self.notify.webhook.as_ref();
        arrival(command::run(argv, message, secret, self.patience).await, false)
    }
}

impl Delivery {
    /// Returns what nobody was told, since nothing of it is real; none if it was told.
    pub fn rehearsed(&self) -> Option<String> {
        let rehearsed = |(_, arrival): &&_| matches!(arrival, Arrival::Rehearsed);
        let channels: Vec<String> =
            self.channels.iter().filter(rehearsed).map(|(c, _)| c.to_string()).collect();
        if channels.is_empty() {
            return None;
        }
        let head = format!("this is a sandbox; otherwise {} would tell:", channels.join(" and "));
        let lines =
            [self.message.subject.as_str(), ""].into_iter().chain(self.message.text.lines());
        let shown = lines.map(|line| format!("  {line}").trim_end().to_owned());
        Some(std::iter::once(head).chain(shown).collect::<Vec<_>>().join("\n"))
    }

    /// Returns true if somebody has the message, or would have.
    pub fn has_arrived(&self) -> bool {
        self.channels.iter().any(|(_, arrival)| !matches!(arrival, Arrival::Failed(_)))
    }

    fn log(&self) {
        let event = self.message.event.name();
        for (channel, arrival) in &self.channels {
            match arrival {
                Arrival::Arrived => info!("told {channel} of a {event}"),
                Arrival::Rehearsed => info!("{channel} is not told of a {event} in a sandbox"),
                Arrival::Failed(why) => warn!("{channel} could not be told of a {event}: {why}"),
            }
        }
    }

    /// Returns how many channels failed.
    pub fn n_failed(&self) -> usize {
        self.channels.iter().filter(|(_, a)| matches!(a, Arrival::Failed(_))).count()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sns => "sns",
            Self::Webhook => "webhook",
            Self::Command => "command",
        })
    }
}

fn are_cut_short(cycles: &[Cycle<'_>]) -> bool {
    cycles.iter().any(Cycle::is_cut_short)
}

fn arrival(res: Result<(), String>, is_sandbox: bool) -> Arrival {
    match res {
        Ok(()) if is_sandbox => Arrival::Rehearsed,
        Ok(()) => Arrival::Arrived,
        Err(why) => Arrival::Failed(why),
    }
}

/// Returns the webhook's URL; `env` looks up a variable of the environment.
///
/// # Errors
///
/// Why it is not there, without any of it.
pub fn webhook_url(
    source: &UrlSource,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, String> {
    let path = match source {
        UrlSource::Env(name) => {
            let value = env(name).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| format!("the environment has no {name}"))?;
            let value = value.into_string();
            return value
                .map(|text| Secret::new(&text))
                .map_err(|_| format!("{name} is not UTF-8"));
        }
        UrlSource::File(path) => path.clone(),
        UrlSource::Credential(name) => {
            let dir = env("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                format!(
                    "there is no credential `{name}`: CREDENTIALS_DIRECTORY is not set (systemd \
                     sets it for LoadCredential={name}:PATH)"
                )
            })?;
            Path::new(&dir).join(name)
        }
    };
    read_secret(&path).map_err(|why| format!("cannot read `{}`: {why}", path.display()))
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    use std::io::Read as _;
    // Whoever opens a FIFO waits for somebody to write, for ever.
    if !std::fs::metadata(path).map_err(|err| err.to_string())?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|err| err.to_string())?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(|err| err.to_string())?;
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(Secret::new(&text))
}

/// Returns where it is kept what was told: `STATE_DIRECTORY` (systemd), else
/// `XDG_STATE_HOME/snapkeep`, else `HOME/.local/state/snapkeep`; `env` looks up a variable.
pub fn state_dir(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    if let Some(dirs) = set("STATE_DIRECTORY") {
        // There may be several; the first is ours.
        return std::env::split_paths(&dirs).next();
    }
    // Relative ones are invalid (XDG Base Directory Specification).
    let absolute = |name| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME").or_else(home).map(|dir| dir.join("snapkeep"))
}
