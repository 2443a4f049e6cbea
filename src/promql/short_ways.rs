//! The fast ways of the evaluator against plain ones, on random series: answers have to be the same to the bit.

use std::collections::BTreeMap;

use crate::model::{Labels, Matcher};

use super::annotations::Annotations;
use super::ast::{FunctionId, RangeMode};
use super::column::Column;
use super::parse::{ParseOptions, parse_expr};
use super::samples::Track;
use super::slide::{self, Bounds};
use super::window::{Context, Function, Window};
use super::{
    Cursor, Hints, Interrupt, Options, QueryError, Samples, Selection, Series, Source, SourceError, Stop, Times,
    Unlimited, Value, evaluate, over_time, rate,
};

/// Numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// Mostly plain values; in some series what floats can be else.
    fn value(&mut self, wild: bool) -> f64 {
        let plain = self.below(100_000) as f64 / 7.0;
        match (wild, self.below(12)) {
            (true, 0) => f64::NAN,
            (true, 1) => f64::INFINITY,
            (true, 2) => f64::NEG_INFINITY,
            (true, 3) => f64::MAX,
            (true, 4) => -f64::MAX,
            (true, 5) => -0.0,
            (true, 6) => plain * 1e-300,
            _ => plain,
        }
    }
}

/// A series at more or less regular times.
fn times_and_values(chance: &mut Chance) -> (Vec<i64>, Vec<f64>) {
    let wild = chance.below(3) == 0;
    let regular = chance.below(2) == 0;
    let gaps = chance.below(3) == 0;
    let (mut time, mut times, mut values) = (chance.below(5) as i64 * 1000, Vec::new(), Vec::new());
    for _ in 0..chance.below(300) {
        if !gaps || chance.below(4) != 0 {
            times.push(time);
            values.push(chance.value(wild));
        }
        time += if regular { 1000 } else { 1 + chance.below(2500) as i64 };
    }
    (times, values)
}

fn bits(column: &Column) -> Vec<Option<u64>> {
    // All NaNs are one: how a NaN came about says nothing.
    let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    (0..column.steps()).map(|step| column.float(step).map(bits)).collect()
}

#[test]
fn sliding_windows_are_windows() {
    let functions: [(FunctionId, Function); 13] = [
        (FunctionId::SumOverTime, over_time::sum),
        (FunctionId::AvgOverTime, over_time::avg),
        (FunctionId::StdvarOverTime, over_time::stdvar),
        (FunctionId::StddevOverTime, over_time::stddev),
        (FunctionId::MinOverTime, over_time::min),
        (FunctionId::MaxOverTime, over_time::max),
        (FunctionId::CountOverTime, over_time::count),
        (FunctionId::PresentOverTime, over_time::present),
        (FunctionId::FirstOverTime, over_time::first),
        (FunctionId::LastOverTime, over_time::last),
        (FunctionId::Rate, rate::rate),
        (FunctionId::Increase, rate::increase),
        (FunctionId::Delta, rate::delta),
    ];
    let notes = Annotations::default();
    for seed in 1..=150 {
        let mut chance = Chance(seed * 0x9E37_79B9);
        let (times, values) = times_and_values(&mut chance);
        let track = Track { times, values, starts: Vec::new() };
        let range_ms = [1000, 10_000, 25_500, 100][chance.below(4) as usize];
        let end_ms = chance.below(40_000) as i64 - 20_000;
        let step_ms = [1000, 1000, 3000, 700][chance.below(4) as usize];
        let bounds = Bounds { start_ms: end_ms - range_ms, end_ms, step_ms, count: 330 };
        for (id, function) in functions {
            let mut fast = Column::new(bounds.count);
            slide::floats(id, &track, bounds, range_ms as f64 / 1000.0, &|| false, &mut fast).unwrap();
            let mut plain = Column::new(bounds.count);
            let mut context = Context {
                notes: &notes,
                labels: &Labels::empty(),
                position: Default::default(),
                range_secs: range_ms as f64 / 1000.0,
                mode: RangeMode::Plain,
                params: [0.0; 2],
                values: Vec::new(),
            };
            for step in 0..bounds.count {
                let ahead = bounds.step_ms * step as i64;
                let (start_ms, end_ms) = (bounds.start_ms + ahead, bounds.end_ms + ahead);
                let from = track.times.iter().filter(|time| **time <= start_ms).count();
                let to = track.times.iter().filter(|time| **time <= end_ms).count();
                if from == to {
                    continue;
                }
                let histograms = Track::default();
                let window = Window {
                    floats: track.slice(from, to),
                    histograms: histograms.slice(0, 0),
                    step_ms: end_ms,
                    start_ms,
                    end_ms,
                };
                if let Some(point) = function(&window, &mut context).unwrap() {
                    plain.push(step, point);
                }
            }
            assert_eq!(bits(&fast), bits(&plain), "{id:?}, seed {seed}");
        }
    }
}

/// Series in memory.
struct Memory(Vec<Stored>);

struct Stored {
    labels: Labels,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], _: &Hints) -> Result<Selection<'_>, SourceError> {
        let fits = |stored: &&Stored| matchers.iter().all(|matcher| matcher.matches_labels(&stored.labels));
        let series = self.0.iter().filter(fits).map(|stored| Box::new(stored) as Box<dyn Series>).collect();
        Ok(Selection { series, ..Selection::default() })
    }
}

impl Series for &Stored {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        let from = self.times.partition_point(|time| *time < start_ms);
        let to = self.times.partition_point(|time| *time <= end_ms).max(from);
        Box::new(Walk { times: &self.times[from..to], values: &self.values[from..to] })
    }
}

struct Walk<'a> {
    times: &'a [i64],
    values: &'a [f64],
}

impl Cursor for Walk<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let here = self.times.len().min(100);
        batch.times.extend_from_slice(&self.times[..here]);
        batch.values.extend_from_slice(&self.values[..here]);
        (self.times, self.values) = (&self.times[here..], &self.values[here..]);
        Ok(here > 0)
    }
}

/// Metrics `a` and `b` of some hosts and cores.
fn memory(chance: &mut Chance) -> Memory {
    let mut stored = Vec::new();
    for name in ["a", "b"] {
        for host in 0..4 {
            for core in 0..chance.below(5) {
                let pairs = [("__name__", name.to_owned()), ("host", host.to_string()), ("core", core.to_string())];
                let (times, values) = times_and_values(chance);
                stored.push(Stored { labels: Labels::from_pairs(pairs), times, values });
            }
        }
    }
    Memory(stored)
}

fn run(memory: &Memory, query: &str, step_ms: i64, options: &Options) -> Result<Value, QueryError> {
    let expr = parse_expr(query, &ParseOptions::everything()).unwrap();
    let times = Times { start_ms: 0, end_ms: if step_ms == 0 { 0 } else { 300_000 }, step_ms };
    evaluate(memory, &expr, times, options, &Unlimited).value
}

/// The points of a range query by labels and step.
fn points(value: Value) -> BTreeMap<(String, usize), u64> {
    let Value::Range { series, .. } = value else { panic!("no range: {value:?}") };
    let mut points = BTreeMap::new();
    for (labels, column) in series {
        for (step, bits) in bits(&column).into_iter().enumerate().filter_map(|(step, bits)| Some((step, bits?))) {
            assert!(points.insert((labels.to_string(), step), bits).is_none(), "{labels} twice at {step}");
        }
    }
    points
}

/// Threads and late removal of names change no answer; a range is nothing but its instants.
#[test]
fn ranges_are_their_instants_in_any_number_of_threads() {
    let queries = [
        "a",
        "sum by (host) (a)",
        "sum(a)",
        "avg by (core) (a)",
        "avg without (core) (a)",
        "min by (host) (a)",
        "max(a)",
        "count by (host) (a)",
        "group(a)",
        "stddev by (host) (a)",
        "stdvar(a)",
        "quantile by (host) (0.7, a)",
        "topk by (host) (2, a)",
        "bottomk(3, a)",
        "a * 2 > 9000",
        "9000 < bool a",
        "-a",
        "a / on (host, core) b",
        "a + on (host, core) group_left () b",
        "a and on (host) b",
        "a or b",
        "a unless on (core) b",
        "avg_over_time(a[10s])",
        "sum by (host) (rate(a[10s]))",
        "max_over_time(sum by (host) (a)[20s:3s])",
        "absent(a)",
        "scalar(sum(a))",
        "abs(a - 5000)",
        "a offset 7s",
        "sum(a @ 100)",
        "clamp(a, 100, 5000)",
    ];
    for seed in 1..=12 {
        let memory = memory(&mut Chance(seed * 0x9E37_79B9));
        let step_ms = [1000, 1500][seed as usize % 2];
        for query in queries {
            let plain = Options { lookback_ms: 4000, ..Options::default() };
            let whole = points(run(&memory, query, step_ms, &plain).unwrap());
            let several = Options { threads: 3, delayed_name_removal: true, ..plain.clone() };
            assert_eq!(points(run(&memory, query, step_ms, &several).unwrap()), whole, "{query}, seed {seed}");
            let expr = parse_expr(query, &ParseOptions::everything()).unwrap();
            for step in [0, 1, 17, 64, 150] {
                let time = step as i64 * step_ms;
                let times = Times { start_ms: time, end_ms: time, step_ms: 1000 };
                let instant = points(evaluate(&memory, &expr, times, &plain, &Unlimited).value.unwrap());
                let of_range = whole.iter().filter(|((_, at), _)| *at == step);
                let of_range: BTreeMap<_, _> =
                    of_range.map(|((labels, _), bits)| ((labels.clone(), 0), *bits)).collect();
                assert_eq!(instant, of_range, "{query} at {time}, seed {seed}");
            }
        }
    }
}

/// Pairs that labels tell and pairs that are looked for at each step are the same; a fill for what is never missing
/// forces the latter.
#[test]
fn pairs_are_the_same_step_by_step() {
    for seed in 1..=20 {
        let memory = memory(&mut Chance(seed * 0x9E37_79B9));
        for op in ["+", "/", "> bool", "<=", "atan2"] {
            let there = "(b or on (host, core) a * 0 + 3) and on (host, core) a";
            let fast = format!("a {op} on (host, core) ({there})");
            let plain = format!("a {op} on (host, core) fill_right (99) ({there})");
            let [fast, plain] = [fast, plain].map(|query| run(&memory, &query, 1000, &Options::default()));
            assert_eq!(points(fast.unwrap()), points(plain.unwrap()), "{op}, seed {seed}");
        }
    }
}

/// As deep as the parser lets a query be: the asking thread needs a stack as the server's have it, those for columns
/// have their own.
#[test]
fn deep_queries_fit_the_stacks_of_threads() {
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(run_deep_queries).unwrap().join().unwrap();
}

fn run_deep_queries() {
    let times: Vec<i64> = (0..2000).map(|at| at * 10).collect();
    let stored = |core: usize| Stored {
        labels: Labels::from_pairs([("__name__", "a".to_owned()), ("core", core.to_string())]),
        values: vec![1.0; times.len()],
        times: times.clone(),
    };
    let memory = Memory((0..40).map(stored).collect());
    for (open, close) in [("abs(", ")"), ("1 + (", ")"), ("max_over_time(", "[20ms:10ms])")] {
        let deepest = (1..=256).rev().find_map(|depth| {
            let query = format!("sum by (core) ({}a{})", open.repeat(depth), close.repeat(depth));
            parse_expr(&query, &ParseOptions::everything()).ok()
        });
        let times = Times { start_ms: 0, end_ms: 20_000, step_ms: 10 };
        let options = Options { threads: 2, ..Options::default() };
        let outcome = evaluate(&memory, &deepest.unwrap(), times, &options, &Unlimited);
        assert!(matches!(outcome.value, Ok(Value::Range { series, .. }) if series.len() == 40), "{open}");
    }
}

#[test]
fn limits_are_kept() {
    let memory = memory(&mut Chance(0x1234_5678_9ABC));
    let few = Options { samples_max: 100, ..Options::default() };
    for query in ["a", "sum(a)", "1", "rate(a[10s])", "a + on (host, core) b", "max_over_time(a[100s:1s])"] {
        let error = run(&memory, query, 1000, &few).unwrap_err();
        assert!(matches!(error, QueryError::TooManySamples), "{query}: {error}");
    }
    // More steps than any machine has memory for.
    let error = run(&memory, "sum_over_time(a[100y:1ms])", 0, &Options::default()).unwrap_err();
    assert!(matches!(error, QueryError::TooManySamples), "{error}");
}

/// A window over a long time, at many steps, for one series: too much to be done before anybody asks about the time.
#[test]
fn long_windows_are_stopped() {
    struct AfterSome(std::sync::atomic::AtomicU32);
    impl Interrupt for AfterSome {
        fn poll(&self) -> Option<Stop> {
            let before = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (before > 20).then_some(Stop::TimedOut)
        }
    }
    let times: Vec<i64> = (0..200_000).collect();
    let values = vec![1.0; times.len()];
    let memory = Memory(vec![Stored { labels: Labels::from_pairs([("__name__", "a")]), times, values }]);
    // To the end these would take minutes.
    for query in [
        "sum_over_time(a[190s])",
        "min_over_time(a[190s])",
        "quantile_over_time(0.5, a[190s])",
        "stddev_over_time(a[190s])",
    ] {
        let expr = parse_expr(query, &ParseOptions::everything()).unwrap();
        let times = Times { start_ms: 0, end_ms: 200_000, step_ms: 1 };
        let interrupt = AfterSome(Default::default());
        let error = evaluate(&memory, &expr, times, &Options::default(), &interrupt).value.unwrap_err();
        assert!(matches!(error, QueryError::TimedOut), "{query}: {error}");
    }
}

#[test]
fn a_stop_is_heard() {
    struct Stopped(Stop);
    impl Interrupt for Stopped {
        fn poll(&self) -> Option<Stop> {
            Some(self.0)
        }
    }
    let memory = memory(&mut Chance(77));
    let expr = parse_expr("sum(a)", &ParseOptions::everything()).unwrap();
    let times = Times { start_ms: 0, end_ms: 1000, step_ms: 1000 };
    let mut texts = Vec::new();
    for stop in [Stop::TimedOut, Stop::Canceled] {
        let outcome = evaluate(&memory, &expr, times, &Options::default(), &Stopped(stop));
        texts.push(outcome.value.unwrap_err().to_string());
    }
    assert_eq!(texts, ["query timed out in expression evaluation", "query was canceled in expression evaluation"]);
}

/// Without late removal of names, a function that takes them finds two series where there was one label set.
#[test]
fn names_that_go_early_may_leave_two_of_a_kind() {
    let labels = |name: &str| Labels::from_pairs([("__name__", name), ("host", "1")]);
    let stored = |name| Stored { labels: labels(name), times: vec![0, 1000], values: vec![1.0, 2.0] };
    let memory = Memory(vec![stored("a"), stored("b")]);
    for query in [r#"abs({host="1"})"#, r#"-{host="1"}"#, r#"{host="1"} + 1"#, r#"rate({host="1"}[2s])"#] {
        for step_ms in [0, 1000] {
            let late = Options { delayed_name_removal: true, ..Options::default() };
            for options in [Options::default(), late] {
                let expr = parse_expr(query, &ParseOptions::everything()).unwrap();
                let times = Times { start_ms: 1000, end_ms: 1000 + step_ms, step_ms };
                let error = evaluate(&memory, &expr, times, &options, &Unlimited).value.unwrap_err();
                assert_eq!(error.to_string(), "vector cannot contain metrics with the same labelset", "{query}");
            }
        }
    }
}
