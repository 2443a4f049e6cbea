//! Aggregations: `sum by (a) (b)`, the clause before or behind.

use super::super::ast::{Aggregate, AggregateOp, Expr, Span};
use super::error::Stop;
use super::parser::{Parser, Tree};
use super::token::{Keyword, TokenKind};

impl Parser<'_> {
    /// What begins with the name of an aggregation: it is one if a clause or arguments follow, else a metric's name.
    pub(super) fn aggregate_or_selector(&mut self, op: AggregateOp) -> Result<Tree, Stop> {
        let name = self.take()?;
        match self.peek()?.kind {
            TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without) => {
                self.within("aggregation", "", |parser| parser.aggregate(op, name.span.start))
            }
            _ => self.selector_named(name),
        }
    }

    fn aggregate(&mut self, op: AggregateOp, start: u32) -> Result<Tree, Stop> {
        let mut clause = self.clause()?;
        let args = self.args()?;
        let mut end = self.taken_to;
        if clause.is_none() {
            clause = self.clause()?;
            if clause.is_some() {
                end = self.taken_to;
            }
        }
        self.aggregated(op, Span::new(start, end), clause.unwrap_or_default(), args)
    }

    /// An aggregation of which all is known.
    fn aggregated(
        &self,
        op: AggregateOp,
        span: Span,
        (without, grouping): (bool, Vec<String>),
        args: Vec<Tree>,
    ) -> Result<Tree, Stop> {
        let given = args.len();
        if given == 0 {
            return Stop::failed(span, "no arguments for aggregate expression provided");
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = "is experimental and must be enabled with --enable-feature=promql-experimental-functions";
            return Stop::failed(span, format!("{op}() {message}"));
        }
        let levels = args.iter().map(|arg| arg.levels).max().unwrap_or_default();
        let mut args = args.into_iter().map(|arg| arg.expr);
        let param = if op.has_parameter() { args.next() } else { None };
        match (args.next(), args.next()) {
            (Some(expr), None) => {
                let aggregate = Aggregate { op, expr, param, grouping, without, span };
                self.tree(Expr::Aggregate(aggregate), levels)
            }
            _ => {
                let wanted = if op.has_parameter() { 2 } else { 1 };
                let message = "wrong number of arguments for aggregate expression provided";
                Stop::failed(span, format!("{message}, expected {wanted}, got {given}"))
            }
        }
    }

    /// `by` or `without` with its labels, if it is there; says first whether it is `without`.
    fn clause(&mut self) -> Result<Option<(bool, Vec<String>)>, Stop> {
        let without = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::By) => false,
            TokenKind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.take()?;
        Ok(Some((without, self.label_names()?)))
    }
}
