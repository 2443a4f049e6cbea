//! From the tree that the parser made to the plan.

use super::super::annotations::Position;
use super::super::ast::{self, At, BinaryOp, Expr, FunctionId, Length, UnaryOp, ValueType};
use super::super::error::QueryError;
use super::{Aggregate, Binary, Kind, Node, Select, Subquery, Times, clamp_time, invariant};

/// Makes an expression ready for these times; subqueries without a step of their own take `subquery_step_ms`.
pub fn build(expr: &Expr, times: Times, subquery_step_ms: i64) -> Result<Node, QueryError> {
    let mut node = Builder { times, subquery_step_ms }.node(expr, Around::default())?;
    invariant::mark(&mut node);
    Ok(node)
}

struct Builder {
    times: Times,
    subquery_step_ms: i64,
}

/// What stands around a node.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    /// The innermost function or aggregation; a hint for sources.
    function: &'static str,
    /// The aggregation directly around; a hint for sources.
    aggregate: Option<&'a ast::Aggregate>,
    /// Whether count, sum or mean of histograms are asked for.
    asks_stats: bool,
    /// Whether buckets are looked at, or samples in between may be missing.
    needs_buckets: bool,
}

impl<'a> Around<'a> {
    fn aggregate(self, aggregate: &'a ast::Aggregate) -> Around<'a> {
        Around { function: aggregate.op.as_str(), aggregate: Some(aggregate), ..self }
    }

    fn call(self, call: &ast::Call) -> Around<'a> {
        use FunctionId::{
            HistogramAvg, HistogramCount, HistogramFraction, HistogramQuantile, HistogramQuantiles, HistogramSum,
        };
        let id = call.function.id;
        Around {
            function: call.function.name,
            aggregate: None,
            asks_stats: self.asks_stats || matches!(id, HistogramCount | HistogramSum | HistogramAvg),
            needs_buckets: self.needs_buckets
                || matches!(id, HistogramQuantile | HistogramQuantiles | HistogramFraction),
        }
    }

    fn binary(self, op: BinaryOp) -> Around<'a> {
        let is_trim = matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        Around { function: "", aggregate: None, needs_buckets: self.needs_buckets || is_trim, ..self }
    }

    fn subquery(self) -> Around<'a> {
        Around { aggregate: None, needs_buckets: true, ..self }
    }
}

impl Builder {
    fn node(&self, expr: &Expr, around: Around<'_>) -> Result<Node, QueryError> {
        let kind = match expr {
            Expr::Paren(paren) => {
                let inner = self.node(&paren.expr, around)?;
                return Ok(Node { position: Position(paren.span.start), ..inner });
            }
            Expr::Number(number) => Kind::Number(number.value),
            Expr::String(text) => Kind::Text(text.value.clone()),
            Expr::Vector(selector) => Kind::Select(self.select(selector, around)?),
            Expr::Matrix(matrix) => Kind::Window {
                select: self.select(&matrix.selector, around)?,
                range_ms: self.length(&matrix.range, false)?,
            },
            Expr::Subquery(subquery) => Kind::Subquery(Box::new(self.subquery(subquery, around)?)),
            Expr::Call(call) => self.call(call, around)?,
            Expr::Aggregate(aggregate) => Kind::Aggregate(Box::new(self.aggregate(aggregate, around)?)),
            Expr::Binary(binary) => Kind::Binary(Box::new(Binary {
                op: binary.op,
                left: self.node(&binary.lhs, around.binary(binary.op))?,
                right: self.node(&binary.rhs, around.binary(binary.op))?,
                matching: binary.matching.clone(),
                return_bool: binary.return_bool,
                position: Position(binary.lhs.span().start),
            })),
            Expr::Unary(unary) => {
                let inner = self.node(&unary.expr, around)?;
                match unary.op {
                    UnaryOp::Plus => inner.kind,
                    UnaryOp::Minus => Kind::Negate(Box::new(inner)),
                }
            }
        };
        let position = Position(expr.span().start);
        Ok(Node { kind, value_type: expr.value_type(), position, begins: position })
    }

    fn length(&self, length: &Length, may_be_negative: bool) -> Result<i64, QueryError> {
        let secs = |millis: i64| millis as f64 / 1000.0;
        let range_ms = self.times.end_ms.saturating_sub(self.times.start_ms);
        length
            .resolve(secs(self.times.step_ms), secs(range_ms), may_be_negative)
            .map_err(|error| QueryError::execution(error.to_string()))
    }

    fn offset(&self, offset: Option<&Length>) -> Result<i64, QueryError> {
        offset.map_or(Ok(0), |length| self.length(length, true))
    }

    fn at(&self, at: Option<At>) -> Option<i64> {
        at.map(|at| match at {
            At::Millis(millis) => clamp_time(millis),
            At::Start => self.times.start_ms,
            At::End => self.times.end_ms,
        })
    }

    fn select(&self, selector: &ast::VectorSelector, around: Around<'_>) -> Result<Select, QueryError> {
        Ok(Select {
            matchers: selector.matchers.clone(),
            offset_ms: self.offset(selector.offset.as_ref())?,
            at_ms: self.at(selector.at),
            mode: selector.mode,
            function: around.function,
            grouping: around.aggregate.map(|aggregate| aggregate.grouping.clone()).unwrap_or_default(),
            stats_only: around.asks_stats && !around.needs_buckets,
            by: around.aggregate.is_some_and(|aggregate| !aggregate.without),
        })
    }

    fn subquery(&self, subquery: &ast::Subquery, around: Around<'_>) -> Result<Subquery, QueryError> {
        let step_ms = match &subquery.step {
            Some(step) => self.length(step, false)?,
            None => 0,
        };
        Ok(Subquery {
            inner: self.node(&subquery.expr, around.subquery())?,
            range_ms: self.length(&subquery.range, false)?,
            step_ms: if step_ms > 0 { step_ms } else { self.subquery_step_ms.max(1) },
            offset_ms: self.offset(subquery.offset.as_ref())?,
            at_ms: self.at(subquery.at),
        })
    }

    fn call(&self, call: &ast::Call, around: Around<'_>) -> Result<Kind, QueryError> {
        let secs = |millis: i64| millis as f64 / 1000.0;
        let number = match call.function.id {
            FunctionId::Start => secs(self.times.start_ms),
            FunctionId::End => secs(self.times.end_ms),
            FunctionId::Range => secs(self.times.end_ms - self.times.start_ms),
            FunctionId::Step if self.times.start_ms == self.times.end_ms => 0.0,
            FunctionId::Step => secs(self.times.step_ms),
            _ => {
                let around = around.call(call);
                let args = call.args.iter().map(|arg| self.node(bare(arg), around));
                return Ok(Kind::Call {
                    function: call.function.id,
                    name: call.function.name,
                    args: args.collect::<Result<_, _>>()?,
                });
            }
        };
        Ok(Kind::Number(number))
    }

    fn aggregate(&self, aggregate: &ast::Aggregate, around: Around<'_>) -> Result<Aggregate, QueryError> {
        let around = around.aggregate(aggregate);
        let param = aggregate.param.as_ref().map(|param| self.node(bare(param), Around::default()));
        let mut grouping = aggregate.grouping.clone();
        grouping.sort();
        Ok(Aggregate {
            op: aggregate.op,
            inner: self.node(bare(&aggregate.expr), around)?,
            param: param.transpose()?,
            grouping,
            without: aggregate.without,
        })
    }
}

/// The expression without the parentheses around it.
fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

impl Node {
    /// A text argument; the parser saw to it that it is one.
    pub fn text(&self) -> &str {
        match &self.kind {
            Kind::Text(text) => text,
            _ => "",
        }
    }

    /// Whether the node answers a number at each step.
    pub fn is_scalar(&self) -> bool {
        self.value_type == ValueType::Scalar
    }
}
