use std::cell::RefCell;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Configuration, ConfigurationError, Parameters};
use crate::domain::failure::Failure;
use crate::lambda::settings::Source;

/// Parameters that answer with the next of these, and know what they were asked for.
struct Store {
    answers: RefCell<Vec<Result<String, Failure>>>,
    asked: RefCell<Vec<String>>,
}

impl Store {
    fn of(answers: &[Result<&str, Failure>]) -> Self {
        let answers = answers.iter().rev().map(|answer| answer.clone().map(policy)).collect();
        Self { answers: RefCell::new(answers), asked: RefCell::default() }
    }
}

impl Parameters for Store {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        self.asked.borrow_mut().push(name.to_owned());
        self.answers.borrow_mut().pop().unwrap()
    }
}

/// A configuration with one policy of this name; nonsense without one.
fn policy(name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("name = \"{name}\"") };
    format!(
        "version = 1\n[[policy]]\n{name}\nregions = [\"eu-west-1\"]\nretention = \"forever\"\n\
         select = {{ resource = \"instance\" }}\n"
    )
}

fn parameter() -> Configuration {
    Configuration::new(Source::Parameter("/snapkeep".to_owned()))
}

fn after(minutes: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-20T03:00:00Z".parse().unwrap();
    start + TimeDelta::minutes(minutes)
}

async fn name(
    configuration: &mut Configuration,
    minutes: i64,
    store: &Store,
) -> Result<String, ConfigurationError> {
    let config = configuration.at(after(minutes), store).await?;
    Ok(config.policies[0].name.to_string())
}

#[tokio::test]
async fn a_parameter_is_read_again_after_five_minutes() {
    let store = Store::of(&[Ok("first"), Ok("second")]);
    let mut configuration = parameter();
    for (minutes, expected) in [(0, "first"), (4, "first"), (5, "second"), (9, "second")] {
        assert_eq!(name(&mut configuration, minutes, &store).await.unwrap(), expected);
    }
    assert_eq!(*store.asked.borrow(), ["/snapkeep", "/snapkeep"]);
}

#[tokio::test]
async fn what_was_read_stays_while_it_cannot_be_read_again_or_is_wrong() {
    let denied = Err(Failure::lasting("denied"));
    let throttled = Err(Failure::passing("throttled"));
    let store = Store::of(&[Ok("first"), denied, Ok(""), throttled, Ok("second")]);
    let mut configuration = parameter();
    for (minutes, expected, stale_for) in [
        (0, "first", None),
        (60, "first", Some("denied")),
        (120, "first", Some("name")),
        (180, "first", None),
        (240, "second", None),
    ] {
        assert_eq!(name(&mut configuration, minutes, &store).await.unwrap(), expected);
        let said = configuration.stale_for();
        assert_eq!(said.is_some(), stale_for.is_some(), "{said:?}");
        assert!(said.is_none_or(|said| said.contains(stale_for.unwrap())), "{said:?}");
    }
}

#[tokio::test]
async fn without_any_configuration_the_reason_tells_whether_it_may_pass() {
    for failure in [Failure::passing("throttled"), Failure::lasting("denied")] {
        let store = Store::of(&[Err(failure.clone()), Ok("first")]);
        let mut configuration = parameter();
        let err = name(&mut configuration, 0, &store).await.unwrap_err();
        let ConfigurationError::Unread(unread) = &err else { panic!("{err}") };
        assert_eq!(unread.may_pass, failure.may_pass);
        assert!(err.to_string().contains(&format!("parameter `/snapkeep`: {failure}")), "{err}");
        // It is asked for again at once, not after five minutes.
        assert_eq!(name(&mut configuration, 0, &store).await.unwrap(), "first");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_said_in_full() {
    let err = name(&mut parameter(), 0, &Store::of(&[Ok("")])).await.unwrap_err().to_string();
    assert!(err.contains("/snapkeep:2") && err.contains("name"), "{err}");
}

#[tokio::test]
async fn a_variable_is_read_once() {
    let mut configuration = Configuration::new(Source::Text(policy("here")));
    for minutes in [0, 600] {
        assert_eq!(name(&mut configuration, minutes, &Store::of(&[])).await.unwrap(), "here");
    }
}
