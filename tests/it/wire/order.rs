//! Calls in an order that is known beforehand, so that each can be told by its number although regions
//! are worked on side by side.
//!
//! Any order in which the calls of a run were once carried out can be had again: each is made once
//! those that it depends on are answered, and all of them came before it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use snapkeep::cloud::sandbox::query::Call;

use crate::support::ec2::{Fate, Moment};

/// How long a call may take to come. On a busy machine a process takes seconds to start.
const WITHIN: Duration = Duration::from_mins(1);

/// Lets calls through in order; holds one up.
#[derive(Clone)]
pub(super) struct Order {
    shared: Arc<Shared>,
}

struct Shared {
    /// The calls in order; none while it is found out.
    wanted: Option<Vec<String>>,
    held: Option<(usize, Moment)>,
    state: Mutex<State>,
    changed: Condvar,
    tell: Sender<()>,
}

#[derive(Default)]
struct State {
    names: Names,
    /// Which calls came, in order.
    came: Vec<String>,
    n_done: usize,
    /// Calls that were not foreseen, and those that never came.
    surprises: Vec<String>,
    is_over: bool,
}

impl Order {
    /// Finds out an order.
    pub(super) fn find() -> Self {
        Self::new(None, None).0
    }

    /// Lets calls through in this order, and holds up the one of this number: tells when it is held.
    pub(super) fn holding(wanted: Vec<String>, n: usize, moment: Moment) -> (Self, Receiver<()>) {
        Self::new(Some(wanted), Some((n, moment)))
    }

    fn new(wanted: Option<Vec<String>>, held: Option<(usize, Moment)>) -> (Self, Receiver<()>) {
        let (tell, told) = channel();
        let state = Mutex::default();
        let shared = Shared { wanted, held, state, changed: Condvar::new(), tell };
        (Self { shared: Arc::new(shared) }, told)
    }

    /// Returns the calls that came, in order.
    pub(super) fn came(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().came.clone()
    }

    /// Returns what did not go as foreseen.
    pub(super) fn surprises(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().surprises.clone()
    }

    /// Gives up all that is held or waits; what comes from now on goes on as it comes.
    pub(super) fn end(&self) {
        self.shared.state.lock().unwrap().is_over = true;
        self.shared.changed.notify_all();
    }

    /// Decides about a call.
    pub(super) fn direct(&self, call: &Call, moment: Moment) -> Fate {
        let Shared { wanted, held, state, changed, tell } = &*self.shared;
        let mut state = state.lock().unwrap();
        let (n, is_known) = match moment {
            // Only the one whose turn it is has been carried out.
            Moment::After => (state.n_done, true),
            Moment::Before => {
                if state.is_over {
                    return Fate::GoesOn;
                }
                let name = state.names.of(call);
                state.came.push(name.clone());
                let n = wanted.as_ref().map(|wanted| wanted.iter().position(|w| *w == name));
                if n == Some(None) {
                    state.surprises.push(format!("{name} was not foreseen"));
                }
                // While the order is found out, whoever comes has its turn.
                (n.flatten().unwrap_or(state.n_done), wanted.is_some() && n != Some(None))
            }
        };
        if moment == Moment::Before && is_known {
            while state.n_done != n && !state.is_over {
                let waited = changed.wait_timeout(state, WITHIN).unwrap();
                state = waited.0;
                if waited.1.timed_out() {
                    let missing = wanted.as_ref().map(|wanted| wanted[state.n_done].clone());
                    state.surprises.push(format!("{missing:?} never came"));
                    return Fate::Closed;
                }
            }
            if state.is_over {
                return Fate::Closed;
            }
        }
        if is_known && !state.is_over && *held == Some((n, moment)) {
            tell.send(()).unwrap();
            while !state.is_over {
                state = changed.wait(state).unwrap();
            }
            return Fate::Closed;
        }
        if moment == Moment::After {
            state.n_done += 1;
            changed.notify_all();
        }
        Fate::GoesOn
    }
}

/// Gives each call of a run a name of its own.
#[derive(Default)]
pub(super) struct Names {
    /// How often a call came.
    n_came: BTreeMap<String, usize>,
}

impl Names {
    /// Returns the name of the call that comes next.
    pub(super) fn of(&mut self, call: &Call) -> String {
        let name = format!("{} {}{}", call.region, call.operation, subject(call));
        let n = self.n_came.entry(name.clone()).or_default();
        *n += 1;
        if *n == 1 { name } else { format!("{name} ({n})") }
    }
}

/// Returns what a call is about.
fn subject(call: &Call) -> String {
    let of = ["SnapshotId", "ImageId", "SourceSnapshotId", "SourceImageId", "VolumeId"];
    let of = of.into_iter().chain(["InstanceId", "InstanceSpecification.InstanceId"]);
    let mut subjects = of.filter_map(|name| call.params.get(name));
    if let Some(subject) = subjects.next() {
        return format!(" {subject}");
    }
    let listed = |prefix: &str| call.params.keys().filter(|key| key.starts_with(prefix)).count();
    match (call.params.get("Filter.1.Name"), listed("Filter.1.Value."), listed("ImageId.")) {
        (Some(name), n, _) => format!(" {n} by {name}"),
        (None, _, 0) => String::new(),
        (None, _, n) => format!(" of {n}"),
    }
}
