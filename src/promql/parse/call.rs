//! Calls of functions.

use super::super::ast::{Call, Expr, Span, find_function};
use super::error::Stop;
use super::parser::{Parser, Tree};
use super::quote::quote;
use super::token::{Token, TokenKind};

impl Parser<'_> {
    /// What begins with a name: a call if arguments follow, else a selector.
    pub(super) fn call_or_selector(&mut self) -> Result<Tree, Stop> {
        let name = self.take()?;
        if self.peek()?.kind != TokenKind::LeftParen {
            return self.selector_named(name);
        }
        let args = self.args()?;
        self.called(name, args)
    }

    /// A call of which all is known.
    fn called(&self, name: Token, args: Vec<Tree>) -> Result<Tree, Stop> {
        let text = name.text(self.query);
        let Some(function) = find_function(text) else {
            return Stop::failed(name.span, format!("unknown function with name {}", quote(text)));
        };
        if function.experimental && !self.options.experimental_functions {
            return Stop::failed(name.span, format!("function {} is not enabled", quote(text)));
        }
        let levels = args.iter().map(|arg| arg.levels).max().unwrap_or_default();
        let args = args.into_iter().map(|arg| *arg.expr).collect();
        let call = Call { function, args, span: Span::new(name.span.start, self.taken_to) };
        self.tree(Expr::Call(call), levels)
    }

    /// Expressions in parentheses.
    pub(super) fn args(&mut self) -> Result<Vec<Tree>, Stop> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        if self.take_if(TokenKind::RightParen)?.is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expr()?);
            let Some(comma) = self.take_if(TokenKind::Comma)? else { break };
            if !self.peek()?.begins_expression() {
                return Stop::failed(comma.span, "trailing commas not allowed in function call args");
            }
        }
        self.expect(TokenKind::RightParen)?;
        Ok(args)
    }
}
