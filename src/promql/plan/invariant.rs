//! Finds what is the same at every step.
//!
//! A selector with `@` is; so is what is made of such parts alone, unless a function looks at the step's own time. The
//! topmost node of such a part goes under [`Kind::Invariant`]; numbers and texts, and ranges of samples, which their
//! function reads itself, never do.

use super::super::ast::FunctionId;
use super::{Kind, Node};

/// Marks the invariant parts of a whole plan.
pub fn mark(node: &mut Node) {
    if visit(node).wrap {
        wrap(node);
    }
}

#[derive(Clone, Copy)]
struct Found {
    /// Whether the node is the same at every step.
    is_invariant: bool,
    /// Whether it should be wrapped, if nothing around it is.
    wrap: bool,
}

fn visit(node: &mut Node) -> Found {
    let both = |is: bool| Found { is_invariant: is, wrap: is };
    match &mut node.kind {
        Kind::Number(_) | Kind::Text(_) | Kind::Invariant(_) => Found { is_invariant: true, wrap: false },
        Kind::Select(select) => both(select.at_ms.is_some()),
        Kind::Window { select, .. } => Found { is_invariant: select.at_ms.is_some(), wrap: false },
        Kind::Negate(inner) => visit(inner),
        Kind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                let found = visit(param);
                if !found.is_invariant {
                    // The parameter differs from step to step, whatever the series do.
                    if visit(&mut aggregate.inner).wrap {
                        wrap(&mut aggregate.inner);
                    }
                    return both(false);
                }
            }
            visit(&mut aggregate.inner)
        }
        Kind::Binary(binary) => {
            let (left, right) = (visit(&mut binary.left), visit(&mut binary.right));
            if left.is_invariant && right.is_invariant {
                return both(true);
            }
            for (side, found) in [(&mut binary.left, left), (&mut binary.right, right)] {
                if found.wrap {
                    wrap(side);
                }
            }
            both(false)
        }
        Kind::Subquery(subquery) => {
            if visit(&mut subquery.inner).is_invariant {
                wrap(&mut subquery.inner);
            }
            Found { is_invariant: subquery.at_ms.is_some(), wrap: false }
        }
        Kind::Call { function, args, .. } => {
            let found: Vec<Found> = args.iter_mut().map(visit).collect();
            let all = found.iter().all(|found| found.is_invariant);
            // Of `timestamp`, only a selector's own times do not move with the step.
            let is_safe = match function {
                FunctionId::Timestamp => args.iter().all(|arg| matches!(arg.kind, Kind::Select(_))),
                other => !looks_at_time(*other),
            };
            if all && is_safe {
                return both(true);
            }
            for (arg, found) in args.iter_mut().zip(found) {
                if found.wrap {
                    wrap(arg);
                }
            }
            both(false)
        }
    }
}

/// Whether the function's answer depends on the step's time beside its arguments.
fn looks_at_time(function: FunctionId) -> bool {
    use FunctionId::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, PredictLinear, Time, Timestamp, Year,
    };
    matches!(
        function,
        DayOfMonth
            | DayOfWeek
            | DayOfYear
            | DaysInMonth
            | Hour
            | Minute
            | Month
            | PredictLinear
            | Time
            | Timestamp
            | Year
    )
}

fn wrap(node: &mut Node) {
    let Node { value_type, position, begins, .. } = *node;
    let inner = Node { kind: Kind::Number(0.0), value_type, position, begins };
    let inner = std::mem::replace(node, inner);
    node.kind = Kind::Invariant(Box::new(inner));
}
