//! Telling people: what messages say, that channels are bounded, and that nothing secret is shown.

mod command;
mod messages;
mod occasions;
mod secrets;
mod webhook;

use std::time::Duration;

use snapkeep::config::{Notify, parse};
use snapkeep::report::Message;
use snapkeep::run::notify::{Arrival, Delivery, Patience, Secret, Teller};

/// As long as no test takes by itself.
const PATIENT: Patience = Patience { total: Duration::from_mins(1), pause: Duration::ZERO };
/// For whatever never ends.
const IMPATIENT: Patience =
    Patience { total: Duration::from_millis(300), pause: Duration::from_secs(30) };

/// Returns what a table `[notify]` says.
fn notify(table: &str) -> Notify {
    let text = format!(
        "version = 1\n[notify]\n{table}\n[[policy]]\nname = 'servers'\nregions = ['eu-west-1']\n\
         select = {{ resource = 'instance' }}\nretention = 'forever'\n"
    );
    match parse(&[("test.toml".to_owned(), text)]) {
        Ok(config) => config.notify.unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

/// Sends a test message to the only channel of `notify`.
async fn send(notify: &Notify, url: &str, patience: Patience) -> (Arrival, Delivery) {
    let own = Err("there is no account".to_owned());
    let teller = Teller { notify, url: Ok(Secret::new(url)), own, patience };
    let delivery = teller.send(Message::of_test()).await;
    let [(_, arrival)] = &delivery.channels[..] else { panic!("{delivery:?}") };
    (arrival.clone(), delivery)
}

fn failed(arrival: &Arrival) -> &str {
    let Arrival::Failed(why) = arrival else { panic!("{arrival:?}") };
    why
}
