//! What the same scrapes take over the wire as zstats, as remote write 1.0 and as remote write 2.0.
//!
//! ```sh
//! cargo run --release --features testing --example zstats_bandwidth -- [TARGETS] [SCRAPES]
//! ```
//!
//! The pages are made up after those of a node exporter: the same metrics, as many series, and as many of them
//! changing. zstats sends one request for each round of scrapes, as its collector does; remote write sends 2,000
//! samples a request, Prometheus's default, with metadata in 2.0 (where it belongs to each series) and without in 1.0
//! (where it is sent apart, once a minute). Nothing else of either protocol is counted, as headers.

use std::error::Error;
use std::sync::Arc;

use treering::formats::zstats::{Blob, Request, Scrape, ScrapedSeries, encode_request, gzip};
use treering::model::{Labels, Metadata, MetricKind};
use treering::testing::{Random, SentSeries, write_1, write_2};

/// Time between two scrapes.
const INTERVAL_MS: i64 = 15_000;
const START_MS: i64 = 1_795_264_000_000;
/// Samples in a request of remote write.
const BATCH: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (targets, scrapes) = (number(10)?, number(240)?);
    let mut random = Random::new(7);
    let mut pages: Vec<Page> = (0..targets).map(|target| Page::new(target, &mut random)).collect();
    let series: usize = pages.iter().map(|page| page.scrape.series.len()).sum();
    let (mut changed, mut differences, mut full) = (0, Sum::default(), Sum::default());
    let (mut first, mut second) = (Sum::default(), Sum::default());
    for round in 0..scrapes {
        let before: Vec<Scrape> = pages.iter().map(|page| page.scrape.clone()).collect();
        if round > 0 {
            pages.iter_mut().for_each(|page| page.step(&mut random));
        }
        let names: Vec<String> = (0..targets).map(|target| format!("{}.node", instance(target))).collect();
        let mut blobs = Vec::new();
        for ((page, before), name) in pages.iter().zip(&before).zip(&names) {
            let blob = page.scrape.differences_since(before, name);
            changed += blob.as_ref().map_or(0, |blob| blob.samples.len());
            blobs.push(blob.unwrap_or_else(|| page.scrape.full_blob(name)));
        }
        differences.add(request(blobs));
        full.add(request(pages.iter().zip(&names).map(|(page, name)| page.scrape.full_blob(name)).collect()));
        let sent: Vec<SentSeries> = pages.iter().flat_map(|page| page.scrape.series.iter().map(sent)).collect();
        for batch in sent.chunks(BATCH) {
            first.add(snappy(&write_1(batch, &[]))?);
            second.add(snappy(&write_2(batch))?);
        }
    }
    let samples = (series * scrapes) as f64;
    let share = 100.0 * changed as f64 / (series * (scrapes - 1).max(1)) as f64;
    println!("{targets} targets, {series} series, {scrapes} scrapes of each, {share:.0} % of the values change.\n");
    println!("| sent as | requests | bytes | bytes a sample | to zstats |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let rows = [
        ("zstats: full once, then differences (gzip)", &differences),
        ("zstats: always full (gzip)", &full),
        ("remote write 2.0 (snappy)", &second),
        ("remote write 1.0 (snappy)", &first),
    ];
    for (name, sum) in rows {
        let (each, ratio) = (sum.bytes as f64 / samples, sum.bytes as f64 / differences.bytes as f64);
        println!("| {name} | {} | {} | {each:.2} | {ratio:.1} |", sum.requests, sum.bytes);
    }
    Ok(())
}

/// What was sent.
#[derive(Default)]
struct Sum {
    requests: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes;
    }
}

fn request(blobs: Vec<Blob<'_>>) -> usize {
    let instances = blobs.len() as i32;
    gzip(&encode_request(&Request { version: 1, token: "12345", instances, blobs })).len()
}

fn snappy(body: &[u8]) -> Result<usize, snap::Error> {
    snap::raw::Encoder::new().compress_vec(body).map(|body| body.len())
}

fn sent(series: &ScrapedSeries) -> SentSeries {
    let labels = series.labels.iter().map(|label| (&*label.name, &*label.value));
    let metadata = Metadata { kind: series.metric_kind(), help: series.help.as_ref().into(), ..Metadata::default() };
    SentSeries { metadata: Some(metadata), ..SentSeries::of_sample(labels, series.time_ms, series.value) }
}

fn instance(target: usize) -> String {
    format!("10.20.{}.{}:9100", target / 250, target % 250)
}

/// How a series goes on.
#[derive(Clone, Copy)]
enum Course {
    Constant,
    /// Up by so much at most, in hundredths or in whole numbers.
    Seconds(f64),
    Count(f64),
    /// Around a value, in whole pages of 4 KiB, or in thousandths.
    Pages(f64),
    Gauge(f64),
}

/// The page of one target.
struct Page {
    scrape: Scrape,
    courses: Vec<Course>,
}

impl Page {
    fn new(target: usize, random: &mut Random) -> Page {
        let mut page =
            Page { scrape: Scrape { generation: 1, time_ms: START_MS, ..Scrape::default() }, courses: Vec::new() };
        page.scrape.target_labels = vec!["instance".into(), "job".into()];
        let instance = instance(target);
        for family in FAMILIES {
            let values: Vec<String> = (0..family.count)
                .map(|number| family.values.get(number).map_or(number.to_string(), |value| (*value).to_owned()))
                .collect();
            let modes = if family.modes.is_empty() { &[("", family.course)][..] } else { family.modes };
            for value in &values {
                for (mode, course) in modes {
                    let pairs = [("__name__", family.name), (family.label, value), ("mode", mode)];
                    let own = pairs.into_iter().filter(|(name, value)| !name.is_empty() && !value.is_empty());
                    let labels = own.chain([("instance", instance.as_str()), ("job", "node")]);
                    page.courses.push(*course);
                    page.scrape.series.push(ScrapedSeries {
                        labels: Labels::from_pairs(labels),
                        kind: Arc::from(family.kind.name()),
                        help: Arc::from(family.help),
                        time_ms: START_MS,
                        value: match course {
                            Course::Constant => 0.0,
                            Course::Seconds(most) => (random.unit() * most * 1e7).floor() / 100.0,
                            Course::Count(most) => (random.unit() * most * 1e5).floor(),
                            Course::Pages(around) | Course::Gauge(around) => *around,
                        },
                    });
                }
            }
        }
        page
    }

    /// The next scrape.
    fn step(&mut self, random: &mut Random) {
        self.scrape.generation += 1;
        self.scrape.time_ms += INTERVAL_MS;
        for (series, course) in self.scrape.series.iter_mut().zip(&self.courses) {
            series.time_ms = self.scrape.time_ms;
            series.value = match course {
                Course::Constant => series.value,
                Course::Seconds(most) => ((series.value + random.unit() * most) * 100.0).round() / 100.0,
                Course::Count(most) => (series.value + random.unit() * most).floor(),
                Course::Pages(around) => (around / 4096.0 * (0.9 + 0.2 * random.unit())).floor() * 4096.0,
                Course::Gauge(around) => (around * (0.9 + 0.2 * random.unit()) * 1000.0).round() / 1000.0,
            };
        }
    }
}

/// A metric with all its series.
struct Family {
    name: &'static str,
    kind: MetricKind,
    help: &'static str,
    /// The label that tells its series apart, its values (numbers beyond them), and how many there are.
    label: &'static str,
    values: &'static [&'static str],
    count: usize,
    course: Course,
    /// In place of the course, one for each value of the label `mode`.
    modes: &'static [(&'static str, Course)],
}

const fn family(name: &'static str, kind: MetricKind, help: &'static str, course: Course) -> Family {
    Family { name, kind, help, label: "", values: &[""], count: 1, course, modes: &[] }
}

const fn each(label: &'static str, values: &'static [&'static str], count: usize, family: Family) -> Family {
    Family { label, values, count, ..family }
}

use Course::{Constant, Count, Gauge, Pages, Seconds};
use MetricKind::{Counter, Gauge as GaugeKind};

const CPUS: usize = 32;
const DISKS: &[&str] = &["nvme0n1", "nvme1n1", "sda", "dm-0"];
const DEVICES: &[&str] = &["eth0", "eth1", "ib0", "lo", "docker0"];
const MOUNTS: &[&str] = &["/", "/boot", "/home", "/var", "/scratch", "/run/user/0"];
const MODES: &[(&str, Course)] = &[
    ("idle", Seconds(15.0)),
    ("iowait", Seconds(0.2)),
    ("irq", Constant),
    ("nice", Constant),
    ("softirq", Seconds(0.1)),
    ("steal", Constant),
    ("system", Seconds(1.0)),
    ("user", Seconds(10.0)),
];

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    Family { modes: MODES, ..each("cpu", &[], CPUS, family("node_cpu_seconds_total", Counter, "Seconds the CPUs spent in each mode.", Constant)) },
    Family { modes: &[("nice", Constant), ("user", Constant)], ..each("cpu", &[], CPUS, family("node_cpu_guest_seconds_total", Counter, "Seconds the CPUs spent in guests (VMs) for each mode.", Constant)) },
    each("cpu", &[], CPUS, family("node_cpu_scaling_frequency_hertz", GaugeKind, "Current scaled CPU thread frequency in hertz.", Pages(2.6e9))),
    each("cpu", &[], CPUS, family("node_cpu_scaling_frequency_max_hertz", GaugeKind, "Maximum scaled CPU thread frequency in hertz.", Constant)),
    each("cpu", &[], CPUS, family("node_cpu_scaling_frequency_min_hertz", GaugeKind, "Minimum scaled CPU thread frequency in hertz.", Constant)),
    each("cpu", &[], CPUS, family("node_schedstat_running_seconds_total", Counter, "Number of seconds CPU spent running a process.", Gauge(1e5))),
    each("cpu", &[], CPUS, family("node_schedstat_waiting_seconds_total", Counter, "Number of seconds spent by processing waiting for this CPU.", Gauge(1e3))),
    each("cpu", &[], CPUS, family("node_schedstat_timeslices_total", Counter, "Number of timeslices executed by CPU.", Count(1e4))),
    each("cpu", &[], CPUS, family("node_softnet_processed_total", Counter, "Number of processed packets", Count(1e3))),
    each("cpu", &[], CPUS, family("node_softnet_dropped_total", Counter, "Number of dropped packets", Constant)),
    each("cpu", &[], CPUS, family("node_softnet_times_squeezed_total", Counter, "Number of times processing packets ran out of quota", Constant)),
    each("device", DISKS, 4, family("node_disk_read_bytes_total", Counter, "The total number of bytes read successfully.", Pages(1e10))),
    each("device", DISKS, 4, family("node_disk_written_bytes_total", Counter, "The total number of bytes written successfully.", Pages(1e11))),
    each("device", DISKS, 4, family("node_disk_reads_completed_total", Counter, "The total number of reads completed successfully.", Count(100.0))),
    each("device", DISKS, 4, family("node_disk_writes_completed_total", Counter, "The total number of writes completed successfully.", Count(500.0))),
    each("device", DISKS, 4, family("node_disk_io_time_seconds_total", Counter, "Total seconds spent doing I/Os.", Seconds(2.0))),
    each("device", DISKS, 4, family("node_disk_io_now", GaugeKind, "The number of I/Os currently in progress.", Constant)),
    each("device", DISKS, 4, family("node_disk_discards_completed_total", Counter, "The total number of discards completed successfully.", Constant)),
    each("device", DISKS, 4, family("node_disk_info", GaugeKind, "Info of /sys/block/<block_device>.", Constant)),
    each("device", DEVICES, 5, family("node_network_receive_bytes_total", Counter, "Network device statistic receive_bytes.", Count(1e7))),
    each("device", DEVICES, 5, family("node_network_transmit_bytes_total", Counter, "Network device statistic transmit_bytes.", Count(1e7))),
    each("device", DEVICES, 5, family("node_network_receive_packets_total", Counter, "Network device statistic receive_packets.", Count(1e4))),
    each("device", DEVICES, 5, family("node_network_transmit_packets_total", Counter, "Network device statistic transmit_packets.", Count(1e4))),
    each("device", DEVICES, 5, family("node_network_receive_errs_total", Counter, "Network device statistic receive_errs.", Constant)),
    each("device", DEVICES, 5, family("node_network_transmit_errs_total", Counter, "Network device statistic transmit_errs.", Constant)),
    each("device", DEVICES, 5, family("node_network_receive_drop_total", Counter, "Network device statistic receive_drop.", Constant)),
    each("device", DEVICES, 5, family("node_network_transmit_drop_total", Counter, "Network device statistic transmit_drop.", Constant)),
    each("device", DEVICES, 5, family("node_network_mtu_bytes", GaugeKind, "Network device property: mtu_bytes", Constant)),
    each("device", DEVICES, 5, family("node_network_speed_bytes", GaugeKind, "Network device property: speed_bytes", Constant)),
    each("device", DEVICES, 5, family("node_network_up", GaugeKind, "Value is 1 if operstate is 'up', 0 otherwise.", Constant)),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_avail_bytes", GaugeKind, "Filesystem space available to non-root users in bytes.", Pages(1e11))),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_free_bytes", GaugeKind, "Filesystem free space in bytes.", Pages(1e11))),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_size_bytes", GaugeKind, "Filesystem size in bytes.", Constant)),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_files", GaugeKind, "Filesystem total file nodes.", Constant)),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_files_free", GaugeKind, "Filesystem total free file nodes.", Constant)),
    each("mountpoint", MOUNTS, 6, family("node_filesystem_readonly", GaugeKind, "Filesystem read-only status.", Constant)),
    each("field", &[], 30, family("node_memory_changing_bytes", GaugeKind, "Memory information field.", Pages(1e10))),
    each("field", &[], 18, family("node_memory_constant_bytes", GaugeKind, "Memory information field.", Constant)),
    each("field", &[], 20, family("node_netstat_counting", GaugeKind, "Statistic of the network stack.", Count(1e3))),
    each("field", &[], 25, family("node_netstat_constant", GaugeKind, "Statistic of the network stack.", Constant)),
    each("sensor", &[], 40, family("node_hwmon_temp_celsius", GaugeKind, "Hardware monitor for temperature (input)", Gauge(55.0))),
    each("sensor", &[], 40, family("node_hwmon_temp_max_celsius", GaugeKind, "Hardware monitor for temperature (max)", Constant)),
    each("sensor", &[], 40, family("node_hwmon_temp_crit_celsius", GaugeKind, "Hardware monitor for temperature (crit)", Constant)),
    each("collector", &[], 40, family("node_scrape_collector_duration_seconds", GaugeKind, "node_exporter: Duration of a collector scrape.", Gauge(0.7))),
    each("collector", &[], 40, family("node_scrape_collector_success", GaugeKind, "node_exporter: Whether a collector succeeded.", Constant)),
    family("node_load1", GaugeKind, "1m load average.", Gauge(12.0)),
    family("node_load5", GaugeKind, "5m load average.", Gauge(12.0)),
    family("node_load15", GaugeKind, "15m load average.", Gauge(12.0)),
    family("node_context_switches_total", Counter, "Total number of context switches.", Count(1e5)),
    family("node_forks_total", Counter, "Total number of forks.", Count(100.0)),
    family("node_intr_total", Counter, "Total number of interrupts serviced.", Count(1e5)),
    family("node_procs_running", GaugeKind, "Number of processes in runnable state.", Constant),
    family("node_boot_time_seconds", GaugeKind, "Node boot time, in unixtime.", Constant),
    family("node_time_seconds", GaugeKind, "System time in seconds since epoch (1970).", Seconds(15.0)),
    each("field", &[], 30, family("go_memstats_field", GaugeKind, "Statistic of the runtime.", Pages(1e7))),
];
