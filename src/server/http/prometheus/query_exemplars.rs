//! `GET|POST /api/v1/query_exemplars`: the examples behind the samples of series.

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::answer::Unanswered;
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::envelope::{self, Notes};
use super::evaluate::watch;
use super::failure::bad_data;
use super::result::{push_labels, push_time, push_value};
use crate::model::{Exemplar, Labels, Matcher};
use crate::promql::ast::Expr;
use crate::promql::parse::parse_expr;
use crate::promql::tree::TreeSource;

pub(super) async fn query_exemplars(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    let start = form.time_or("start", i64::MIN / 2)?;
    let end = form.time_or("end", i64::MAX / 2)?;
    if end.ms < start.ms {
        return Err(bad_data("end timestamp must not be before start timestamp"));
    }
    let query = form.value("query").to_owned();
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = envelope::answer(policy, turn, move |out| {
        let expr = parse_expr(&query, &app.options.prometheus.parse).map_err(bad_data)?;
        let source = TreeSource::new(app.service.store(), 0, &watch);
        let found = source.exemplars(&selectors(&expr), (start.ms, end.ms));
        watch.check()?;
        write(out, &found)?;
        Ok(Notes::default())
    })
    .await;
    drop(waiting);
    answer
}

/// The matchers of every selector of an expression.
fn selectors(expr: &Expr) -> Vec<Vec<Matcher>> {
    let mut selectors = Vec::new();
    expr.walk(&mut |expr| match expr {
        Expr::Vector(selector) => selectors.push(selector.matchers.clone()),
        Expr::Matrix(matrix) => selectors.push(matrix.selector.matchers.clone()),
        _ => {}
    });
    selectors
}

fn write(out: &mut dyn Write, found: &[(Labels, Vec<Exemplar>)]) -> Result<(), Unanswered> {
    let mut buffer = b"[".to_vec();
    for (at, (labels, exemplars)) in found.iter().enumerate() {
        buffer.extend_from_slice(if at > 0 { b",{\"seriesLabels\":" } else { b"{\"seriesLabels\":" });
        push_labels(&mut buffer, labels)?;
        buffer.extend_from_slice(b",\"exemplars\":[");
        for (at, exemplar) in exemplars.iter().enumerate() {
            buffer.extend_from_slice(if at > 0 { b",{\"labels\":" } else { b"{\"labels\":" });
            push_labels(&mut buffer, &exemplar.labels)?;
            buffer.extend_from_slice(b",\"value\":");
            push_value(&mut buffer, exemplar.value);
            buffer.extend_from_slice(b",\"timestamp\":");
            push_time(&mut buffer, exemplar.time_ms);
            buffer.push(b'}');
        }
        buffer.extend_from_slice(b"]}");
        if buffer.len() > 64 << 10 {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    buffer.push(b']');
    Ok(out.write_all(&buffer)?)
}
