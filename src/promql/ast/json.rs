//! The tree as JSON, as `/api/v1/parse_query` answers it: fields in the order of their names.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::print::plain_number;
use super::{At, Call, DurationExpr, DurationKind, Expr, Length, RangeMode, VectorMatching, VectorSelector};
use crate::model::Matcher;

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Expr::Aggregate(aggregate) => {
                map.serialize_entry("expr", &aggregate.expr)?;
                map.serialize_entry("grouping", &aggregate.grouping)?;
                map.serialize_entry("op", aggregate.op.as_str())?;
                map.serialize_entry("param", &aggregate.param)?;
                map.serialize_entry("type", "aggregation")?;
                map.serialize_entry("without", &aggregate.without)?;
            }
            Expr::Binary(binary) => {
                map.serialize_entry("bool", &binary.return_bool)?;
                map.serialize_entry("lhs", &binary.lhs)?;
                map.serialize_entry("matching", &binary.matching.as_ref().map(Matching))?;
                map.serialize_entry("op", binary.op.as_str())?;
                map.serialize_entry("rhs", &binary.rhs)?;
                map.serialize_entry("type", "binaryExpr")?;
            }
            Expr::Call(call) => {
                map.serialize_entry("args", &call.args)?;
                map.serialize_entry("func", &Signature(call))?;
                map.serialize_entry("type", "call")?;
            }
            Expr::Matrix(matrix) => {
                let selector = &matrix.selector;
                entries_before_range(&mut map, selector)?;
                map.serialize_entry("range", &millis(Some(&matrix.range)))?;
                map.serialize_entry("rangeExpr", &expr(Some(&matrix.range)))?;
                entries_behind_range(&mut map, selector, "matrixSelector")?;
            }
            Expr::Number(number) => {
                map.serialize_entry("type", "numberLiteral")?;
                map.serialize_entry("val", &plain_number(number.value))?;
            }
            Expr::Paren(paren) => {
                map.serialize_entry("expr", &paren.expr)?;
                map.serialize_entry("type", "parenExpr")?;
            }
            Expr::String(string) => {
                map.serialize_entry("type", "stringLiteral")?;
                map.serialize_entry("val", &string.value)?;
            }
            Expr::Subquery(subquery) => {
                map.serialize_entry("expr", &subquery.expr)?;
                map.serialize_entry("offset", &millis(subquery.offset.as_ref()))?;
                map.serialize_entry("offsetExpr", &expr(subquery.offset.as_ref()))?;
                map.serialize_entry("range", &millis(Some(&subquery.range)))?;
                map.serialize_entry("rangeExpr", &expr(Some(&subquery.range)))?;
                map.serialize_entry("startOrEnd", &start_or_end(subquery.at))?;
                map.serialize_entry("step", &millis(subquery.step.as_ref()))?;
                map.serialize_entry("stepExpr", &expr(subquery.step.as_ref()))?;
                map.serialize_entry("timestamp", &timestamp(subquery.at))?;
                map.serialize_entry("type", "subquery")?;
            }
            Expr::Unary(unary) => {
                map.serialize_entry("expr", &unary.expr)?;
                map.serialize_entry("op", unary.op.as_str())?;
                map.serialize_entry("type", "unaryExpr")?;
            }
            Expr::Vector(selector) => {
                entries_before_range(&mut map, selector)?;
                entries_behind_range(&mut map, selector, "vectorSelector")?;
            }
        }
        map.end()
    }
}

/// The fields of a selector whose names come before `range`.
fn entries_before_range<M: SerializeMap>(map: &mut M, selector: &VectorSelector) -> Result<(), M::Error> {
    let matchers: Vec<OneMatcher> = selector.matchers.iter().map(OneMatcher).collect();
    map.serialize_entry("anchored", &(selector.mode == RangeMode::Anchored))?;
    map.serialize_entry("matchers", &matchers)?;
    map.serialize_entry("name", selector.name.as_deref().unwrap_or_default())?;
    map.serialize_entry("offset", &millis(selector.offset.as_ref()))?;
    map.serialize_entry("offsetExpr", &expr(selector.offset.as_ref()))
}

/// The fields of a selector whose names come after `rangeExpr`.
fn entries_behind_range<M: SerializeMap>(map: &mut M, selector: &VectorSelector, kind: &str) -> Result<(), M::Error> {
    map.serialize_entry("smoothed", &(selector.mode == RangeMode::Smoothed))?;
    map.serialize_entry("startOrEnd", &start_or_end(selector.at))?;
    map.serialize_entry("timestamp", &timestamp(selector.at))?;
    map.serialize_entry("type", kind)
}

/// The milliseconds of a length; 0 without one, or if it is to be worked out.
fn millis(length: Option<&Length>) -> i64 {
    match length {
        Some(Length::Millis(millis)) => *millis,
        Some(Length::Expr(_)) | None => 0,
    }
}

/// The expression of a length, if it has one.
fn expr(length: Option<&Length>) -> Option<&DurationExpr> {
    match length {
        Some(Length::Expr(expr)) => Some(expr),
        Some(Length::Millis(_)) | None => None,
    }
}

fn timestamp(at: Option<At>) -> Option<i64> {
    match at {
        Some(At::Millis(millis)) => Some(millis),
        Some(At::Start | At::End) | None => None,
    }
}

fn start_or_end(at: Option<At>) -> Option<&'static str> {
    match at {
        Some(At::Start) => Some("start"),
        Some(At::End) => Some("end"),
        Some(At::Millis(_)) | None => None,
    }
}

impl Serialize for DurationExpr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let DurationKind::Number { secs, as_duration } = &self.kind {
            map.serialize_entry("duration", as_duration)?;
            map.serialize_entry("type", "numberLiteral")?;
            map.serialize_entry("val", &plain_number(*secs))?;
            return map.end();
        }
        let (op, lhs, rhs) = match &self.kind {
            DurationKind::Number { .. } | DurationKind::Step => ("step", None, None),
            DurationKind::Range => ("range", None, None),
            DurationKind::Plus(operand) => ("+", None, Some(operand)),
            DurationKind::Minus(operand) => ("-", None, Some(operand)),
            DurationKind::Binary { op, lhs, rhs } => (op.as_str(), Some(lhs), Some(rhs)),
        };
        map.serialize_entry("lhs", &lhs)?;
        map.serialize_entry("op", op)?;
        map.serialize_entry("rhs", &rhs)?;
        map.serialize_entry("type", "durationExpr")?;
        map.serialize_entry("wrapped", &self.wrapped)?;
        map.end()
    }
}

struct OneMatcher<'a>(&'a Matcher);

impl Serialize for OneMatcher<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("name", self.0.name())?;
        map.serialize_entry("type", self.0.op().as_str())?;
        map.serialize_entry("value", self.0.value())?;
        map.end()
    }
}

struct Matching<'a>(&'a VectorMatching);

impl Serialize for Matching<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fill {
            lhs: Option<Number>,
            rhs: Option<Number>,
        }
        let matching = self.0;
        let fill = Fill { lhs: matching.fill.left.map(Number), rhs: matching.fill.right.map(Number) };
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("card", matching.cardinality.as_str())?;
        map.serialize_entry("fillValues", &fill)?;
        map.serialize_entry("include", &matching.include)?;
        map.serialize_entry("labels", &matching.labels)?;
        map.serialize_entry("on", &matching.on)?;
        map.end()
    }
}

/// What the called function takes and gives.
struct Signature<'a>(&'a Call);

impl Serialize for Signature<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let function = self.0.function;
        let types: Vec<&str> = function.arg_types.iter().map(|kind| kind.name()).collect();
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("argTypes", &types)?;
        map.serialize_entry("name", function.name)?;
        map.serialize_entry("returnType", function.return_type.name())?;
        map.serialize_entry("variadic", &function.variadic)?;
        map.end()
    }
}

/// A number; whole ones without a point.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= WHOLE_MAX {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}
