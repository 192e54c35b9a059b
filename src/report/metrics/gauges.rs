//! How things stood when the last cycle looked, and how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::plan::retention::{Hold, Holds};
use crate::plan::{Keep, KeepReason, Plan, ProtectionState, Severity};
use crate::report::ExitCode;
use crate::report::metrics::Cycle;
use crate::report::metrics::exposition::Exposition;

/// A policy, where its points are, and of copies where they come from.
type Place = (Arc<str>, Region, Option<Region>);

/// What a plan and its execution come to, in a few numbers for each policy and region.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// None is the own account.
    account: Option<Arc<str>>,
    /// Of the sources in each place: how many are in each state, and the oldest newest point.
    sources: BTreeMap<Place, Sources>,
    /// Points by what holds them.
    points: BTreeMap<(Arc<str>, Region, &'static str), u64>,
    /// What is waited for, and what a limit withholds.
    queues: BTreeMap<(Arc<str>, Region), Queues>,
    /// None is the list of the regions itself.
    gaps: BTreeMap<Option<Region>, u64>,
    notes: [(&'static str, u64); 3],
    /// When the next slot of each policy is, where that is known.
    next_slots: BTreeMap<(Arc<str>, Region), DateTime<Utc>>,
    ended_at: DateTime<Utc>,
    took: Duration,
    exit_code: ExitCode,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sources {
    in_state: [u64; ProtectionState::NAMES.len()],
    oldest_newest: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Queues {
    n_waiting: u64,
    n_withheld: u64,
}

/// Of each gauge of queues: its name, what it says, and which number it is.
type QueueGauge = (&'static str, &'static str, fn(&Queues) -> u64);

const QUEUE_GAUGES: [QueueGauge; 2] = [
    ("snapkeep_waiting", "What is not decided or not complete yet.", |queues| queues.n_waiting),
    ("snapkeep_withheld", "Deletions that a limit forbids.", |queues| queues.n_withheld),
];

impl Gauges {
    /// Takes the numbers of a cycle.
    pub fn of(cycle: &Cycle<'_>) -> Self {
        let Cycle { plan, ended_at, took, exit_code, .. } = *cycle;
        let sources = sources(plan);
        let points = points(plan);
        let mut queues: BTreeMap<(Arc<str>, Region), Queues> = BTreeMap::new();
        let known = sources.keys().map(|(policy, region, _)| (policy, *region));
        let known = known.chain(points.keys().map(|(policy, region, _)| (policy, *region)));
        // A zero says more than nothing.
        queues.extend(
            known.map(|(policy, region)| ((Arc::clone(policy), region), Queues::default())),
        );
        for waiting in &plan.waiting {
            let place = (Arc::clone(&waiting.policy), waiting.region);
            queues.entry(place).or_default().n_waiting += 1;
        }
        for withheld in &plan.withheld {
            let place = (Arc::clone(&withheld.action.policy), withheld.action.region);
            queues.entry(place).or_default().n_withheld += 1;
        }
        let mut gaps: BTreeMap<Option<Region>, u64> = BTreeMap::new();
        gaps.extend(queues.keys().map(|(_, region)| (Some(*region), 0)));
        for gap in &plan.gaps {
            *gaps.entry(gap.region).or_default() += 1;
        }
        let n_notes =
            |severity| plan.notes.iter().filter(|n| n.severity == severity).count() as u64;
        let notes = [
            ("info", n_notes(Severity::Info)),
            ("warning", n_notes(Severity::Warning)),
            ("fatal", n_notes(Severity::Fatal)),
        ];
        let account = plan.account_name.clone();
        let next_slots = BTreeMap::new();
        Self {
            account,
            sources,
            points,
            queues,
            gaps,
            notes,
            next_slots,
            ended_at,
            took,
            exit_code,
        }
    }

    /// Takes in when the next slots of policies are, each in one region.
    #[must_use]
    pub fn with_next_slots(
        mut self,
        slots: impl IntoIterator<Item = (Arc<str>, Region, DateTime<Utc>)>,
    ) -> Self {
        let slots = slots.into_iter().map(|(policy, region, at)| ((policy, region), at));
        self.next_slots.extend(slots);
        self
    }

    /// Renders those of all accounts; each family stands once.
    pub(super) fn render(all: &[Self], out: &mut Exposition) {
        Self::render_sources(all, out);
        let help = "Recovery points that stay, by what holds them; some are held by several.";
        out.family("snapkeep_points", "gauge", help);
        for of in all {
            for ((policy, region, tier), n) in &of.points {
                let place = [of.label(), ("policy", policy), ("region", region.as_str())];
                out.sample(&[&place[..], &[("tier", tier)]].concat(), n);
            }
        }
        for (name, help, number) in QUEUE_GAUGES {
            out.family(name, "gauge", help);
            for of in all {
                for ((policy, region), queues) in &of.queues {
                    let place = [of.label(), ("policy", policy), ("region", region.as_str())];
                    out.sample(&place, number(queues));
                }
            }
        }
        let help = "Listings that could not be read; without a region, that of the regions.";
        out.family("snapkeep_gaps", "gauge", help);
        for of in all {
            for (region, n) in &of.gaps {
                let region = region.as_ref().map_or("", Region::as_str);
                out.sample(&[of.label(), ("region", region)], n);
            }
        }
        out.family("snapkeep_notes", "gauge", "What the plan tells besides.");
        for of in all {
            for (severity, n) in of.notes {
                out.sample(&[of.label(), ("severity", severity)], n);
            }
        }
        let name = "snapkeep_next_slot_timestamp_seconds";
        out.family(name, "gauge", "When the next recovery point is due.");
        for of in all {
            for ((policy, region), at) in &of.next_slots {
                let place = [of.label(), ("policy", policy), ("region", region.as_str())];
                out.sample(&place, at.timestamp());
            }
        }
        Self::render_cycles(all, out);
    }

    fn render_cycles(all: &[Self], out: &mut Exposition) {
        let name = "snapkeep_last_cycle_timestamp_seconds";
        out.family(name, "gauge", "When the last cycle ended.");
        for of in all {
            out.sample(&[of.label()], of.ended_at.timestamp());
        }
        let name = "snapkeep_last_cycle_duration_seconds";
        out.family(name, "gauge", "How long the last cycle took.");
        for of in all {
            out.sample(&[of.label()], of.took.as_secs_f64());
        }
        let help = "What a run would have exited with after the last cycle.";
        out.family("snapkeep_last_cycle_exit_code", "gauge", help);
        for of in all {
            out.sample(&[of.label()], of.exit_code.number());
        }
    }

    fn render_sources(all: &[Self], out: &mut Exposition) {
        let name = "snapkeep_newest_point_timestamp_seconds";
        let help = "When the newest complete point was made, of the source where that is longest \
                    ago; of copies, the time of what they are copies of.";
        out.family(name, "gauge", help);
        for of in all {
            for (place, sources) in &of.sources {
                if let Some(newest) = sources.oldest_newest {
                    out.sample(&of.labels(place), newest.timestamp());
                }
            }
        }
        let help = "Sources by whether they have what is asked of them; with copy_from, whether \
                    their copies there are.";
        out.family("snapkeep_sources", "gauge", help);
        for of in all {
            for (place, sources) in &of.sources {
                for (state, n) in ProtectionState::NAMES.iter().zip(sources.in_state) {
                    out.sample(&[&of.labels(place)[..], &[("state", state)]].concat(), n);
                }
            }
        }
    }

    fn label(&self) -> (&str, &str) {
        ("account", self.account.as_deref().unwrap_or_default())
    }

    fn labels<'l>(&'l self, (policy, region, from): &'l Place) -> [(&'l str, &'l str); 4] {
        let from = from.as_ref().map_or("", Region::as_str);
        [self.label(), ("policy", policy), ("region", region.as_str()), ("copy_from", from)]
    }
}

fn sources(plan: &Plan) -> BTreeMap<Place, Sources> {
    let mut all: BTreeMap<Place, Sources> = BTreeMap::new();
    for protection in &plan.protection {
        let place = (Arc::clone(&protection.policy), protection.region, protection.copy_from);
        let sources = all.entry(place).or_default();
        let state = protection.state.name();
        for (name, n) in ProtectionState::NAMES.iter().zip(&mut sources.in_state) {
            *n += u64::from(*name == state);
        }
        sources.oldest_newest =
            [sources.oldest_newest, protection.newest].into_iter().flatten().min();
    }
    all
}

fn points(plan: &Plan) -> BTreeMap<(Arc<str>, Region, &'static str), u64> {
    let mut all: BTreeMap<(Arc<str>, Region, &'static str), u64> = BTreeMap::new();
    // The members of a point stand together.
    let same = |a: &Keep, b: &Keep| {
        (a.region, &a.policy, a.source, a.point_time)
            == (b.region, &b.policy, b.source, b.point_time)
    };
    for point in plan.keeps.chunk_by(same) {
        let holds = point.iter().filter_map(|keep| match keep.reason {
            KeepReason::Held(holds) => Some(holds),
            KeepReason::Vetoed(_) | KeepReason::Failed => None,
        });
        let first = &point[0];
        for hold in holds.take(1).flat_map(Holds::iter) {
            let place = (Arc::clone(&first.policy), first.region, word(hold));
            *all.entry(place).or_default() += 1;
        }
    }
    all
}

/// Returns what holds a point, as a word that stands in a label.
fn word(hold: Hold) -> &'static str {
    match hold {
        Hold::Tier(tier) => tier.name(),
        Hold::Last => "keep_last",
        Hold::Forever => "forever",
        Hold::NewestIncomplete => "newest_incomplete",
        Hold::Future => "future",
    }
}
