//! What happens in a year, drawn beforehand: a step can be left out without changing another.

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::Fault;

use crate::chance::Chance;
use crate::spec::Spec;
use crate::watch::LOOK;
use crate::world::World;

/// One year of one world.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) world: World,
    pub(crate) steps: Vec<Step>,
}

/// Something that happens at an instant, or once what came before it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at: DateTime<Utc>,
    pub(crate) act: Act,
}

#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Snapkeep runs.
    Cycle(Box<Weather>),
    /// Somebody does something; what, is drawn from this seed when it happens.
    People(u64),
    /// Somebody writes another configuration.
    Configure(Box<Spec>),
    /// A region is down for so long.
    Down(String, TimeDelta),
    /// Nothing goes wrong for a while; in the end the account is as the policies ask for.
    Settle,
}

/// What befalls one cycle.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    pub(crate) faults: Vec<(Fault, f64)>,
    /// A call that is denied all through.
    pub(crate) denied: Option<&'static str>,
    pub(crate) latency: TimeDelta,
    pub(crate) is_throttling: bool,
    pub(crate) invisible_for: TimeDelta,
    pub(crate) lingers_for: TimeDelta,
    pub(crate) page_items: usize,
    pub(crate) has_empty_pages: bool,
    /// The process is killed at this call, before its effect or (true) before its reply.
    pub(crate) killed_at: Option<(usize, bool)>,
    /// Somebody asks it to stop at this call.
    pub(crate) stopped_at: Option<usize>,
    /// A second process begins so much later.
    pub(crate) second_after: Option<TimeDelta>,
    /// How far the machine's clock is ahead of EC2's.
    pub(crate) skew: TimeDelta,
    /// Somebody does something just before this listing.
    pub(crate) people_at: Option<(usize, u64)>,
}

impl Weather {
    /// The best of days.
    pub(crate) fn calm() -> Self {
        Self {
            seed: 0,
            faults: Vec::new(),
            denied: None,
            latency: TimeDelta::zero(),
            is_throttling: false,
            invisible_for: TimeDelta::zero(),
            lingers_for: TimeDelta::zero(),
            page_items: 1000,
            has_empty_pages: false,
            killed_at: None,
            stopped_at: None,
            second_after: None,
            skew: TimeDelta::zero(),
            people_at: None,
        }
    }

    /// Returns true if nothing is drawn to go wrong.
    pub(crate) fn is_fine(&self) -> bool {
        let Self { faults, denied, latency, is_throttling, invisible_for, lingers_for, .. } = self;
        let Self { page_items, killed_at, stopped_at, second_after, skew, people_at, .. } = self;
        faults.is_empty()
            && denied.is_none()
            && latency.is_zero()
            && !is_throttling
            && invisible_for.is_zero()
            && lingers_for.is_zero()
            && *page_items == Self::calm().page_items
            && killed_at.is_none()
            && stopped_at.is_none()
            && second_after.is_none()
            && skew.is_zero()
            && people_at.is_none()
    }

    fn draw(chance: &mut Chance, n_regions: usize) -> Self {
        let mut weather = Self { seed: chance.seed(), ..Self::calm() };
        if chance.happens(0.45) {
            return weather;
        }
        for _ in 0..chance.within(1, 3) {
            weather.worsen(chance, n_regions);
        }
        weather
    }

    fn worsen(&mut self, chance: &mut Chance, n_regions: usize) {
        let seconds = |chance: &mut Chance, from, to| TimeDelta::seconds(chance.within(from, to));
        let rate = *chance.one_of(&[0.02, 0.1, 0.4]);
        match chance.below(15) {
            0 => self.faults.push((Fault::Throttled, rate)),
            1 => self.faults.push((Fault::ErrorBefore, rate)),
            2 => self.faults.push((Fault::LostReply, rate)),
            3 => {
                let (after, is_done) = (seconds(chance, 5, 90), chance.happens(0.5));
                self.faults.push((Fault::TimedOut { after, is_done }, rate));
            }
            4 => self.faults.push((Fault::Denied, 0.02)),
            5 => self.faults.push((Fault::SnapshotsFail, *chance.one_of(&[0.2, 1.0]))),
            6 => self.denied = Some(*chance.one_of(&CALLS)),
            7 => {
                self.latency = TimeDelta::milliseconds(chance.within(50, 3000));
                self.is_throttling = true;
            }
            8 => self.invisible_for = seconds(chance, 1, 120),
            9 => self.lingers_for = seconds(chance, 1, 120),
            10 => {
                self.page_items = *chance.one_of(&[3, 20, 100]);
                self.has_empty_pages = chance.happens(0.5);
            }
            11 => {
                let n = *chance.one_of(&[15, 40, 120]);
                self.killed_at = Some((chance.below(n), chance.happens(0.5)));
            }
            12 => self.stopped_at = Some(chance.below(40)),
            13 => {
                self.second_after = Some(seconds(chance, 0, 90));
                self.latency = TimeDelta::milliseconds(chance.within(20, 2000));
            }
            _ if chance.happens(0.5) => {
                let by = *chance.one_of(&[200, 290, 310, 7_200, 200_000]);
                self.skew = seconds(chance, -by, by);
            }
            _ => {
                let at = *chance.one_of(&[0, LOOK, LOOK, LOOK, LOOK, 2, 3, 8]);
                self.people_at = Some((at, chance.seed()));
            }
        }
        // What somebody does between a look and the deletion that relies on it, nobody can see. So
        // a look must not be another process's, or another region's, or in parts.
        let is_in_parts = self.page_items < Self::calm().page_items;
        if self.second_after.is_some() || 1 < n_regions || is_in_parts {
            self.people_at = None;
        }
        if self.second_after.is_some() {
            self.skew = TimeDelta::zero();
        }
    }
}

const CALLS: [&str; 9] = [
    "CreateSnapshots",
    "CreateSnapshot",
    "CreateImage",
    "CopySnapshot",
    "CopyImage",
    "DeleteSnapshot",
    "DeregisterImage",
    "DescribeImages",
    "CreateTags",
];

impl Script {
    /// Draws the year of a seed.
    pub(crate) fn of(seed: u64, n_days: u32) -> Self {
        let world = World::of(seed);
        let mut chance = Chance::of(seed, "script");
        let n_regions = world.regions.len();
        let n_looks = chance.weighted(&[(5, 1), (3, 2), (1, 3)]);
        let (mut steps, mut spec) = (Vec::new(), world.spec.clone());
        let settles_on = chance.within(60, i64::from(n_days).max(61));
        for day in 0..i64::from(n_days) {
            let today = world.begun_at + TimeDelta::days(day);
            let mut add = |minutes, act| {
                steps.push(Step { at: today + TimeDelta::minutes(minutes), act });
            };
            if chance.happens(0.012) {
                spec = spec.changed(&mut chance, &world.regions);
                add(1, Act::Configure(Box::new(spec.clone())));
            }
            if chance.happens(0.015) {
                let hours = chance.within(1, 90);
                let region = chance.one_of(&world.regions).clone();
                add(2, Act::Down(region, TimeDelta::hours(hours)));
            }
            if chance.happens(0.12) {
                add(3, Act::People(chance.seed()));
            }
            if day == settles_on {
                add(4, Act::Settle);
            }
            for look in 0..n_looks {
                // A machine may be off for a while.
                if chance.happens(0.04) {
                    continue;
                }
                let minutes = 100 + look * 1200 / n_looks + chance.within(0, 60);
                let weather = Weather::draw(&mut chance, n_regions);
                add(minutes, Act::Cycle(Box::new(weather)));
                if chance.happens(0.2) {
                    let weather = Weather::draw(&mut chance, n_regions);
                    add(minutes + chance.within(1, 90), Act::Cycle(Box::new(weather)));
                }
            }
        }
        let end = world.begun_at + TimeDelta::days(i64::from(n_days));
        steps.push(Step { at: end, act: Act::Configure(Box::new(spec.unlimited())) });
        steps.push(Step { at: end, act: Act::Settle });
        Self { world, steps }
    }
}
