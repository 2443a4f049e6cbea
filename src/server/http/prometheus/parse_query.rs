//! `GET|POST /api/v1/format_query` and `/api/v1/parse_query`: an expression, tidied or taken apart.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::envelope::small;
use super::failure::bad_parameter;
use crate::promql::ast::Expr;
use crate::promql::parse::parse_expr;

pub(super) async fn format_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    of_expression(app, request, |expr| small(&expr.pretty())).await
}

pub(super) async fn parse_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    of_expression(app, request, |expr| small(&expr)).await
}

/// Answers with something of the expression, which is parsed on a blocking thread: its patterns are compiled.
async fn of_expression(
    app: Arc<App>,
    request: Request,
    answer: fn(Expr) -> Result<Response, Refusal>,
) -> Result<Response, Refusal> {
    let form = app.form(request).await?;
    let _turn = app.answer_turn(AnswerLimit::Promql).await?;
    let parsed = tokio::task::spawn_blocking(move || {
        let parsed = parse_expr(form.value("query"), &app.options.prometheus.parse);
        answer(parsed.map_err(|error| bad_parameter("query", error))?)
    });
    parsed.await.unwrap_or_else(|error| Err(Refusal::internal(format!("parsing failed: {error}"))))
}
