//! The metrics that the simulator knows: where each is measured and what it follows.
//!
//! Invariant: every configured metric gets a signal; a name that isn't listed is measured at the host and follows the
//! load, so that nothing of the config stays empty.

use super::topology::Place;

/// What a metric follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// Time in user mode.
    User,
    /// Time in the kernel: a bit with every load, more with files.
    System,
    /// Time waiting for files.
    Wait,
    /// What the three before leave of a hundred.
    Idle,
    /// Floating-point operations, all or one kind.
    Flops,
    /// The share of vectorised operations.
    Vector,
    /// Memory bandwidth.
    Bandwidth,
    /// Memory.
    Memory,
    /// Accelerators.
    Accelerator,
    /// The network.
    Network,
    /// Files.
    Files,
    /// All of it, as a power meter sees it.
    Power,
    /// Falls slowly, whatever happens.
    Filling,
}

/// How the values come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What is measured now.
    Gauge,
    /// What was counted since the boot.
    Counter,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signal {
    /// Where it is measured.
    pub place: Place,
    /// What it follows.
    pub driver: Driver,
    /// How its values come.
    pub form: Form,
    /// Its value, or the counter's rate a second, on an idle host.
    pub idle: f64,
    /// The same at full load.
    pub full: f64,
    /// How far it wanders, relative to its value.
    pub noise: f64,
    /// Digits behind the point.
    pub decimals: u8,
}

/// The signal of a metric.
pub(super) fn signal_of(metric: &str) -> Signal {
    let listed = CATALOGUE.iter().find(|(names, _)| names.contains(&metric));
    listed.map_or(OTHER, |(_, signal)| *signal)
}

const fn gauge(place: Place, driver: Driver, idle: f64, full: f64, noise: f64, decimals: u8) -> Signal {
    Signal { place, driver, form: Form::Gauge, idle, full, noise, decimals }
}

const fn counter(place: Place, driver: Driver, idle: f64, full: f64) -> Signal {
    Signal { place, driver, form: Form::Counter, idle, full, noise: 0.0, decimals: 0 }
}

const OTHER: Signal = gauge(Place::Node, Driver::Power, 10.0, 100.0, 0.05, 2);

/// Names of one kind and their signal. Units are those of cc-metric-collector and of ClusterCockpit's examples.
const CATALOGUE: &[(&[&str], Signal)] = &[
    (&["cpu_load", "load_one", "load_five"], gauge(Place::Node, Driver::User, 0.05, 16.0, 0.03, 2)),
    (&["cpu_user"], gauge(Place::Hwthread, Driver::User, 0.3, 98.0, 0.02, 2)),
    (&["cpu_system"], gauge(Place::Hwthread, Driver::System, 0.2, 12.0, 0.2, 2)),
    (&["cpu_iowait"], gauge(Place::Hwthread, Driver::Wait, 0.0, 60.0, 0.3, 2)),
    (&["cpu_idle"], gauge(Place::Hwthread, Driver::Idle, 0.0, 0.0, 0.0, 2)),
    // GB.
    (&["mem_used"], gauge(Place::Node, Driver::Memory, 6.5, 240.0, 0.01, 2)),
    (&["mem_cached"], gauge(Place::Node, Driver::Files, 4.0, 40.0, 0.02, 2)),
    // GB/s.
    (&["mem_bw"], gauge(Place::MemoryDomain, Driver::Bandwidth, 0.1, 48.0, 0.04, 2)),
    // GFlop/s.
    (&["flops_any", "flops_dp"], gauge(Place::Hwthread, Driver::Flops, 0.0, 36.0, 0.05, 2)),
    (&["flops_sp"], gauge(Place::Hwthread, Driver::Flops, 0.0, 4.0, 0.1, 2)),
    (&["vectorization_ratio"], gauge(Place::Hwthread, Driver::Vector, 0.0, 100.0, 0.03, 2)),
    (&["ipc"], gauge(Place::Hwthread, Driver::Flops, 0.6, 3.0, 0.05, 3)),
    // MHz.
    (&["clock"], gauge(Place::Hwthread, Driver::User, 1200.0, 2600.0, 0.01, 0)),
    // W.
    (&["core_power"], gauge(Place::Core, Driver::Power, 0.6, 9.5, 0.04, 2)),
    (&["cpu_power", "rapl_power"], gauge(Place::Socket, Driver::Power, 38.0, 205.0, 0.03, 1)),
    (&["mem_power"], gauge(Place::Socket, Driver::Bandwidth, 6.0, 26.0, 0.03, 1)),
    (&["node_power"], gauge(Place::Node, Driver::Power, 190.0, 760.0, 0.02, 0)),
    // °C.
    (&["temp_core"], gauge(Place::Core, Driver::Power, 34.0, 82.0, 0.02, 0)),
    (&["net_bytes_in", "net_bytes_out"], counter(Place::Network, Driver::Network, 2_400.0, 110e6)),
    (&["net_pkts_in", "net_pkts_out"], counter(Place::Network, Driver::Network, 18.0, 76e3)),
    (&["ib_recv", "ib_xmit"], counter(Place::Node, Driver::Network, 300.0, 9.2e9)),
    (&["ib_recv_pkts", "ib_xmit_pkts"], counter(Place::Node, Driver::Network, 3.0, 2.4e6)),
    // GB.
    (&["disk_free"], gauge(Place::Node, Driver::Filling, 240.0, 180.0, 0.0, 0)),
    // MB/s.
    (&["file_bw"], gauge(Place::Node, Driver::Files, 0.0, 1_400.0, 0.15, 2)),
    (&["nfs4_read", "nfs4_write"], counter(Place::Node, Driver::Files, 0.2, 40.0)),
    (&["lustre_open", "lustre_close"], counter(Place::Node, Driver::Files, 0.0, 25.0)),
    (&["lustre_statfs"], counter(Place::Node, Driver::Files, 0.1, 3.0)),
    (&["lustre_read_bytes", "lustre_write_bytes"], counter(Place::Node, Driver::Files, 0.0, 1.1e9)),
    (&["acc_utilization"], gauge(Place::Accelerator, Driver::Accelerator, 0.0, 100.0, 0.04, 0)),
    // GB.
    (&["acc_mem_used"], gauge(Place::Accelerator, Driver::Accelerator, 0.5, 74.0, 0.005, 2)),
    // W.
    (&["acc_power"], gauge(Place::Accelerator, Driver::Accelerator, 62.0, 410.0, 0.05, 1)),
    // °C.
    (&["acc_temp"], gauge(Place::Accelerator, Driver::Accelerator, 33.0, 74.0, 0.02, 0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_once() {
        let mut names: Vec<&str> = CATALOGUE.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn an_unknown_metric_has_a_signal() {
        assert_eq!(signal_of("made_up"), OTHER);
    }
}
