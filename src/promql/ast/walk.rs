//! Ways through the tree.

use super::Expr;

impl Expr {
    /// The expressions directly below this one, in the order of their places in the text; an aggregation's vector comes
    /// before its parameter. The selector of a range counts as part of the range.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Aggregate(aggregate) => std::iter::once(&*aggregate.expr).chain(aggregate.param.as_deref()).collect(),
            Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Expr::Call(call) => call.args.iter().collect(),
            Expr::Paren(paren) => vec![&paren.expr],
            Expr::Subquery(subquery) => vec![&subquery.expr],
            Expr::Unary(unary) => vec![&unary.expr],
            Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) | Expr::Vector(_) => Vec::new(),
        }
    }

    /// As [`Expr::children`], to be changed.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Aggregate(aggregate) => {
                std::iter::once(&mut *aggregate.expr).chain(aggregate.param.as_deref_mut()).collect()
            }
            Expr::Binary(binary) => vec![&mut binary.lhs, &mut binary.rhs],
            Expr::Call(call) => call.args.iter_mut().collect(),
            Expr::Paren(paren) => vec![&mut paren.expr],
            Expr::Subquery(subquery) => vec![&mut subquery.expr],
            Expr::Unary(unary) => vec![&mut unary.expr],
            Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) | Expr::Vector(_) => Vec::new(),
        }
    }

    /// Calls `visit` for this expression and all below it, parents first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
}
