//! Functions of one number, and Go's ideas of the greater and the lesser of two.

use super::ast::FunctionId as Id;

/// The function of that name, if it is one of a number.
pub fn function(id: Id) -> Option<fn(f64) -> f64> {
    Some(match id {
        Id::Abs => f64::abs,
        Id::Ceil => f64::ceil,
        Id::Floor => f64::floor,
        Id::Exp => f64::exp,
        Id::Sqrt => f64::sqrt,
        Id::Ln => f64::ln,
        Id::Log2 => f64::log2,
        Id::Log10 => f64::log10,
        Id::Sin => f64::sin,
        Id::Cos => f64::cos,
        Id::Tan => f64::tan,
        Id::Asin => f64::asin,
        Id::Acos => f64::acos,
        Id::Atan => f64::atan,
        Id::Sinh => f64::sinh,
        Id::Cosh => f64::cosh,
        Id::Tanh => f64::tanh,
        Id::Asinh => f64::asinh,
        Id::Acosh => f64::acosh,
        Id::Atanh => f64::atanh,
        Id::Rad => |value| value * std::f64::consts::PI / 180.0,
        Id::Deg => |value| value * 180.0 / std::f64::consts::PI,
        Id::Sgn => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        _ => return None,
    })
}

/// The greater of two numbers; infinity beats NaN, NaN beats all others.
pub fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The lesser of two numbers; minus infinity beats NaN, NaN beats all others.
pub fn min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}
