//! The check of a whole tree: the types of its parts, and what operators and selectors have to keep to.
//!
//! Settles what the parser leaves open: set operators match many to many, and matching is for two vectors alone.

use super::super::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, FunctionId, Span, Subquery, Unary, ValueType,
    VectorSelector,
};
use super::error::Stop;
use super::quote::quote;

/// Checks a tree that was parsed from `query`; the first trouble, in the order of the text, counts.
///
/// Calls itself for every level: what has more to do than that is a function of its own, to keep this frame small.
pub(super) fn check(expr: &mut Expr, query: &str) -> Result<(), Stop> {
    match expr {
        Expr::Aggregate(aggregate) => check_aggregate(aggregate, query),
        Expr::Binary(binary) => {
            check(&mut binary.lhs, query)?;
            check(&mut binary.rhs, query)?;
            check_binary(binary, query)
        }
        Expr::Call(call) => check_call(call, query),
        Expr::Matrix(matrix) => check_selector(&matrix.selector),
        Expr::Number(_) | Expr::String(_) => Ok(()),
        Expr::Paren(paren) => check(&mut paren.expr, query),
        Expr::Subquery(subquery) => {
            check(&mut subquery.expr, query)?;
            check_subquery(subquery)
        }
        Expr::Unary(unary) => {
            check(&mut unary.expr, query)?;
            check_unary(unary)
        }
        Expr::Vector(selector) => check_selector(selector),
    }
}

fn check_subquery(subquery: &Subquery) -> Result<(), Stop> {
    match subquery.expr.value_type() {
        ValueType::Vector => Ok(()),
        other => {
            let message = format!("subquery is only allowed on instant vector, got {} instead", other.name());
            Stop::failed(Span::new(subquery.expr.span().start, subquery.end), message)
        }
    }
}

fn check_unary(unary: &Unary) -> Result<(), Stop> {
    match unary.expr.value_type() {
        ValueType::Scalar | ValueType::Vector => Ok(()),
        other => {
            let message = "unary expression only allowed on expressions of type scalar or instant vector";
            let span = Span::new(unary.start, unary.expr.span().end);
            Stop::failed(span, format!("{message}, got {}", quote(other.documented())))
        }
    }
}

fn check_aggregate(aggregate: &mut Aggregate, query: &str) -> Result<(), Stop> {
    let expect = |expr: &mut Expr, wanted: ValueType, place: &str| {
        check(expr, query)?;
        expect_type(expr, wanted, place)
    };
    expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
    let Some(param) = &mut aggregate.param else { return Ok(()) };
    let wanted = match aggregate.op {
        AggregateOp::CountValues => ValueType::String,
        _ => ValueType::Scalar,
    };
    expect(param, wanted, "aggregation parameter")
}

fn expect_type(expr: &Expr, wanted: ValueType, place: &str) -> Result<(), Stop> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    let (wanted, found) = (wanted.documented(), found.documented());
    Stop::failed(expr.span(), format!("expected type {wanted} in {place}, got {found}"))
}

/// All but the two sides themselves.
fn check_binary(binary: &mut Binary, query: &str) -> Result<(), Stop> {
    let (left, right) = (binary.lhs.value_type(), binary.rhs.value_type());
    let span = Span::merge(binary.lhs.span(), binary.rhs.span());
    let op = binary.op;
    if binary.return_bool && !op.is_comparison() {
        return Stop::failed(operator_span(binary, query), "bool modifier can only be used on comparison operators");
    }
    if op.is_comparison() && !binary.return_bool && left == ValueType::Scalar && right == ValueType::Scalar {
        return Stop::failed(operator_span(binary, query), "comparisons between scalars must use BOOL modifier");
    }
    if let Some(matching) = &binary.matching
        && matching.on
        && let Some(label) = matching.labels.iter().find(|label| matching.include.contains(label))
    {
        let message = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
        return Stop::failed(operator_span(binary, query), message);
    }
    for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let message = "binary expression must contain only scalar and instant vector types";
            return Stop::failed(side.span(), message);
        }
    }
    let vectors = left == ValueType::Vector && right == ValueType::Vector;
    if let Some(matching) = &mut binary.matching {
        if !vectors && !matching.labels.is_empty() {
            return Stop::failed(span, "vector matching only allowed between instant vectors");
        }
        if !vectors && matching.fill.is_any() {
            return Stop::failed(span, "filling in missing series only allowed between instant vectors");
        }
        if vectors && op.is_set() {
            if matching.cardinality != Cardinality::OneToOne {
                return Stop::failed(span, format!("no grouping allowed for {} operation", quote(op.as_str())));
            }
            matching.cardinality = Cardinality::ManyToMany;
            if matching.fill.is_any() {
                return Stop::failed(span, "filling in missing series not allowed for set operators");
            }
        }
    }
    if !vectors {
        binary.matching = None;
    }
    if op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
        let op = quote(op.as_str());
        return Stop::failed(span, format!("set operator {op} not allowed in binary scalar expression"));
    }
    Ok(())
}

/// Where the operator stands: behind the left side and the blanks that follow it.
fn operator_span(binary: &Binary, query: &str) -> Span {
    let (start, end) = (binary.lhs.span().end, binary.rhs.span().start);
    let between = query.get(start as usize..end as usize).unwrap_or_default();
    let blanks = between.len() - between.trim_start_matches([' ', '\t', '\n', '\r']).len();
    // At most the length of the query.
    Span::new(start + blanks as u32, end)
}

fn check_call(call: &mut Call, query: &str) -> Result<(), Stop> {
    check_count(call)?;
    let (types, is_info) = (call.function.arg_types, call.function.id == FunctionId::Info);
    if is_info && let Some(labels) = call.args.get(1) {
        check_info_labels(labels, call.span)?;
    }
    for (i, arg) in call.args.iter_mut().enumerate() {
        // The labels of info() may select everything, unlike any other selector.
        if !(is_info && i == 1) {
            check(arg, query)?;
        }
        // A function that takes arguments has at least one type, and of one that takes none, none was given.
        if let Some(wanted) = types.get(i).or(types.last()) {
            check_arg(arg, *wanted, call.function.name)?;
        }
    }
    Ok(())
}

fn check_arg(arg: &Expr, wanted: ValueType, function: &str) -> Result<(), Stop> {
    expect_type(arg, wanted, &call_place(function))
}

/// How errors name the place of an argument.
fn call_place(function: &str) -> String {
    format!("call to function {}", quote(function))
}

/// The number of arguments.
fn check_count(call: &Call) -> Result<(), Stop> {
    let function = call.function;
    let (name, types, given) = (quote(function.name), function.arg_types, call.args.len());
    let least = if function.variadic == 0 { types.len() } else { types.len() - 1 };
    let most = usize::try_from(function.variadic).ok().map(|more| least + more);
    if function.variadic == 0 && given != least {
        let message = format!("expected {least} argument(s) in call to {name}, got {given}");
        return Stop::failed(call.span, message);
    }
    if given < least {
        let message = format!("expected at least {least} argument(s) in call to {name}, got {given}");
        return Stop::failed(call.span, message);
    }
    if let Some(most) = most.filter(|most| given > *most) {
        let message = format!("expected at most {most} argument(s) in call to {name}, got {given}");
        return Stop::failed(call.span, message);
    }
    Ok(())
}

/// The second argument of info(): matchers in braces alone.
fn check_info_labels(labels: &Expr, call: Span) -> Result<(), Stop> {
    if labels.value_type() != ValueType::Vector {
        let found = labels.value_type().documented();
        let place = call_place("info");
        return Stop::failed(call, format!("expected type instant vector in {place}, got {found}"));
    }
    match labels {
        Expr::Vector(selector) if selector.name.is_none() => Ok(()),
        Expr::Vector(selector) => {
            Stop::failed(selector.span, "expected label selectors only, got vector selector instead")
        }
        other => Stop::failed(other.span(), "expected label selectors only"),
    }
}

fn check_selector(selector: &VectorSelector) -> Result<(), Stop> {
    match &selector.name {
        Some(name) => {
            // The name itself is the last matcher.
            let others = selector.matchers.split_last().map_or(&[][..], |(_, others)| others);
            match others.iter().find(|matcher| matcher.is_name()) {
                None => Ok(()),
                Some(second) => {
                    let (name, second) = (quote(name), quote(second.value()));
                    Stop::failed(selector.span, format!("metric name must not be set twice: {name} or {second}"))
                }
            }
        }
        None if selector.matchers.iter().any(|matcher| !matcher.matches("")) => Ok(()),
        None => Stop::failed(selector.span, "vector selector must contain at least one non-empty matcher"),
    }
}
