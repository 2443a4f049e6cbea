//! Questions and their answers.

use serde_json::{Value, json};

use super::Store;

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub error: Option<String>,
    pub from: i64,
    pub to: i64,
    pub resolution: i64,
    pub data: Vec<Option<f64>>,
    pub avg: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Series {
    pub fn parse(row: &Value) -> Series {
        let integer = |key: &str| row[key].as_i64().unwrap_or_default();
        let data = row["data"].as_array().map(|data| data.iter().map(Value::as_f64).collect());
        Series {
            error: row["error"].as_str().map(str::to_owned),
            from: integer("from"),
            to: integer("to"),
            resolution: integer("resolution"),
            data: data.unwrap_or_default(),
            avg: row["avg"].as_f64(),
            min: row["min"].as_f64(),
            max: row["max"].as_f64(),
        }
    }

    /// The values that are there, in order.
    pub fn values(&self) -> Vec<f64> {
        self.data.iter().copied().flatten().collect()
    }

    /// The value whose slot covers a time.
    pub fn at(&self, secs: i64) -> Option<f64> {
        let slot = (secs - self.from + self.resolution / 2).div_euclid(self.resolution.max(1));
        usize::try_from(slot).ok().and_then(|slot| self.data.get(slot).copied().flatten())
    }
}

/// Values without holes, as an answer holds them.
pub fn dense(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

impl Store {
    /// Asks and answers the results as they came.
    #[track_caller]
    pub fn ask(&self, question: &Value) -> Value {
        self.get_with_body("/api/query", question.to_string()).expect_status(200).json()
    }

    /// Asks one query, which may name a type and its ids, and answers its rows, without padding.
    #[track_caller]
    pub fn rows(&self, from: i64, to: i64, query: Value) -> Vec<Series> {
        let question = json!({"cluster": "alex", "from": from, "to": to, "with-padding": false, "queries": [query]});
        let answer = self.ask(&question);
        let rows = answer["results"][0].as_array().unwrap_or_else(|| panic!("no rows in {answer}"));
        rows.iter().map(Series::parse).collect()
    }

    /// One metric of one host; `None` if the store knows nothing of it.
    #[track_caller]
    pub fn series(&self, host: &str, metric: &str, from: i64, to: i64) -> Option<Series> {
        let mut rows = self.rows(from, to, json!({"metric": metric, "host": host, "aggreg": true}));
        assert!(rows.len() <= 1, "{} rows for one host", rows.len());
        rows.pop()
    }

    /// The values of one metric of one host that are there, in order.
    #[track_caller]
    pub fn values(&self, host: &str, metric: &str, from: i64, to: i64) -> Vec<f64> {
        self.series(host, metric, from, to).map(|series| series.values()).unwrap_or_default()
    }
}
