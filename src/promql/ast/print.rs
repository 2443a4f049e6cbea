//! The tree as text, in the one form that Prometheus gives it.

use std::fmt::{self, Display, Formatter};

use super::{
    Aggregate, At, Binary, Cardinality, DurationExpr, DurationKind, DurationOp, Expr, Length, MatrixSelector,
    NumberLiteral, RangeMode, Subquery, VectorMatching, VectorSelector,
};
use crate::model::{METRIC_NAME, MatchOp, is_plain_name, write_quoted};

impl Display for Expr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Aggregate(aggregate) => {
                aggregate.write_head(out)?;
                out.write_str("(")?;
                if let Some(param) = &aggregate.param {
                    write!(out, "{param}, ")?;
                }
                write!(out, "{})", aggregate.expr)
            }
            Expr::Binary(binary) => {
                write!(out, "{} ", binary.lhs)?;
                binary.write_operator(out)?;
                write!(out, " {}", binary.rhs)
            }
            Expr::Call(call) => {
                write!(out, "{}(", call.function.name)?;
                for (i, arg) in call.args.iter().enumerate() {
                    write!(out, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                out.write_str(")")
            }
            Expr::Matrix(matrix) => matrix.fmt(out),
            Expr::Number(number) => number.fmt(out),
            Expr::Paren(paren) => write!(out, "({})", paren.expr),
            Expr::String(string) => write_quoted(out, &string.value),
            Expr::Subquery(subquery) => {
                subquery.expr.fmt(out)?;
                subquery.write_suffix(out)
            }
            Expr::Unary(unary) => write!(out, "{}{}", unary.op, unary.expr),
            Expr::Vector(selector) => selector.fmt(out),
        }
    }
}

impl Aggregate {
    /// All before the arguments.
    pub(super) fn write_head(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.op.as_str())?;
        let clause = match self.without {
            true => " without (",
            false if self.grouping.is_empty() => return Ok(()),
            false => " by (",
        };
        out.write_str(clause)?;
        write_names(out, &self.grouping)?;
        out.write_str(") ")
    }
}

impl Binary {
    /// The operator with all that belongs to it.
    pub(super) fn write_operator(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{}{}", self.op, if self.return_bool { " bool" } else { "" })?;
        match &self.matching {
            Some(matching) => matching.write(out),
            None => Ok(()),
        }
    }
}

impl VectorMatching {
    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let group = match self.cardinality {
            Cardinality::ManyToOne => Some("left"),
            Cardinality::OneToMany => Some("right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if !self.labels.is_empty() || self.on || group.is_some() {
            out.write_str(if self.on { " on (" } else { " ignoring (" })?;
            write_names(out, &self.labels)?;
            out.write_str(")")?;
        }
        if let Some(side) = group {
            write!(out, " group_{side} (")?;
            write_names(out, &self.include)?;
            out.write_str(")")?;
        }
        match (self.fill.left, self.fill.right) {
            (Some(left), Some(right)) if left == right => write!(out, " fill ({})", short_number(left)),
            (left, right) => {
                if let Some(left) = left {
                    write!(out, " fill_left ({})", short_number(left))?;
                }
                if let Some(right) = right {
                    write!(out, " fill_right ({})", short_number(right))?;
                }
                Ok(())
            }
        }
    }
}

fn write_names(out: &mut impl fmt::Write, names: &[String]) -> fmt::Result {
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            out.write_str(", ")?;
        }
        if is_plain_name(name) {
            out.write_str(name)?;
        } else {
            write_quoted(out, name)?;
        }
    }
    Ok(())
}

impl Display for VectorSelector {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.write_series(out)?;
        write_at(out, self.at)?;
        out.write_str(self.mode.suffix())?;
        write_offset(out, self.offset.as_ref())
    }
}

impl VectorSelector {
    /// The name and the matchers.
    fn write_series(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or_default();
        out.write_str(name)?;
        let stands_before = |matcher: &&crate::model::Matcher| {
            matcher.name() == METRIC_NAME
                && matcher.op() == MatchOp::Equal
                && matcher.value() == name
                && !name.is_empty()
        };
        let matchers = self.matchers.iter().filter(|matcher| !stands_before(matcher));
        let mut matchers: Vec<String> = matchers.map(ToString::to_string).collect();
        if matchers.is_empty() {
            return if name.is_empty() { out.write_str("{}") } else { Ok(()) };
        }
        matchers.sort();
        write!(out, "{{{}}}", matchers.join(","))
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.selector.write_series(out)?;
        write!(out, "[{}]{}", self.range, self.selector.mode.suffix())?;
        write_at(out, self.selector.at)?;
        write_offset(out, self.selector.offset.as_ref())
    }
}

impl Subquery {
    /// All behind the expression.
    pub(super) fn write_suffix(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "[{}:", self.range)?;
        if let Some(step) = &self.step {
            step.fmt(out)?;
        }
        out.write_str("]")?;
        write_at(out, self.at)?;
        write_offset(out, self.offset.as_ref())
    }
}

impl RangeMode {
    fn suffix(self) -> &'static str {
        match self {
            RangeMode::Plain => "",
            RangeMode::Anchored => " anchored",
            RangeMode::Smoothed => " smoothed",
        }
    }
}

fn write_at(out: &mut Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Millis(millis)) => write!(out, " @ {:.3}", millis as f64 / 1000.0),
        Some(At::Start) => out.write_str(" @ start()"),
        Some(At::End) => out.write_str(" @ end()"),
    }
}

fn write_offset(out: &mut Formatter<'_>, offset: Option<&Length>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(offset) => write!(out, " offset {offset}"),
    }
}

impl Display for Length {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Length::Millis(millis) => write_millis(out, *millis),
            Length::Expr(expr) => expr.fmt(out),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.wrapped {
            out.write_str("(")?;
        }
        match &self.kind {
            DurationKind::Number { secs, as_duration } => write_number(out, *secs, *as_duration)?,
            DurationKind::Step => out.write_str("step()")?,
            DurationKind::Range => out.write_str("range()")?,
            // A plus has no meaning but to hold the parentheses.
            DurationKind::Plus(operand) => operand.fmt(out)?,
            DurationKind::Minus(operand) => write!(out, "-{operand}")?,
            DurationKind::Binary { op: op @ (DurationOp::MinOf | DurationOp::MaxOf), lhs, rhs } => {
                write!(out, "{}({lhs}, {rhs})", op.as_str())?;
            }
            DurationKind::Binary { op, lhs, rhs } => write!(out, "{lhs} {} {rhs}", op.as_str())?,
        }
        if self.wrapped {
            out.write_str(")")?;
        }
        Ok(())
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write_number(out, self.value, self.as_duration)
    }
}

fn write_number(out: &mut impl fmt::Write, value: f64, as_duration: bool) -> fmt::Result {
    if as_duration {
        // A whole number of milliseconds, which seconds do not hold exactly.
        return write_millis(out, (value * 1000.0).round() as i64);
    }
    out.write_str(&plain_number(value))
}

/// A number in as few digits as give it back, without an exponent.
pub(super) fn plain_number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        other => other.to_string(),
    }
}

/// A number in as few digits as give it back, with an exponent where it is very small or very large.
fn short_number(value: f64) -> String {
    let scientific = format!("{value:e}");
    match scientific.split_once('e').and_then(|(digits, power)| Some((digits, power.parse::<i32>().ok()?))) {
        Some((digits, power)) if !(-4..21).contains(&power) => {
            let sign = if power < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", power.abs())
        }
        _ => plain_number(value),
    }
}

/// A duration in units; weeks and years only where they leave no rest.
fn write_millis(out: &mut impl fmt::Write, millis: i64) -> fmt::Result {
    if millis == 0 {
        return out.write_str("0s");
    }
    if millis < 0 {
        out.write_str("-")?;
    }
    let mut rest = millis.unsigned_abs();
    const UNITS: [(&str, u64, bool); 7] = [
        ("y", 365 * 24 * 3_600_000, true),
        ("w", 7 * 24 * 3_600_000, true),
        ("d", 24 * 3_600_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    for (unit, unit_ms, exact) in UNITS {
        if rest >= unit_ms && (!exact || rest.is_multiple_of(unit_ms)) {
            write!(out, "{}{unit}", rest / unit_ms)?;
            rest %= unit_ms;
        }
    }
    Ok(())
}
