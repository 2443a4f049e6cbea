//! Lengths of time in a query: numbers, and expressions over the query's step and range.

use super::Span;

/// A length of time as it stands in a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Length {
    /// Known already, in milliseconds.
    Millis(i64),
    /// To be worked out when the query's step and range are known.
    Expr(DurationExpr),
}

impl Length {
    /// The length in milliseconds, for a query with this step and range, both in seconds.
    ///
    /// `may_be_negative` says whether the place allows lengths of 0 and less, as offsets do.
    pub fn resolve(&self, step_secs: f64, range_secs: f64, may_be_negative: bool) -> Result<i64, DurationError> {
        match self {
            Length::Millis(millis) => Ok(*millis),
            Length::Expr(expr) => expr.resolve(step_secs, range_secs, may_be_negative),
        }
    }
}

/// An expression for a length of time, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it does.
    pub kind: DurationKind,
    /// Whether it stands in parentheses; never for a plain number, which gets a [`DurationKind::Plus`] around it.
    pub wrapped: bool,
    /// Where it stands.
    pub span: Span,
}

/// What a duration expression does.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// A number of seconds.
    Number {
        /// The seconds.
        secs: f64,
        /// Whether it is written as a duration (`5m`), not as a number.
        as_duration: bool,
    },
    /// `step()`: the query's step; 0 for an instant query.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `+`, or the parentheses around a plain number.
    Plus(Box<DurationExpr>),
    /// `-`
    Minus(Box<DurationExpr>),
    /// Something of two.
    Binary {
        /// What is done.
        op: DurationOp,
        /// The left or first one.
        lhs: Box<DurationExpr>,
        /// The right or second one.
        rhs: Box<DurationExpr>,
    },
}

/// An operator or function of two lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `min_of(a, b)`
    MinOf,
    /// `max_of(a, b)`
    MaxOf,
}

impl DurationOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            DurationOp::Add => "+",
            DurationOp::Sub => "-",
            DurationOp::Mul => "*",
            DurationOp::Div => "/",
            DurationOp::Mod => "%",
            DurationOp::Pow => "^",
            DurationOp::MinOf => "min_of",
            DurationOp::MaxOf => "max_of",
        }
    }
}

/// Why an expression gives no length; `start` and `end` are bytes of the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It is not finite.
    #[error("{}:{}: duration is NaN or infinite", .0.start, .0.end)]
    NotFinite(Span),
    /// It is 0 or less where that means nothing.
    #[error("{}:{}: duration must be greater than 0", .0.start, .0.end)]
    NotPositive(Span),
    /// It does not fit into 64 bits of nanoseconds.
    #[error("{}:{}: duration is out of range", .0.start, .0.end)]
    OutOfRange(Span),
    /// A part divides by 0.
    #[error("{}:{}: division by zero", .0.start, .0.end)]
    DivisionByZero(Span),
    /// A part takes the rest of a division by 0.
    #[error("{}:{}: modulo by zero", .0.start, .0.end)]
    ModuloByZero(Span),
}

/// Lengths beyond this many seconds do not fit into 64 bits of nanoseconds.
pub(crate) const LENGTH_SECS_MAX: f64 = (1_u64 << 63) as f64 / 1e9;

impl DurationExpr {
    /// The length in milliseconds, cut off towards 0.
    fn resolve(&self, step_secs: f64, range_secs: f64, may_be_negative: bool) -> Result<i64, DurationError> {
        let secs = self.secs(step_secs, range_secs)?;
        if !secs.is_finite() {
            return Err(DurationError::NotFinite(self.span));
        }
        if secs <= 0.0 && !may_be_negative {
            return Err(DurationError::NotPositive(self.span));
        }
        if secs.abs() > LENGTH_SECS_MAX {
            return Err(DurationError::OutOfRange(self.span));
        }
        Ok((secs * 1000.0) as i64)
    }

    fn secs(&self, step_secs: f64, range_secs: f64) -> Result<f64, DurationError> {
        let secs = match &self.kind {
            DurationKind::Number { secs, .. } => *secs,
            DurationKind::Step => step_secs,
            DurationKind::Range => range_secs,
            DurationKind::Plus(operand) => operand.secs(step_secs, range_secs)?,
            DurationKind::Minus(operand) => -operand.secs(step_secs, range_secs)?,
            DurationKind::Binary { op, lhs, rhs } => {
                let (lhs, rhs) = (lhs.secs(step_secs, range_secs)?, rhs.secs(step_secs, range_secs)?);
                match op {
                    DurationOp::Add => lhs + rhs,
                    DurationOp::Sub => lhs - rhs,
                    DurationOp::Mul => lhs * rhs,
                    DurationOp::Div if rhs == 0.0 => return Err(DurationError::DivisionByZero(self.span)),
                    DurationOp::Div => lhs / rhs,
                    DurationOp::Mod if rhs == 0.0 => return Err(DurationError::ModuloByZero(self.span)),
                    DurationOp::Mod => lhs % rhs,
                    DurationOp::Pow => lhs.powf(rhs),
                    // NaN wins, which Rust's own `min` and `max` see the other way round.
                    DurationOp::MinOf | DurationOp::MaxOf if lhs.is_nan() || rhs.is_nan() => f64::NAN,
                    DurationOp::MinOf => lhs.min(rhs),
                    DurationOp::MaxOf => lhs.max(rhs),
                }
            }
        };
        Ok(secs)
    }
}
