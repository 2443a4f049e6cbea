//! A request: which series, over which time, in which form.
//!
//! Invariant: a parsed request asks for at most [`SELECTIONS_MAX`] series by name; those that `for-all-nodes` adds are
//! counted when the hosts are known. Strings borrow from the body: a request of 30,000 queries allocates a few lists.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde::de::{self, MapAccess};

use super::decode::{Fields, LIST_LEN_MAX, List, Object, Value};
use super::resample::Resample;
use super::source::Source;

/// How many series one request may ask for; aggregated ones count as many as they name.
pub const SELECTIONS_MAX: usize = LIST_LEN_MAX;

/// The body of `/api/query`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The cluster of all queries.
    pub cluster: Cow<'a, str>,
    /// What to answer, one row each.
    pub queries: Vec<Query<'a>>,
    /// Metrics to answer for every host of the cluster, behind the queries.
    pub for_all_nodes: Vec<Cow<'a, str>>,
    /// The start, in seconds since 1970.
    pub from_secs: i64,
    /// The end, in seconds since 1970, not included.
    pub to_secs: i64,
    /// Whether average, minimum and maximum are wanted; without they are 0.
    pub with_stats: bool,
    /// Whether the data are wanted.
    pub with_data: bool,
    /// Whether nulls fill the time between the asked start and the data's.
    pub with_padding: bool,
    /// How queries that do not say so themselves are resampled.
    pub resample: Resample,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            cluster: Cow::default(),
            queries: Vec::new(),
            for_all_nodes: Vec::new(),
            from_secs: 0,
            to_secs: 0,
            with_stats: true,
            with_data: true,
            with_padding: true,
            resample: Resample::default(),
        }
    }
}

/// One query of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query<'a> {
    /// `type`: the kind of component, `hwthread` for instance; absent for the host itself.
    pub kind: Option<Cow<'a, str>>,
    /// `type-ids`: which of them.
    pub kind_ids: Vec<Cow<'a, str>>,
    /// `subtype`: the kind below it.
    pub sub_kind: Option<Cow<'a, str>>,
    /// `subtype-ids`: which of those.
    pub sub_kind_ids: Vec<Cow<'a, str>>,
    /// The metric's name.
    pub metric: Cow<'a, str>,
    /// The host's name.
    pub host: Cow<'a, str>,
    /// Seconds between two points of the answer; 0 and less for the metric's own.
    pub resolution_secs: i64,
    /// `scale-by`: a factor for data and statistics; 0 (absent) and 1 leave them alone.
    pub scale_by: f64,
    /// `aggreg`: whether the components are combined into one series.
    pub aggregate: bool,
    /// How points become fewer; absent for the request's way.
    pub resample: Option<Resample>,
}

impl Query<'_> {
    /// How many series the query names.
    pub fn selections(&self) -> usize {
        let devices = if self.sub_kind.is_some() { self.sub_kind_ids.len() } else { 1 };
        let components = if self.kind.is_some() { self.kind_ids.len() } else { 1 };
        components.max(1).saturating_mul(devices.max(1))
    }
}

/// Why a body is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no body.
    #[error("the request body is empty: expected a JSON object with \"cluster\", \"from\", \"to\" and \"queries\"")]
    Empty,
    /// The body is not the JSON that was expected.
    #[error("line {line}, column {column}: {reason}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in bytes.
        column: usize,
        /// The way to the field, what is there and what was expected.
        reason: String,
    },
    /// The request asks for more than the store answers at once.
    #[error("the request asks for {asked} series, at most {SELECTIONS_MAX} are answered at once")]
    TooMany {
        /// How many it asks for.
        asked: usize,
    },
}

impl<'a> Request<'a> {
    /// Reads a body. What follows the first JSON value is ignored; `null` is a request for nothing.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        if body.trim_ascii().is_empty() {
            return Err(RequestError::Empty);
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let request = Option::<Object<Request<'a>>>::deserialize(&mut json)?.unwrap_or_default().0;
        let asked = request.queries.iter().map(Query::selections).fold(0, usize::saturating_add);
        if asked > SELECTIONS_MAX { Err(RequestError::TooMany { asked }) } else { Ok(request) }
    }

    /// Seconds between start and end.
    pub(super) fn span_secs(&self) -> u64 {
        self.to_secs.saturating_sub(self.from_secs).max(0).unsigned_abs()
    }

    /// Slots of a series over the asked time; few for a metric that nobody knows.
    pub(super) fn slots(&self, source: &impl Source, metric: &str) -> u64 {
        let frequency_secs = source.frequency_secs(metric).unwrap_or(u32::MAX);
        self.span_secs() / u64::from(frequency_secs.max(1))
    }
}

impl From<serde_json::Error> for RequestError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let mut reason = error.to_string();
        // The text ends with the position, which has fields of its own here.
        if let Some(at) = reason.rfind(" at line ") {
            reason.truncate(at);
        }
        RequestError::Json { line, column, reason }
    }
}

impl<'de> Fields<'de> for Request<'de> {
    const EXPECTED: &'static str = "an object with \"cluster\", \"from\", \"to\" and \"queries\"";
    const NAMES: &'static [&'static str] =
        &["cluster", "queries", "for-all-nodes", "from", "to", "with-stats", "with-data", "with-padding", "resample"];

    fn read<A: MapAccess<'de>>(&mut self, name: &'static str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "cluster" => set(&mut self.cluster, value.text()?),
            "queries" => {
                let queries = value.get::<List<Object<Query<'de>>>>()?;
                self.queries = queries.map_or_else(Vec::new, |list| list.0.into_iter().map(|query| query.0).collect());
            }
            "for-all-nodes" => self.for_all_nodes = value.texts()?.unwrap_or_default(),
            "from" => value.set(&mut self.from_secs)?,
            "to" => value.set(&mut self.to_secs)?,
            "with-stats" => value.set(&mut self.with_stats)?,
            "with-data" => value.set(&mut self.with_data)?,
            "with-padding" => value.set(&mut self.with_padding)?,
            "resample" => set(&mut self.resample, resample(value)?),
            _ => {}
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Query<'de> {
    const EXPECTED: &'static str = "a query: an object with \"metric\" and \"host\"";
    const NAMES: &'static [&'static str] = &[
        "metric",
        "host",
        "aggreg",
        "resolution",
        "type",
        "type-ids",
        "subtype",
        "subtype-ids",
        "scale-by",
        "resample",
    ];

    fn read<A: MapAccess<'de>>(&mut self, name: &'static str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "metric" => set(&mut self.metric, value.text()?),
            "host" => set(&mut self.host, value.text()?),
            "aggreg" => value.set(&mut self.aggregate)?,
            "resolution" => value.set(&mut self.resolution_secs)?,
            "type" => self.kind = value.text()?,
            "type-ids" => self.kind_ids = value.texts()?.unwrap_or_default(),
            "subtype" => self.sub_kind = value.text()?,
            "subtype-ids" => self.sub_kind_ids = value.texts()?.unwrap_or_default(),
            "scale-by" => value.set(&mut self.scale_by)?,
            "resample" => self.resample = resample(value)?,
            _ => {}
        }
        Ok(())
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn resample<'de, A: MapAccess<'de>>(value: Value<'_, A>) -> Result<Option<Resample>, A::Error> {
    let Some(name) = value.text()? else { return Ok(None) };
    match Resample::parse(&name) {
        Some(kind) => Ok(Some(kind)),
        None => Err(de::Error::custom(format_args!("resample: unknown {name:?}, expected {}", Resample::NAMES))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Request<'_> {
        Request::parse(body.as_bytes()).unwrap()
    }

    fn refused(body: &str) -> String {
        Request::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_the_backend_sends() {
        let request = parse(
            r#"{"cluster":"fritz","queries":[{"type":"core","metric":"flops_any","host":"f0201","resolution":60,
                "type-ids":["0","1"],"aggreg":true}],"for-all-nodes":null,"from":1795259400,"to":1795263000,
                "with-stats":true,"with-data":false}"#,
        );
        assert_eq!((request.from_secs, request.to_secs), (1_795_259_400, 1_795_263_000));
        assert!(request.with_stats && !request.with_data && request.with_padding);
        assert!(request.for_all_nodes.is_empty());
        let [query] = &request.queries[..] else { panic!("{request:?}") };
        assert_eq!(query.kind.as_deref(), Some("core"));
        assert_eq!(query.kind_ids, ["0", "1"]);
        assert_eq!((&*query.metric, &*query.host), ("flops_any", "f0201"));
        assert_eq!((query.resolution_secs, query.aggregate), (60, true));
        assert!(matches!(query.metric, Cow::Borrowed(_)), "borrowed from the body");
    }

    #[test]
    fn keys_match_without_case_and_unknown_ones_are_skipped() {
        let request = parse(r#"{"Cluster":"a","FROM":1,"x":{"deep":[1,{"y":null}]},"Queries":[{"HOST":"h","z":1.5}]}"#);
        assert_eq!((&*request.cluster, request.from_secs, &*request.queries[0].host), ("a", 1, "h"));
    }

    #[test]
    fn null_keeps_the_default() {
        let all_null = r#"{"cluster":null,"queries":null,"for-all-nodes":null,"from":null,"to":null,"with-stats":null,
            "with-data":null,"with-padding":null,"resample":null}"#;
        assert_eq!(parse(all_null), Request::default());
        assert_eq!(parse("null"), Request::default());
        assert_eq!(parse("{}"), Request::default());
        let query = r#"{"queries":[null,{"metric":null,"host":null,"aggreg":null,"resolution":null,"type":null,
            "type-ids":null,"subtype":null,"subtype-ids":null,"scale-by":null,"resample":null}]}"#;
        assert_eq!(parse(query).queries, [Query::default(), Query::default()]);
        assert_eq!(parse(r#"{"queries":[{"type-ids":[null,"1"]}]}"#).queries[0].kind_ids, ["", "1"]);
    }

    #[test]
    fn what_follows_is_ignored() {
        assert_eq!(parse("{\"to\":5}\n{\"to\":6}").to_secs, 5);
        assert_eq!(parse("{\"to\":5} garbage").to_secs, 5);
        assert_eq!(parse(r#"{"to":5,"to":6}"#).to_secs, 6, "of equal keys the later");
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(parse(r#"{"cluster":"a\u0062\"c"}"#).cluster, "ab\"c");
        assert_eq!(parse(r#"{"clu\u0073ter":"a"}"#).cluster, "a");
    }

    #[test]
    fn scale_and_resample() {
        let request = parse(r#"{"resample":"max","queries":[{"scale-by":2.5,"resample":"sum"},{"scale-by":3}]}"#);
        assert_eq!((request.resample, request.queries[0].resample), (Resample::Max, Some(Resample::Sum)));
        assert_eq!((request.queries[0].scale_by, request.queries[1].scale_by), (2.5, 3.0));
        assert_eq!(request.queries[1].resample, None);
        assert_eq!(parse(r#"{"resample":""}"#).resample, Resample::Lttb);
    }

    #[test]
    fn errors_name_place_and_expectation() {
        assert_eq!(
            refused("{\"from\":1,\n \"to\":1.5}"),
            "line 2, column 9: to: invalid type: floating point `1.5`, expected i64"
        );
        assert_eq!(
            refused(r#"{"queries":[{},{"resolution":"60"}]}"#),
            "line 1, column 33: queries: [1]: resolution: invalid type: string \"60\", expected i64"
        );
        assert!(refused("").contains("empty"));
        assert!(refused(" \n").contains("empty"));
        assert!(refused("{nonsense").starts_with("line 1, column 2: "));
        assert!(refused("[]").contains("expected an object"));
        assert!(refused(r#"{"queries":{}}"#).contains("queries: invalid type: map, expected an array"));
        assert!(refused(r#"{"queries":[7]}"#).contains("queries: [0]: invalid type: integer `7`, expected a query"));
        assert!(refused(r#"{"queries":[{"type-ids":["0",1]}]}"#).contains("type-ids: [1]: invalid type: integer `1`"));
        assert!(refused(r#"{"resample":"mean"}"#).contains("unknown \"mean\", expected lttb, average"));
        for bad in
            [r#"{"to":1e3}"#, r#"{"to":9223372036854775808}"#, r#"{"with-data":1}"#, r#"{"cluster":1}"#, r#"{"to":5"#]
        {
            refused(bad);
        }
        for bad in [r#"{"queries":[{"scale-by":"2"}]}"#, r#"{"queries":[{"scale-by":1e400}]}"#] {
            refused(bad);
        }
    }

    #[test]
    fn deep_nesting_in_unknown_keys_does_no_harm() {
        let depth = 1_000_000;
        let body = format!("{{\"x\":{}{},\"to\":5}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse(&body).to_secs, 5);
        refused(&format!("{{\"queries\":{}", "[".repeat(depth)));
    }

    #[test]
    fn too_much_is_refused() {
        let ids = vec!["\"1\""; 1001].join(",");
        let query = format!(r#"{{"type":"a","type-ids":[{ids}],"subtype":"b","subtype-ids":[{ids}]}}"#);
        let body = format!(r#"{{"queries":[{query}]}}"#);
        assert_eq!(Request::parse(body.as_bytes()), Err(RequestError::TooMany { asked: 1001 * 1001 }));
        let body = format!(r#"{{"queries":[{}null]}}"#, "null,".repeat(SELECTIONS_MAX));
        assert!(refused(&body).contains("more than 1000000 items"));
    }
}
