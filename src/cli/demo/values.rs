//! The value of a metric at a component and a time.
//!
//! Invariant: a pure function of its arguments, finite, never negative, with no more digits than the signal has.

use super::catalogue::{Driver, Form, Signal, signal_of};
use super::jobs::{Activity, Moved};
use super::noise::{below, rough, seed_of, smooth};

/// What all metrics of a host have in common at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The host's seed.
    pub seed: u64,
    /// Seconds since 1970.
    pub secs: i64,
    /// What runs on the host.
    pub activity: Activity,
    /// What its counters have counted.
    pub moved: Moved,
}

/// The value at the component of that number.
pub(super) fn value(signal: &Signal, metric_seed: u64, component: usize, moment: &Moment) -> f64 {
    let seed = below(moment.seed ^ metric_seed, component as i64);
    let exact = match (signal.form, signal.driver) {
        (Form::Counter, driver) => counted(signal, driver, component, moment),
        (_, Driver::Idle) => {
            let share = |metric: &str| value(&signal_of(metric), seed_of(metric), component, moment);
            100.0 - share("cpu_user") - share("cpu_system") - share("cpu_iowait")
        }
        (_, Driver::Filling) => signal.idle + (signal.full - signal.idle) * moment.moved.uptime_secs / WEEK_SECS,
        (_, driver) => {
            let level = signal.idle + (signal.full - signal.idle) * driven(signal, driver, component, moment);
            let wander = 0.7 * smooth(seed, moment.secs, 180) + 0.3 * rough(seed, moment.secs);
            let most = if signal.full == 100.0 { 100.0 } else { f64::INFINITY };
            (level * (1.0 + signal.noise * wander)).min(most)
        }
    };
    let scale = f64::from(10u32.pow(u32::from(signal.decimals)));
    // Zero has no sign: `-0` would look odd.
    (exact * scale).round().max(0.0) / scale + 0.0
}

/// How hard a component works for what the metric follows, from 0 to 1.
fn driven(signal: &Signal, driver: Driver, component: usize, moment: &Moment) -> f64 {
    let job = &moment.activity.intensity;
    let (from, to) = signal.place.span(component);
    let used = ((job.threads - from) / (to - from)).clamp(0.0, 1.0);
    let share = match driver {
        Driver::User => job.user * used,
        Driver::System => (0.1 * job.user + 0.6 * job.files + 0.2 * job.network).min(1.0) * used,
        Driver::Wait => job.wait * used,
        Driver::Flops => job.flops * used,
        Driver::Vector => job.vector * used,
        Driver::Bandwidth => job.bandwidth * used,
        Driver::Memory => job.memory,
        Driver::Accelerator => job.accelerator,
        Driver::Network => job.network,
        Driver::Files => job.files,
        Driver::Power => (0.6 * job.user * used + 0.4 * job.flops * used).max(0.7 * job.accelerator),
        Driver::Idle | Driver::Filling => 0.0,
    };
    share * moment.activity.load
}

/// What a counter has counted since the boot.
fn counted(signal: &Signal, driver: Driver, component: usize, moment: &Moment) -> f64 {
    let moved_secs = match driver {
        Driver::Network => moment.moved.network_secs,
        _ => moment.moved.files_secs,
    };
    // The second device is the spare one.
    let part = if component == 0 { 1.0 } else { 0.01 };
    part * (signal.idle * moment.moved.uptime_secs + signal.full * moved_secs)
}

const WEEK_SECS: f64 = 7.0 * 86_400.0;
