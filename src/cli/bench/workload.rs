//! The simulated hosts: GPU nodes with 860 series each, whose values are of six kinds, by metric.
//!
//! Invariant: a pure function of host and tick: whoever asks again gets the same lines.

use std::io::Write;

/// A metric of a host.
struct Metric {
    name: &'static str,
    place: Place,
    kind: Kind,
    aggregation: &'static str,
}

/// Where a metric is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Node,
    Hwthread,
    Socket,
    Accelerator,
}

/// What the values of a metric look like.
#[derive(Clone, Copy)]
enum Kind {
    /// One small integer, always.
    Constant,
    /// An integer that changes now and then.
    Integer,
    /// A slow wave with noise, three decimals.
    ThreeDecimals,
    /// A slow wave with noise, two decimals.
    TwoDecimals,
    /// Zero for two series of three, a large double for the third.
    MostlyZero,
    /// As many digits as a double has.
    Double,
}

use Kind::{Constant, Double, Integer, MostlyZero, ThreeDecimals, TwoDecimals};

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Node => "node",
            Place::Hwthread => "hwthread",
            Place::Socket => "socket",
            Place::Accelerator => "accelerator",
        }
    }

    /// Components of a host.
    const fn count(self) -> usize {
        match self {
            Place::Node => 1,
            Place::Hwthread => HWTHREADS,
            Place::Socket => 2,
            Place::Accelerator => ACCELERATORS.len(),
        }
    }
}

/// The cluster of all simulated hosts.
pub(super) const CLUSTER: &str = "alex";
/// Seconds between two ticks, and every metric's frequency.
pub(super) const STEP_SECS: i64 = 60;
/// Hardware threads of a host.
pub(super) const HWTHREADS: usize = 128;
/// Lines of a host's tick.
pub(super) const LINES_OF_TICK: u64 = {
    let mut lines = 0;
    let mut at = 0;
    while at < METRICS.len() {
        lines += METRICS[at].place.count();
        at += 1;
    }
    lines as u64
};

/// 26 metrics of the node, 6 of each hardware thread, 5 of each socket, 7 of each accelerator.
const _: () = assert!(LINES_OF_TICK == 26 + 6 * 128 + 5 * 2 + 7 * 8);

const ACCELERATORS: [&str; 8] = [
    "00000000:07:00.0",
    "00000000:0B:00.0",
    "00000000:49:00.0",
    "00000000:4C:00.0",
    "00000000:88:00.0",
    "00000000:8B:00.0",
    "00000000:C8:00.0",
    "00000000:CB:00.0",
];

const METRICS: &[Metric] = &[
    node("cpu_load", Constant, "sum"),
    node("mem_used", Integer, "avg"),
    node("mem_cached", ThreeDecimals, "sum"),
    node("net_bytes_in", TwoDecimals, "avg"),
    node("net_bytes_out", MostlyZero, "sum"),
    node("net_pkts_in", Double, "avg"),
    node("net_pkts_out", Constant, "sum"),
    node("ib_recv", Integer, "avg"),
    node("ib_xmit", ThreeDecimals, "sum"),
    node("ib_recv_pkts", TwoDecimals, "avg"),
    node("ib_xmit_pkts", MostlyZero, "sum"),
    node("nfs4_read", Double, "avg"),
    node("nfs4_write", Constant, "sum"),
    node("nfs4_total", Integer, "avg"),
    node("lustre_open", ThreeDecimals, "sum"),
    node("lustre_close", TwoDecimals, "avg"),
    node("lustre_statfs", MostlyZero, "sum"),
    node("lustre_read_bytes", Double, "avg"),
    node("lustre_write_bytes", Constant, "sum"),
    node("disk_free", Integer, "avg"),
    node("part_max_used", ThreeDecimals, "sum"),
    node("proc_run", TwoDecimals, "avg"),
    node("proc_total", MostlyZero, "sum"),
    node("job_mem_used", Double, "avg"),
    node("job_max_mem_used", Constant, "sum"),
    node("ipmi_power", Integer, "avg"),
    of(Place::Hwthread, "cpu_user", TwoDecimals, "avg"),
    of(Place::Hwthread, "cpu_system", TwoDecimals, "avg"),
    of(Place::Hwthread, "clock", Double, "avg"),
    of(Place::Hwthread, "ipc", Double, "avg"),
    of(Place::Hwthread, "flops_any", MostlyZero, "sum"),
    of(Place::Hwthread, "core_power", ThreeDecimals, "sum"),
    of(Place::Socket, "mem_bw", Double, "sum"),
    of(Place::Socket, "mem_power", ThreeDecimals, "sum"),
    of(Place::Socket, "cpu_power", ThreeDecimals, "sum"),
    of(Place::Socket, "cpu_temp", Integer, "sum"),
    of(Place::Socket, "numa_mem_used", Integer, "sum"),
    of(Place::Accelerator, "acc_utilization", Integer, "avg"),
    of(Place::Accelerator, "acc_mem_used", Integer, "avg"),
    of(Place::Accelerator, "acc_power", ThreeDecimals, "avg"),
    of(Place::Accelerator, "acc_temp", Integer, "avg"),
    of(Place::Accelerator, "acc_clock", Integer, "avg"),
    of(Place::Accelerator, "acc_fan", Constant, "avg"),
    of(Place::Accelerator, "acc_mem_util", Integer, "avg"),
];

const fn node(name: &'static str, kind: Kind, aggregation: &'static str) -> Metric {
    of(Place::Node, name, kind, aggregation)
}

const fn of(place: Place, name: &'static str, kind: Kind, aggregation: &'static str) -> Metric {
    Metric { name, place, kind, aggregation }
}

/// The metrics as a config names them.
pub(super) fn metrics_of_config() -> serde_json::Map<String, serde_json::Value> {
    let entry = |metric: &Metric| {
        let value = serde_json::json!({"frequency": STEP_SECS, "aggregation": metric.aggregation});
        (metric.name.to_owned(), value)
    };
    METRICS.iter().map(entry).collect()
}

/// The name of a host.
pub(super) fn host_name(host: u32) -> String {
    format!("a{host:05}")
}

/// Appends the lines of a host's tick.
pub(super) fn append_tick(out: &mut Vec<u8>, host: u32, tick: u32, secs: i64) {
    let host_tags = format!(",cluster={CLUSTER},hostname={}", host_name(host));
    let mut chance = Chance(u64::from(host) << 32 | u64::from(tick));
    let mut digits = itoa::Buffer::new();
    let secs_text = itoa::Buffer::new().format(secs).to_owned();
    for (number, metric) in (0u64..).zip(METRICS) {
        for component in 0..metric.place.count() {
            for part in [metric.name, &host_tags, ",type=", metric.place.name()] {
                out.extend_from_slice(part.as_bytes());
            }
            if metric.place != Place::Node {
                out.extend_from_slice(b",type-id=");
                let address = ACCELERATORS.get(component).filter(|_| metric.place == Place::Accelerator);
                let id = address.map_or_else(|| digits.format(component), |address| *address);
                out.extend_from_slice(id.as_bytes());
            }
            out.extend_from_slice(b" value=");
            let series = u64::from(host) * 7919 + number * 131 + component as u64;
            metric.kind.append(out, series, f64::from(tick), &mut chance);
            out.push(b' ');
            out.extend_from_slice(secs_text.as_bytes());
            out.push(b'\n');
        }
    }
}

impl Kind {
    fn append(self, out: &mut Vec<u8>, series: u64, tick: f64, chance: &mut Chance) {
        let base = (series % 97) as f64 + 3.0;
        // Writing to a vector cannot fail.
        let _ = match self {
            Constant => write!(out, "{}", series % 5),
            Integer => write!(out, "{}", (4.0 * base + 3.0 * (tick / 50.0 + base).sin()) as i64),
            ThreeDecimals => write!(out, "{:.3}", base + 10.0 * (tick / 30.0).sin() + chance.next()),
            TwoDecimals => write!(out, "{:.2}", 50.0 * (tick / 100.0 + base).sin().abs() + 50.0 * chance.next()),
            MostlyZero if !series.is_multiple_of(3) => write!(out, "0"),
            // As collectors print it that take the shortest form with an exponent.
            MostlyZero => {
                let text = format!("{:e}", base * 1e9 * (1.0 + 0.1 * chance.next()));
                write!(out, "{}", text.replacen('e', "e+", 1))
            }
            Double => write!(out, "{}", base * (1.0 + 0.2 * chance.next())),
        };
    }
}

/// A deterministic stream of numbers in `[0, 1)` (SplitMix64; Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ (word >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
