//! One call: on its way, carried out, and on its way back, with everything that may befall it.

use chrono::TimeDelta;

use crate::cloud::CloudError;
use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::create::Maker;
use crate::cloud::sandbox::fault::Fault;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::state::{RegionState, Regions, State};
use crate::cloud::sandbox::throttle::Bucket;
use crate::domain::ids::InstanceId;
use crate::domain::inventory::InstanceState;
use crate::domain::region::Region;

/// What a call is carried out on.
pub(super) struct Effect<'a> {
    /// All regions: a copy reads another one than it writes.
    pub(super) regions: &'a mut Regions,
    pub(super) settings: &'a Settings,
    pub(super) maker: Maker<'a>,
}

impl<'a> Effect<'a> {
    /// Returns the region that the call went to.
    pub(super) fn region(&mut self) -> &mut RegionState {
        self.regions.entry(self.maker.here).or_default()
    }

    /// Returns that region and what a creating call needs beside it.
    pub(super) fn making(&mut self) -> (&mut RegionState, &mut Maker<'a>) {
        (self.regions.entry(self.maker.here).or_default(), &mut self.maker)
    }

    /// Returns that region and how listings of it behave.
    pub(super) fn listing(&mut self) -> (&RegionState, &Settings) {
        (self.regions.entry(self.maker.here).or_default(), self.settings)
    }
}

impl Sandbox {
    /// Carries out one call: on its way, arrived, done, and on its way back.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        region: &Region,
        resource: String,
        effect: impl FnOnce(Effect<'_>) -> Result<T, Refusal> + Send,
    ) -> Result<T, CloudError> {
        let half = self.lock().settings.latency / 2;
        self.wait(half).await;
        let fault = self.arrive(operation, region, &resource);
        if let Some(Fault::Slow(delay)) = fault {
            self.wait(delay).await;
        }
        let res = self.carry_out(operation, region, fault.as_ref(), &resource, effect);
        if let Some(Fault::TimedOut { after, .. }) = fault {
            self.wait(after).await;
        }
        self.wait(half).await;
        res.map_err(|refusal| refusal.into_error(operation, region))
    }

    /// Answers a call that is asked for with DryRun: nothing changes, and no fault is used up.
    pub(super) async fn try_call(
        &self,
        operation: &'static str,
        region: &Region,
        resource: &str,
    ) -> Result<(), CloudError> {
        let latency = self.lock().settings.latency;
        self.wait(latency).await;
        let state = self.lock();
        let refusal = if !state.regions.contains_key(region) {
            Refusal::no_such_region()
        } else if state.faults.denies(operation, region, resource) {
            Refusal::denied()
        } else {
            return Ok(());
        };
        Err(refusal.into_error(operation, region))
    }

    pub(super) async fn wait(&self, delay: TimeDelta) {
        if TimeDelta::zero() < delay {
            self.time.sleep_until(self.time.now() + delay).await;
        }
    }

    /// Counts the call and returns what will befall it.
    pub(super) fn arrive(
        &self,
        operation: &'static str,
        region: &Region,
        resource: &str,
    ) -> Option<Fault> {
        let now = self.time.now();
        let mut state = self.lock();
        *state.calls.entry((*region, operation)).or_default() += 1;
        let is_down = state.outages.iter().any(|outage| outage.covers(region, now));
        let fault = state
            .faults
            .meet(operation, region, resource)
            .or_else(|| if is_down { Some(Fault::Unavailable) } else { state.luck.draw() });
        if let Some(fault) = &fault {
            *state.faults_met.entry(fault.word()).or_default() += 1;
        }
        let is_throttling = state.settings.is_throttling;
        let region = state.regions.get_mut(region).filter(|_| is_throttling);
        let is_throttled = region.is_some_and(|region| {
            let bucket = region.buckets.entry(operation);
            !bucket.or_insert_with(|| Bucket::full(operation, now)).take(operation, now)
        });
        if is_throttled { Some(Fault::Throttled) } else { fault }
    }

    fn carry_out<T>(
        &self,
        operation: &'static str,
        region: &Region,
        fault: Option<&Fault>,
        resource: &str,
        effect: impl FnOnce(Effect<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if let Some(refusal) = fault.and_then(refused) {
            return Err(refusal);
        }
        let now = self.time.now();
        let state = &mut *self.lock();
        let State { regions, settings, ids, texts, account, journal, .. } = state;
        let here = *region;
        let region = regions.get_mut(&here).ok_or_else(Refusal::no_such_region)?;
        region.settle(now);
        journal.extend(region.entry(now, here, None));
        if fault == Some(&Fault::InstanceVanishes) {
            terminate(region, resource);
        }
        let maker = Maker {
            now,
            here,
            account: account.clone(),
            snapshot_ids: &mut ids.snapshots,
            image_ids: &mut ids.images,
            texts,
            visible_from: now + settings.invisible_for,
            is_failing: fault == Some(&Fault::SnapshotsFail),
        };
        let res = effect(Effect { regions, settings, maker });
        let changed = regions.get_mut(&here);
        journal.extend(changed.and_then(|region| region.entry(now, here, Some(operation))));
        match fault {
            Some(Fault::LostReply) => Err(internal()),
            Some(Fault::TimedOut { .. }) => Err(timed_out()),
            _ => res,
        }
    }
}

/// Returns the refusal that a fault is, if it lets nothing happen.
pub(super) fn refused(fault: &Fault) -> Option<Refusal> {
    match fault {
        Fault::Throttled => Some(Refusal::throttled()),
        Fault::Denied => Some(Refusal::denied()),
        Fault::ErrorBefore => Some(internal()),
        Fault::TimedOut { is_done: false, .. } => Some(timed_out()),
        Fault::Unavailable => {
            Some(Refusal::new("ServiceUnavailable", "The service is unavailable.").with_status(503))
        }
        Fault::Refused { code, message } => Some(Refusal::new(code, *message)),
        Fault::LostReply
        | Fault::TimedOut { is_done: true, .. }
        | Fault::Slow(_)
        | Fault::InstanceVanishes
        | Fault::SnapshotsFail => None,
    }
}

/// What EC2 answers when it does not know itself what happened.
pub(super) fn internal() -> Refusal {
    Refusal::new("InternalError", "An internal error has occurred").with_status(500)
}

/// What a caller makes of a reply that does not come.
fn timed_out() -> Refusal {
    Refusal::new("TimedOut", "no reply came in time").with_status(504)
}

fn terminate(region: &mut RegionState, instance_id: &str) {
    let id = instance_id.parse::<InstanceId>().ok();
    if let Some(instance) = id.and_then(|id| region.instances.get_mut(&id)) {
        instance.state = InstanceState::Terminated;
    }
}
