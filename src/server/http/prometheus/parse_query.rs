//! `GET|POST /api/v1/format_query` and `/api/v1/parse_query`: an expression, tidied or taken apart.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::{App, Refusal};
use super::envelope::small;
use super::failure::bad_parameter;
use crate::promql::ast::Expr;
use crate::promql::parse::parse_expr;

pub(super) async fn format_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    small(&expression(&app, request).await?.pretty())
}

pub(super) async fn parse_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    small(&expression(&app, request).await?)
}

async fn expression(app: &App, request: Request) -> Result<Expr, Refusal> {
    let form = app.form(request).await?;
    parse_expr(form.value("query"), &app.options.prometheus.parse).map_err(|error| bad_parameter("query", error))
}
