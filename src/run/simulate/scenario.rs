//! What is to be simulated: from when to when, how cycles begin, and what goes wrong.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::config::Config;
use crate::config::schedule::Schedule;
use crate::domain::region::Region;
use crate::domain::span::Span;
use crate::report::simulation::Outage;
use crate::run::wake::variants;

/// Nobody waits for more, and schedules end in 2100.
const YEARS_MAX: i64 = 20;
/// How many percent of a volume change in a day, unless said otherwise: a guess for servers, which
/// nobody publishes.
pub const CHANGE_PERCENT: f64 = 2.0;

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// When it begins.
    pub from: DateTime<Utc>,
    /// How long it is.
    pub length: Span,
    /// When cycles begin.
    pub cadence: Cadence,
    /// Which share of calls meet a fault, from 0.0 to 1.0.
    pub fail_rate: f64,
    /// From which chance is drawn.
    pub seed: u64,
    /// Regions that are down for a while.
    pub outages: Vec<Outage>,
    /// How many percent of a volume change in a day.
    pub change_percent: f64,
}

/// When cycles begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Cadence {
    /// Whenever `serve` would wake.
    Serve,
    /// From the beginning on, this far apart, as a timer does.
    Every(Span),
    /// At these times, as cron does, in UTC.
    At(Box<Schedule>),
}

/// A scenario makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// It is too long.
    #[error("--for {0} is too long; at most {YEARS_MAX} years are simulated")]
    TooLong(Span),
    /// `serve` would not know when to wake.
    #[error(
        "policy `{0}` has no `schedule`, so nobody knows when it makes points; say when cycles \
         begin with --every, such as `--every \"1 day\"`"
    )]
    Unscheduled(String),
    /// A region is down in which nothing happens.
    #[error("no policy applies in {region}, and none copies to it; there is {}", known.join(", "))]
    Region {
        /// The region.
        region: Region,
        /// Those in which something happens.
        known: Vec<String>,
    },
    /// A region is down only before or after.
    #[error(
        "the outage of {} is not within what is simulated, {} to {}",
        .outage.region, second(*.from), second(*.until)
    )]
    Elsewhen {
        /// The outage.
        outage: Outage,
        /// When the simulation begins.
        from: DateTime<Utc>,
        /// When it ends.
        until: DateTime<Utc>,
    },
}

impl Scenario {
    /// Returns when it ends.
    pub fn until(&self) -> DateTime<Utc> {
        self.length.end(self.from, Tz::UTC)
    }

    /// Refuses what makes no sense for `configs`, of which each region is known.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self, configs: &[&Config], regions: &[Region]) -> Result<(), ScenarioError> {
        let until = self.until();
        if TimeDelta::days(YEARS_MAX * 366) < until - self.from {
            return Err(ScenarioError::TooLong(self.length));
        }
        let policies = configs.iter().flat_map(|config| &config.policies);
        let mut unscheduled = policies.filter(|policy| {
            variants(policy).any(|variant| variant.create && variant.schedule.is_none())
        });
        if self.cadence == Cadence::Serve
            && let Some(policy) = unscheduled.next()
        {
            return Err(ScenarioError::Unscheduled(policy.name.to_string()));
        }
        for outage in &self.outages {
            if !regions.contains(&outage.region) {
                let known = regions.iter().map(ToString::to_string).collect();
                return Err(ScenarioError::Region { region: outage.region, known });
            }
            if until <= outage.from || outage.to <= self.from {
                let (outage, from) = (*outage, self.from);
                return Err(ScenarioError::Elsewhen { outage, from, until });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve => f.write_str("whenever `serve` wakes"),
            Self::Every(span) => write!(f, "every {span}"),
            Self::At(schedule) => write!(f, "at `{}`", schedule.text()),
        }
    }
}

impl FromStr for Cadence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A crontab expression has at least four spaces, or a name.
        if text.trim().starts_with('@') || 4 <= text.split_whitespace().count() {
            let schedule = Schedule::parse(text, Tz::UTC).map_err(|err| err.to_string())?;
            return Ok(Self::At(Box::new(schedule)));
        }
        let hint = "a crontab expression such as `*/15 * * * *` does as well";
        text.parse().map(Self::Every).map_err(|err| format!("{err}; {hint}"))
    }
}

/// Reads `REGION:FROM..TO`.
///
/// # Errors
///
/// What is wrong, and what to write.
pub fn outage(text: &str) -> Result<Outage, String> {
    let usual = "write such as `eu-west-1:2027-01-01..2027-01-03`, or with RFC 3339 instants";
    let (region, span) = text.split_once(':').ok_or_else(|| format!("no times; {usual}"))?;
    let region: Region = region.trim().parse().map_err(|err| format!("{err}"))?;
    let (from, to) = span.split_once("..").ok_or_else(|| format!("no end; {usual}"))?;
    let (from, to) = (moment(from, usual)?, moment(to, usual)?);
    if to <= from {
        let swapped = format!("{region}:{}..{}", second(to), second(from));
        return Err(format!("it ends before it begins; the other way round is `{swapped}`"));
    }
    Ok(Outage { region, from, to })
}

/// Reads an instant, or a day, which begins at midnight UTC.
fn moment(text: &str, usual: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let day: Option<NaiveDate> = text.parse().ok();
    let at = day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|wall| wall.and_utc());
    at.ok_or_else(|| format!("`{text}` is no day and no instant; {usual}"))
}

/// Reads a share: `0.05`, or `5%`.
///
/// # Errors
///
/// What is wrong, and what to write.
pub fn rate(text: &str) -> Result<f64, String> {
    let usual = "write a share of calls such as `0.05`, or `5%`";
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    let number: f64 = number.parse().map_err(|_| format!("no number; {usual}"))?;
    let rate = number / scale;
    if (0.0..=1.0).contains(&rate) {
        return Ok(rate);
    }
    if 1.0 < number && number <= 100.0 {
        return Err(format!("more than every call; {number} % are `{number}%`"));
    }
    Err(format!("not from 0 to 1; {usual}"))
}

/// Reads how many percent of a volume change in a day: `2`, `2%`.
///
/// # Errors
///
/// What is wrong, and what to write.
pub fn percent(text: &str) -> Result<f64, String> {
    let usual = "write how many percent of a volume change in a day, such as `2`";
    let number = text.trim().trim_end_matches('%').trim_end();
    let number: f64 = number.parse().map_err(|_| format!("no number; {usual}"))?;
    if (0.0..=100.0).contains(&number) {
        return Ok(number);
    }
    Err(format!("not from 0 to 100; {usual}"))
}

fn second(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::{Cadence, outage, percent, rate};

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, expected) in [
            ("0.05", Ok(0.05)),
            ("5%", Ok(0.05)),
            ("0", Ok(0.0)),
            ("1", Ok(1.0)),
            ("5", Err("more than every call; 5 % are `5%`")),
            ("-1", Err("not from 0 to 1; write a share of calls such as `0.05`, or `5%`")),
            ("NaN", Err("not from 0 to 1; write a share of calls such as `0.05`, or `5%`")),
            ("some", Err("no number; write a share of calls such as `0.05`, or `5%`")),
        ] {
            assert_eq!(rate(text), expected.map_err(str::to_owned), "{text}");
        }
        assert_eq!((percent("3%"), percent(" 0.5 ")), (Ok(3.0), Ok(0.5)));
        assert!(percent("101").is_err() && percent("a lot").is_err());
    }

    #[test]
    fn outages_are_days_or_instants() {
        let read = |text: &str| outage(text).map(|o| format!("{} {} {}", o.region, o.from, o.to));
        assert_eq!(
            read("eu-west-1:2027-01-01..2027-01-03T12:00:00+01:00").unwrap(),
            "eu-west-1 2027-01-01 00:00:00 UTC 2027-01-03 11:00:00 UTC"
        );
        let usual = "write such as `eu-west-1:2027-01-01..2027-01-03`, or with RFC 3339 instants";
        for (text, expected) in [
            ("eu-west-1", format!("no times; {usual}")),
            ("eu-west-1:2027-01-01", format!("no end; {usual}")),
            ("eu-west-1:soon..2027-01-03", format!("`soon` is no day and no instant; {usual}")),
            (
                "us-east-1:2027-01-01..2026-12-01",
                "it ends before it begins; the other way round is \
                 `us-east-1:2026-12-01T00:00:00Z..2027-01-01T00:00:00Z`"
                    .to_owned(),
            ),
            (
                "Ireland:2027-01-01..2027-01-03",
                "`Ireland` cannot be a region (expected a name such as `eu-west-1`)".to_owned(),
            ),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn cycles_begin_by_a_span_or_a_crontab() {
        let read = |text: &str| text.parse::<Cadence>().map(|cadence| cadence.to_string());
        assert_eq!(read("1 hour").unwrap(), "every 1 hour");
        assert_eq!(read("*/15 * * * *").unwrap(), "at `*/15 * * * *`");
        assert_eq!(read("@daily").unwrap(), "at `@daily`");
        assert!(read("15 minutes").unwrap_err().ends_with("`*/15 * * * *` does as well"));
        assert!(read("0 3 30 2 *").unwrap_err().contains("never fires"));
    }
}
