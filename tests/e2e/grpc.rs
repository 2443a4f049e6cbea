//! gRPC: what is pushed is there, whoever asks for it, and stays over restarts; health and reflection answer.

use serde_json::json;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1, v1alpha};
use treering::server::proto::query_response::Result as Outcome;
use treering::server::proto::{
    BucketSpan, Exemplar, GridSeries, Histogram, Label, Metadata, QueryRangeRequest, QueryRequest, Sample, Series,
    StampedSeries, WriteRequest, metadata,
};

use crate::harness::{Config, Grpc, How, Store, T0, eventually, free_port, grid, now_secs, setting};

/// A store with gRPC beside HTTP, and a client of it.
fn store(config: Config) -> (Store, Grpc) {
    let port = free_port();
    let store = Store::start(config.set(setting::GRPC_ADDR, format!("127.0.0.1:{port}")));
    (store, Grpc::plain(port))
}

fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    pairs.iter().map(|&(name, value)| Label { name: name.into(), value: value.into() }).collect()
}

fn at(secs: i64, query: &str) -> QueryRequest {
    QueryRequest { query: query.to_owned(), time_ms: Some(1000 * secs), ..QueryRequest::default() }
}

/// The series of an instant query.
#[track_caller]
fn vector(grpc: &Grpc, secs: i64, query: &str) -> Vec<Series> {
    match grpc.query(at(secs, query)).unwrap().result {
        Some(Outcome::Vector(vector)) => vector.series,
        other => panic!("{query}: {other:?}"),
    }
}

#[track_caller]
fn value(grpc: &Grpc, secs: i64, query: &str) -> f64 {
    match &vector(grpc, secs, query)[..] {
        [series] => series.values[0],
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn what_is_pushed_to_the_grid_is_there_for_everybody() {
    for format in ["native", "wal"] {
        let (mut store, mut grpc) = store(Config::new(format));
        let first = WriteRequest {
            sequence: 7,
            grid: vec![grid("mem_used", "a1", T0, &[1.0, 2.5, 4.0]), grid("mem_used", "a2", T0, &[10.0])],
            ..WriteRequest::default()
        };
        let thread = |id: &str, value| GridSeries {
            cluster: String::new(),
            r#type: "hwthread".to_owned(),
            type_id: id.to_owned(),
            ..grid("flops_any", "a1", T0, &[value])
        };
        let device =
            GridSeries { stype: "network".to_owned(), stype_id: "eth0".to_owned(), ..grid("ipc", "a1", T0, &[3.0]) };
        let second = WriteRequest {
            sequence: 8,
            default_cluster: "alex".to_owned(),
            grid: vec![thread("0", 1.0), thread("1", 2.0), device],
            ..WriteRequest::default()
        };
        let responses = grpc.push(vec![first, second]).unwrap();
        let told: Vec<_> = responses.iter().map(|r| (r.sequence, r.stored, r.skipped, r.bad)).collect();
        assert_eq!(told, [(7, 4, 0, 0), (8, 3, 0, 0)]);
        let check = |store: &Store, grpc: &Grpc| {
            assert_eq!(store.values("a1", "mem_used", T0, T0 + 180), [1.0, 2.5, 4.0]);
            assert_eq!(store.values("a1", "flops_any", T0, T0 + 60), [3.0], "the sum of the threads");
            assert_eq!(value(grpc, T0 + 60, "mem_used{hostname='a1'}"), 2.5);
            assert_eq!(value(grpc, T0, "sum(flops_any{type='hwthread'})"), 3.0);
            let found = vector(grpc, T0, "ipc");
            let expected = [
                ("__name__", "ipc"),
                ("cluster", "alex"),
                ("hostname", "a1"),
                ("stype", "network"),
                ("stype_id", "eth0"),
                ("type", "node"),
            ];
            assert_eq!(found[0].labels, labels(&expected));
        };
        check(&store, &grpc);
        let count = || store.metrics().sum("treering_samples_total", "source=\"grpc\"");
        assert_eq!(count(), 7.0);
        // Acknowledged means written: a crash loses nothing.
        for how in [How::Kill, How::Term] {
            store.restart(how);
            check(&store, &grpc);
        }
        grpc = grpc.with_token("not needed".into());
        check(&store, &grpc);
    }
}

#[test]
fn what_is_wrong_with_some_series_harms_no_others() {
    let (store, grpc) = store(Config::new("native"));
    let later = now_secs() + 7200;
    let request = WriteRequest {
        grid: vec![
            grid("mem_used", "a1", T0, &[1.0, f64::NAN, f64::INFINITY, 4.0]),
            grid("never_configured", "a1", T0, &[1.0, 2.0]),
            grid("mem_used", "../a1", T0, &[1.0]),
            grid("mem_used", "a\n1", T0, &[1.0]),
            grid("mem_used", &"x".repeat(300), T0, &[1.0]),
            grid("mem_used", "a1", later, &[1.0]),
            GridSeries { samples: vec![Sample { value: 5.0, time_ms: 0 }], ..grid("mem_used", "now", T0, &[]) },
        ],
        ..WriteRequest::default()
    };
    let responses = grpc.push(vec![request]).unwrap();
    let response = &responses[0];
    assert_eq!((response.stored, response.skipped, response.bad), (3, 3, 5), "{response:?}");
    for problem in [
        "grid series 0: value NaN is out of range: expected a finite number",
        "grid series 1: no metric \"never_configured\" is configured",
        "grid series 2: a cluster's or host's name holds",
        "too far in the future",
    ] {
        assert!(response.problems.iter().any(|told| told.contains(problem)), "{problem}: {response:?}");
    }
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 240), [1.0, 4.0]);
    assert_eq!(value(&grpc, now_secs() + 1, "mem_used{hostname='now'}"), 5.0, "without a time: when it was received");
}

#[test]
fn stamped_series_keep_their_labels_and_their_bits() {
    let (mut store, grpc) = store(Config::new("native"));
    let odd = f64::from_bits(0x7ff8_0000_dead_beef);
    let times = [T0 * 1000 + 17, T0 * 1000 + 15_031];
    let series = |name: &str, value: f64| StampedSeries {
        labels: labels(&[("__name__", name), ("instance", "node7:9100"), ("job", "node"), ("mode", "idle")]),
        samples: times.iter().map(|&time_ms| Sample { value, time_ms }).collect(),
        ..StampedSeries::default()
    };
    let histogram = Histogram {
        count: 5.0,
        sum: 18.5,
        schema: 0,
        positive_spans: vec![BucketSpan { offset: 1, length: 2 }],
        positive_counts: vec![2.0, 3.0],
        time_ms: times[1],
        ..Histogram::default()
    };
    let request = WriteRequest {
        sequence: 3,
        series: vec![
            series("node_load1", 0.25),
            series("odd", odd),
            StampedSeries {
                labels: labels(&[("__name__", "latency"), ("instance", "node7:9100")]),
                histograms: vec![histogram.clone()],
                exemplars: vec![Exemplar { labels: labels(&[("trace_id", "abc")]), value: 2.0, time_ms: times[1] }],
                ..StampedSeries::default()
            },
            // Without a name: refused, and no other suffers.
            StampedSeries { labels: labels(&[("job", "x")]), ..series("x", 1.0) },
        ],
        metadata: vec![Metadata {
            kind: metadata::Kind::Gauge.into(),
            metric: "node_load1".to_owned(),
            help: "1m load average.".to_owned(),
            unit: String::new(),
        }],
        grid: vec![grid("mem_used", "a1", T0, &[1.0])],
        ..WriteRequest::default()
    };
    let responses = grpc.push(vec![request]).unwrap();
    assert_eq!((responses[0].stored, responses[0].bad), (6, 2), "{responses:?}");
    let check = |grpc: &Grpc| {
        let found = vector(grpc, T0 + 16, "{job='node'}");
        assert_eq!(found.len(), 2, "{found:?}");
        let expected = [("__name__", "node_load1"), ("instance", "node7:9100"), ("job", "node"), ("mode", "idle")];
        assert_eq!(found[0].labels, labels(&expected));
        assert_eq!(found[1].values[0].to_bits(), odd.to_bits());
        let found = vector(grpc, T0 + 16, "latency");
        assert_eq!(found[0].histograms.len(), 1, "{found:?}");
        let told = &found[0].histograms[0];
        assert_eq!((told.count, told.sum, &told.positive_counts), (5.0, 18.5, &histogram.positive_counts));
        assert_eq!(value(grpc, T0 + 16, "histogram_count(latency)"), 5.0);
        let Some(Outcome::Matrix(matrix)) = grpc.query(at(T0 + 16, "node_load1[1m]")).unwrap().result else {
            panic!("no matrix")
        };
        assert_eq!((&matrix.series[0].times_ms[..], &matrix.series[0].values[..]), (&times[..], &[0.25, 0.25][..]));
    };
    check(&grpc);
    store.restart(How::Kill);
    check(&grpc);
}

#[test]
fn scalars_texts_warnings_and_limits() {
    let (_store, grpc) = store(Config::new("native"));
    let many = (0..20).map(|host| grid("mem_used", &format!("a{host:02}"), T0, &[f64::from(host); 2])).collect();
    grpc.push(vec![WriteRequest { grid: many, ..WriteRequest::default() }]).unwrap();
    let scalar = grpc.query(at(T0, "1 + 2")).unwrap().result;
    assert_eq!(scalar, Some(Outcome::Scalar(Sample { value: 3.0, time_ms: 1000 * T0 })));
    assert_eq!(grpc.query(at(T0, "'text'")).unwrap().result, Some(Outcome::Text("text".to_owned())));
    let cut = grpc.query(QueryRequest { limit: 3, ..at(T0, "mem_used") }).unwrap();
    assert!(matches!(&cut.result, Some(Outcome::Vector(vector)) if vector.series.len() == 3));
    assert_eq!(cut.warnings, ["results truncated due to limit"]);
    let warned = grpc.query(at(T0 + 60, "rate(mem_used[5m])")).unwrap();
    assert!(warned.infos[0].contains("might not be a counter"), "{warned:?}");
    // Looking back for a shorter time than the config says.
    assert_eq!(vector(&grpc, T0 + 200, "mem_used").len(), 20);
    for (code, request) in [
        (Code::InvalidArgument, at(T0, "sum(")),
        (Code::InvalidArgument, at(T0, "")),
        (Code::FailedPrecondition, at(T0, "mem_used * on(cluster) mem_used")),
        (
            Code::DeadlineExceeded,
            QueryRequest {
                timeout_ms: 1,
                ..at(T0, "sum_over_time(mem_used[2h:1s]) + ".repeat(200).trim_end_matches("+ "))
            },
        ),
    ] {
        let error = grpc.query(request.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{:.80}: {error}", request.query);
    }
}

#[test]
fn ranges_come_in_parts() {
    let (store, grpc) = store(Config::new("native"));
    let values: Vec<f64> = (0..120).map(f64::from).collect();
    let hosts: Vec<String> = (0..300).map(|host| format!("a{host:03}")).collect();
    let requests = hosts.chunks(50).map(|hosts| {
        let grid = hosts.iter().map(|host| grid("mem_used", host, T0, &values)).collect();
        WriteRequest { grid, ..WriteRequest::default() }
    });
    let responses = grpc.push(requests.collect()).unwrap();
    assert_eq!(responses.iter().map(|response| response.stored).sum::<u64>(), 300 * 120);
    let range = QueryRangeRequest {
        query: "mem_used".to_owned(),
        start_ms: 1000 * T0,
        end_ms: 1000 * (T0 + 119 * 60),
        step_ms: 60_000,
        ..QueryRangeRequest::default()
    };
    let parts = grpc.query_range(range.clone()).unwrap();
    assert!(parts.len() > 3, "{} parts", parts.len());
    let series: Vec<&Series> = parts.iter().flat_map(|part| &part.series).collect();
    let found: Vec<&str> = series.iter().map(|series| &*series.labels[2].value).collect();
    assert_eq!(found, hosts, "sorted, each once");
    for series in series {
        assert_eq!(series.values, values);
        assert_eq!((series.times_ms[0], series.times_ms[119]), (range.start_ms, range.end_ms));
    }
    // The same as over HTTP.
    let path = format!("/api/v1/query_range?query=mem_used&start={T0}&end={}&step=60&limit=1", T0 + 119 * 60);
    let http = store.get(&path).expect_status(200).json();
    assert_eq!(http["data"]["result"][0]["values"][119], json!([T0 + 119 * 60, "119"]));
    let limited = grpc.query_range(QueryRangeRequest { limit: 2, ..range.clone() }).unwrap();
    assert_eq!(limited.len(), 1);
    assert_eq!((limited[0].series.len(), limited[0].warnings.len()), (2, 1));
    let nothing = grpc.query_range(QueryRangeRequest { query: "never_sent".into(), ..range.clone() }).unwrap();
    assert_eq!(nothing.len(), 0);
    for wrong in [
        QueryRangeRequest { end_ms: range.start_ms - 1, ..range.clone() },
        QueryRangeRequest { step_ms: 0, ..range.clone() },
        QueryRangeRequest { step_ms: -5, ..range.clone() },
        QueryRangeRequest { step_ms: 1, ..range.clone() },
        QueryRangeRequest { query: "mem_used[5m]".into(), ..range.clone() },
    ] {
        let error = grpc.query_range(wrong.clone()).unwrap_err();
        assert!(matches!(error.code(), Code::InvalidArgument | Code::FailedPrecondition), "{wrong:?}: {error}");
    }
}

fn health(grpc: &Grpc, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = grpc.block_on(HealthClient::new(grpc.channel.clone()).check(request))?;
    Ok(answer.into_inner().status())
}

#[test]
fn health_is_told_and_watched() {
    let (mut store, grpc) = store(Config::new("native"));
    // A store that is ready over HTTP tells the watchers of its health next, which took longer on a busy machine.
    for service in ["", "treering.v1.Metrics"] {
        eventually("it serves", || (health(&grpc, service).unwrap() == ServingStatus::Serving).then_some(()));
    }
    assert_eq!(health(&grpc, "nobody").unwrap_err().code(), Code::NotFound);
    let mut client = HealthClient::new(grpc.channel.clone());
    let mut watched = grpc.block_on(client.watch(HealthCheckRequest::default())).unwrap().into_inner();
    let told = |answer: Option<HealthCheckResponse>| answer.map(|answer| answer.status());
    assert_eq!(told(grpc.block_on(watched.message()).unwrap()), Some(ServingStatus::Serving));
    // Those who watch hear of the end, and do not put it off.
    let begun = std::time::Instant::now();
    store.stop(How::Term);
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    let mut last = grpc.block_on(watched.message());
    while let Ok(Some(answer)) = &last {
        assert_eq!(answer.status(), ServingStatus::NotServing);
        last = grpc.block_on(watched.message());
    }
    assert_eq!(last.unwrap_err().code(), Code::Unavailable);
    store.resume();
    eventually("it serves again", || (health(&grpc, "").ok()? == ServingStatus::Serving).then_some(()));
}

#[test]
fn reflection_describes_the_services() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let (_store, grpc) = store(Config::new("native"));
    let ask = |message: MessageRequest| {
        let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(grpc.channel.clone());
        grpc.block_on(async {
            let answers = client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap();
            answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap()
        })
    };
    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())) else {
        panic!("no list")
    };
    let names: Vec<&str> = list.service.iter().map(|service| &*service.name).collect();
    for name in ["treering.v1.Metrics", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let file = ask(MessageRequest::FileContainingSymbol("treering.v1.Metrics.QueryRange".to_owned()));
    let MessageResponse::FileDescriptorResponse(file) = file else { panic!("{file:?}") };
    let file = &file.file_descriptor_proto[0];
    assert!(file.windows(12).any(|window| window == b"WriteRequest"));
    // Older tools ask in the older words.
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(grpc.channel.clone());
    let answer = grpc.block_on(async {
        let answers = client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap();
        answers.into_inner().message().await.unwrap().unwrap()
    });
    assert!(format!("{answer:?}").contains("treering.v1.Metrics"), "{answer:?}");
}
