//! Every endpoint but `/api/write`, the gate before them, and what has no endpoint.

use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::super::token::tests::{sign, signing_key};
use super::super::{AuthOptions, Compression, Roles};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn queries_come_with_get_and_post() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let expected = (200, "{\"results\":[]}\n".to_owned());
    let question = "{\"cluster\":\"a\",\"from\":0,\"to\":1,\"queries\":[]}";
    for path in ["/api/query", "/api/query/", "/api/query?version=v2"] {
        assert_eq!(read(server.get(path).body(question)).await, expected);
        assert_eq!(read(server.post(path, question)).await, expected);
    }
    for body in ["{nonsense", ""] {
        let response = server.get("/api/query").body(body).send().await.unwrap();
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(response.status(), 400, "{body}");
        assert!(!error(&response.text().await.unwrap()).is_empty());
    }
}

fn large_answer() -> Fake {
    let answer = |out: &mut dyn Write| {
        for number in 0..500_000 {
            writeln!(out, "{number}")?;
        }
        Ok(())
    };
    Fake { answer: Some(Box::new(answer)), ..Fake::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_streamed_and_compressed_for_who_asks() {
    let expected: String = (0..500_000).map(|number| format!("{number}\n")).collect();
    for (compression, accept, coding) in [
        (Compression::Auto, "gzip", ""),
        (Compression::Auto, "gzip, zstd", "zstd"),
        (Compression::On, "gzip", "gzip"),
        (Compression::Off, "zstd", ""),
    ] {
        let server = Server::start(large_answer(), |options| options.compression = compression).await;
        let response = server.post("/api/query", "{}").header("Accept-Encoding", accept).send().await.unwrap();
        assert_eq!(header(&response, "content-encoding"), coding, "{compression:?} {accept}");
        assert_eq!(header(&response, "content-length"), "", "nobody knows it before the end");
        let body = response.bytes().await.unwrap();
        let mut plain = Vec::new();
        match coding {
            "zstd" => plain = zstd::decode_all(&body[..]).unwrap(),
            "gzip" => {
                io::copy(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain).unwrap();
            }
            _ => plain.extend_from_slice(&body),
        }
        assert!(plain == expected.as_bytes(), "{compression:?} {accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_answer_is_compressed_whole() {
    let answer = |out: &mut dyn Write| out.write_all(&b"0123456789".repeat(1000));
    let fake = Fake { answer: Some(Box::new(answer)), ..Fake::default() };
    let server = Server::start(fake, |options| options.compression = Compression::On).await;
    let response = server.post("/api/query", "{}").header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert!(header(&response, "content-length").parse::<usize>().unwrap() < 1000);
    let mut plain = Vec::new();
    io::copy(&mut flate2::read::GzDecoder::new(&response.bytes().await.unwrap()[..]), &mut plain).unwrap();
    assert_eq!(plain, b"0123456789".repeat(1000));
}

/// What is little work is answered at once, and sent and compressed as every answer is.
#[tokio::test(flavor = "multi_thread")]
async fn a_quick_answer_is_sent_like_any_other() {
    let text = b"0123456789".repeat(1000);
    for (compression, accept, coding) in [
        (Compression::Auto, "gzip", ""),
        (Compression::Auto, "gzip, zstd", "zstd"),
        (Compression::On, "gzip", "gzip"),
        (Compression::Off, "zstd", ""),
    ] {
        let fake = Fake { quick: Some(text.clone()), ..Fake::default() };
        let server = Server::start(fake, |options| options.compression = compression).await;
        let response = server.post("/api/query", "{}").header("Accept-Encoding", accept).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "content-encoding"), coding, "{compression:?} {accept}");
        let announced: usize = header(&response, "content-length").parse().unwrap();
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len(), announced);
        let mut plain = Vec::new();
        match coding {
            "zstd" => plain = zstd::decode_all(&body[..]).unwrap(),
            "gzip" => _ = io::copy(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain).unwrap(),
            _ => plain.extend_from_slice(&body),
        }
        assert!(plain == text, "{compression:?} {accept}");
        // What is no request is told so, quick or not.
        assert_eq!(read(server.post("/api/query", "{nonsense")).await.0, 400);
    }
}

/// Half an answer in a body that ends well would be taken for a whole one.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_ends_badly() {
    let fails = |out: &mut dyn Write| {
        out.write_all(&vec![b'x'; 2_000_000])?;
        Err(io::Error::other("a defect"))
    };
    let server = Server::start(Fake { answer: Some(Box::new(fails)), ..Fake::default() }, |_| {}).await;
    let response = server.post("/api/query", "{}").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());

    let fails_early = |_: &mut dyn Write| Err(io::Error::other("a defect"));
    let server = Server::start(Fake { answer: Some(Box::new(fails_early)), ..Fake::default() }, |_| {}).await;
    assert_eq!(read(server.post("/api/query", "{}")).await.0, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_client_goes_the_work_stops() {
    let (sender, outcome) = mpsc::channel();
    let endless = move |out: &mut dyn Write| {
        loop {
            if let Err(error) = out.write_all(&[b'x'; 10_000]) {
                let _ = sender.send(error.kind());
                return Err(error);
            }
        }
    };
    let server = Server::start(Fake { answer: Some(Box::new(endless)), ..Fake::default() }, |_| {}).await;
    let response = server.post("/api/query", "{}").send().await.unwrap();
    drop(response);
    let kind = tokio::task::spawn_blocking(move || outcome.recv_timeout(Duration::from_secs(20))).await.unwrap();
    assert_eq!(kind, Ok(io::ErrorKind::BrokenPipe));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_given_up() {
    let (sender, outcome) = mpsc::channel();
    let endless = move |out: &mut dyn Write| {
        loop {
            if let Err(error) = out.write_all(&[b'x'; 10_000]) {
                let _ = sender.send(error.kind());
                return Err(error);
            }
        }
    };
    let change = |options: &mut Options| options.limits.stall_timeout = Duration::from_millis(200);
    let server = Server::start(Fake { answer: Some(Box::new(endless)), ..Fake::default() }, change).await;
    let response = server.post("/api/query", "{}").send().await.unwrap();
    let kind = tokio::task::spawn_blocking(move || outcome.recv_timeout(Duration::from_secs(20))).await.unwrap();
    assert!(matches!(kind, Ok(io::ErrorKind::TimedOut | io::ErrorKind::BrokenPipe)), "{kind:?}");
    drop(response);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_bodies_are_limited() {
    let change = |options: &mut Options| {
        options.limits.json_bytes_max = 10_000;
        options.limits.json_bytes_in_flight_max = 16 << 10;
        options.limits.turn_timeout = Duration::from_millis(10);
    };
    let server = Server::start(Fake::default(), change).await;
    let body = |bytes: usize| format!("{{\"cluster\":\"{}\",\"from\":0,\"to\":1}}", "x".repeat(bytes));
    assert_eq!(read(server.post("/api/query", body(9_900))).await.0, 200);
    assert_eq!(read(server.post("/api/query", body(10_001))).await.0, 413);
    let unannounced = |bytes| {
        let chunks: Vec<_> =
            body(bytes).into_bytes().chunks(100).map(|chunk| Ok::<_, io::Error>(chunk.to_vec())).collect();
        reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
    };
    assert_eq!(read(server.post("/api/query", unannounced(9_900))).await.0, 200);
    assert_eq!(read(server.post("/api/query", unannounced(20_000))).await.0, 413);
}

/// What was read of a form stays in memory while its query runs, and once counted for nothing then.
#[tokio::test(flavor = "multi_thread")]
async fn forms_are_counted_while_their_queries_run() {
    let change = |options: &mut Options| {
        options.limits.json_bytes_in_flight_max = 512 << 10;
        options.limits.turn_timeout = Duration::from_millis(10);
    };
    let server = Server::start(Fake::default(), change).await;
    let ask = |path: &str, query: &str| {
        let form = format!("query={query}&padding={}", "x".repeat(400 << 10));
        server.post(path, form).header("content-type", "application/x-www-form-urlencoded")
    };
    // Millions of steps; it ends when nobody waits for it any more.
    let long = tokio::spawn(ask("/api/v1/query", "sum_over_time(vector(1)[100d:1s])").send());
    let begun = std::time::Instant::now();
    loop {
        let (status, text) = read(ask("/api/v1/format_query", "1")).await;
        if status == 429 {
            assert!(text.contains("KiB of forms"), "{text}");
            break;
        }
        assert!(!long.is_finished() && begun.elapsed() < Duration::from_secs(60), "{status} {text}");
    }
    // Other requests have room of their own.
    let body = format!("{{\"cluster\":\"{}\",\"from\":0,\"to\":1}}", "x".repeat(400 << 10));
    assert_eq!(read(server.post("/api/query", body)).await.0, 200);
    long.abort();
    while read(ask("/api/v1/format_query", "1")).await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn free_has_the_texts_of_the_reference() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let required = "{\"error\":\"'to' is a required query parameter\",\"status\":\"Bad Request\"}\n";
    assert_eq!(read(server.post("/api/free", "[]")).await, (400, required.into()));
    assert_eq!(read(server.post("/api/free?to=", "[]")).await, (400, required.into()));
    assert_eq!(read(server.post("/api/free?to=x", "[]")).await.0, 400);
    let response = server.post("/api/free?to=5", "nonsense").send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (400, "text/plain; charset=utf-8"));
    let freed = (200, "buffers freed: 7\n".to_owned());
    assert_eq!(read(server.post("/api/free/?to=-5", "[[\"a\",\"b\"],[]]")).await, freed);
    assert_eq!(*server.fake.freed.lock(), Some((vec![vec!["a".into(), "b".into()], vec![]], -5)));
    assert_eq!(read(server.post("/api/free?to=1", "null")).await, freed);
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_dumps_a_level() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let expected = "{\"data\":{\n\t\"load\":[{\"start\":999400,\"len\":10,\"end\":1000000,\"saved\":true}]\n}}\n";
    assert_eq!(read(server.get("/api/debug?selector=a:b")).await, (200, expected.into()));
    let load = "\"load\":[{\"start\":999400,\"len\":10,\"end\":1000000,\"saved\":true}]";
    let cluster = format!("{{\n\t\"n1\":{{\n\t\t{load}\n\t}},\n\t\"n2\":{{\n\t\t{load}\n\t}}\n}}");
    let expected = format!("{{\"data\":{cluster}}}\n");
    assert_eq!(
        read(server.get("/api/debug/?selector=a")).await,
        (200, expected),
        "a host that went meanwhile is left out"
    );
    let all = format!("{{\"data\":{{\n\t\"a\":{},\n\t\"b\":{{}}\n}}}}\n", cluster.replace('\n', "\n\t"));
    for path in ["/api/debug", "/api/debug/"] {
        assert_eq!(read(server.get(path)).await, (200, all.clone()));
    }
    let (status, body) = read(server.get("/api/debug?selector=ghost")).await;
    assert_eq!((status, error(&body)), (400, "[METRICSTORE]> not found: []string{\"ghost\"}".into()));
    let (status, body) = read(server.get("/api/debug?selector=a:ghost")).await;
    assert_eq!((status, error(&body)), (400, "[METRICSTORE]> not found: []string{\"a\", \"ghost\"}".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_judges_nodes() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let question = r#"{"cluster":"a","nodes":["n2","ghost","n1","n1"],"metric-names":["load","none"]}"#;
    let partial = r#"{"State":"partial","HealthMetrics":"{\"degraded\":[],\"missing\":[\"none\"]}"}"#;
    let failed = r#"{"State":"failed","HealthMetrics":""}"#;
    let expected = format!("{{\"ghost\":{failed},\"n1\":{partial},\"n2\":{partial}}}\n");
    assert_eq!(read(server.get("/api/healthcheck/").body(question)).await, (200, expected.clone()));
    assert_eq!(read(server.post("/api/healthcheck", question)).await, (200, expected));
    assert_eq!(read(server.get("/api/healthcheck").body("{\"nodes\":null}")).await, (200, "{}\n".into()));
    for bad in ["{\"bogus\":1}", "x", ""] {
        let (status, body) = read(server.get("/api/healthcheck").body(bad)).await;
        assert_eq!((status, error(&body).starts_with("parsing request body failed: ")), (400, true), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_is_404_and_other_methods_are_405() {
    let server = Server::start(Fake::default(), |_| {}).await;
    for path in ["/nosuch", "/", "/api", "/api/nosuch", "/swagger/", "/api/writes", "/-/other"] {
        assert_eq!(read(server.get(path)).await, (404, "404 page not found\n".into()), "{path}");
    }
    for (method, path, allow) in [
        (reqwest::Method::GET, "/api/write", "POST"),
        (reqwest::Method::DELETE, "/api/free", "POST"),
        (reqwest::Method::PUT, "/api/query/", "GET,HEAD,POST"),
        (reqwest::Method::POST, "/metrics", "GET,HEAD"),
    ] {
        let response = Client::new().request(method, format!("http://{}{path}", server.address)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, allow), "{path}");
        assert_eq!(response.text().await.unwrap(), "Method Not Allowed\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_metrics_and_count_requests() {
    let server = Server::start(Fake::default(), |_| {}).await;
    assert_eq!(read(server.get("/nosuch")).await.0, 404);
    assert_eq!(read(server.post("/api/write", "a\n")).await.0, 200);
    let response = server.get("/metrics").send().await.unwrap();
    assert!(header(&response, "content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = response.text().await.unwrap();
    for line in [
        "treering_http_requests_total{route=\"elsewhere\",status=\"404\"} 1",
        "treering_http_requests_total{route=\"/api/write\",status=\"200\"} 1",
        "treering_http_request_seconds_count{route=\"/api/write\"} 1",
        "treering_memory_bytes{kind=\"blocks\"} 4096",
        "treering_objects{kind=\"hosts\"} 3",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_the_end_of_recovery() {
    let server = Server::start_recovering(Fake::default(), |_| {}).await;
    assert_eq!(read(server.get("/-/ready")).await.0, 503);
    assert_eq!(read(server.get("/-/healthy")).await.0, 200);
    assert_eq!(read(server.get("/metrics")).await.0, 200);
    let mut waiting = tokio::spawn(read(server.post("/api/write", "a\n")));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    server.ready.send_replace(true);
    assert_eq!(waiting.await.unwrap().0, 200);
    assert_eq!(read(server.get("/-/ready")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_do_not_wait_for_ever() {
    let change = |options: &mut Options| options.limits.ready_timeout = Duration::from_millis(20);
    let server = Server::start_recovering(Fake::default(), change).await;
    for request in [server.post("/api/write", "a\n"), server.get("/api/query").body("{}"), server.get("/api/debug")] {
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "5"));
    }
}

fn auth(protect_metrics: bool) -> AuthOptions {
    let public_key = BASE64_STANDARD.encode(signing_key().verifying_key().as_bytes()).parse().unwrap();
    let roles = Roles { free: Some(vec!["admin".into()]), ..Roles::default() };
    AuthOptions { public_key: Some(public_key), roles, certificates: Default::default(), protect_metrics }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_the_api_needs_tokens() {
    let server = Server::start(Fake::default(), |options| {
        options.auth = Some(auth(false));
        options.dev = true;
    })
    .await;
    let refused = (401, "Use JWT Authentication\n".to_owned());
    for path in ["/api/query", "/api/debug/", "/api/nosuch", "/api/write", "/api/", "/api/write/x"] {
        assert_eq!(read(server.get(path)).await, refused, "{path}");
        assert_eq!(read(server.post(path, "").basic_auth("x", Some("y"))).await, refused, "{path}");
    }
    for path in ["/-/healthy", "/-/ready", "/metrics", "/swagger/", "/swagger/doc.json"] {
        assert_eq!(read(server.get(path)).await.0, 200, "{path}");
    }
    let token = sign("{\"roles\":[\"user\"]}");
    assert_eq!(read(server.post("/api/write", "a\n").bearer_auth(&token)).await.0, 200);
    assert_eq!(read(server.get("/api/nosuch").bearer_auth(&token)).await.0, 404);
    let (status, body) = read(server.post("/api/free?to=1", "[]").bearer_auth(&token)).await;
    assert_eq!((status, error(&body)), (403, "the token has no role that allows freeing".into()));
    let expired = sign("{\"exp\":999999}");
    assert_eq!(read(server.get("/api/debug").bearer_auth(expired)).await, (401, "Token is expired\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_can_be_protected_too() {
    let server = Server::start(Fake::default(), |options| {
        options.auth = Some(auth(true));
        options.dev = true;
    })
    .await;
    for path in ["/-/healthy", "/-/ready", "/metrics", "/swagger/", "/swagger/doc.json", "/nosuch"] {
        assert_eq!(read(server.get(path)).await.0, 401, "{path}");
    }
    assert_eq!(read(server.get("/metrics").bearer_auth(sign("{}"))).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_is_there_for_developers() {
    let server = Server::start(Fake::default(), |options| options.dev = true).await;
    let (status, page) = read(server.get("/swagger/")).await;
    assert!(status == 200 && page.contains("swagger"), "{status} {page}");
    let (status, doc) = read(server.get("/swagger/doc.json")).await;
    let doc: serde_json::Value = serde_json::from_str(&doc).unwrap();
    assert_eq!(status, 200);
    assert!(doc["paths"]["/api/query/"]["get"].is_object());
}
