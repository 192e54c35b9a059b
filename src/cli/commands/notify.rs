//! `notify --test`: does a message reach whoever is to be told?

use std::fmt::Write as _;

use crate::cli::args::{Global, NotifyArgs};
use crate::cli::{scope, telling, usage};
use crate::report::{ExitCode, Message};
use crate::run::Accounts;
use crate::run::notify::Arrival;

use super::print;

pub(in crate::cli) async fn notify(global: &Global, _: &NotifyArgs) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let Some(notify) = &config.notify else {
        return Err(usage("the configuration has no `[notify]`, so nobody is told"));
    };
    // Only a topic needs an account; without one the other channels are tried all the same. But
    // where a sandbox is asked for, nothing real is told.
    let accounts = if global.sandbox.is_some() {
        Ok(scope::open(global, &config, &[], None).await?)
    } else if notify.sns.is_some() {
        scope::open(global, &config, &[], None).await.map_err(|err| format!("{err:#}"))
    } else {
        Err("no account is opened".to_owned())
    };
    let own = accounts.as_ref().map(Accounts::own).map_err(Clone::clone);
    let delivery = telling::teller(notify, own).send(Message::of_test()).await;
    let mut text = String::new();
    for (channel, arrival) in &delivery.channels {
        let _ = match arrival {
            Arrival::Arrived => writeln!(text, "{channel}: told"),
            Arrival::Rehearsed => writeln!(text, "{channel}: not told, since this is a sandbox"),
            Arrival::Failed(why) => writeln!(text, "{channel}: failed: {why}"),
        };
    }
    print(&text)?;
    Ok(if delivery.n_failed() == 0 { ExitCode::Done } else { ExitCode::Failed })
}
