//! The tree as text over several lines: what is longer than a line is split, what is not stays on one.
//!
//! Whoever breaks the line says so by a level above 0, and whoever comes next indents by it; as Prometheus does, up to
//! its oddities, for texts formatted here and there have to be the same.

use std::fmt::{self, Write};

use super::Expr;

/// What is longer than this many bytes is split.
const LINE_BYTES_MAX: usize = 100;
const INDENT: &str = "  ";

impl Expr {
    /// The expression as text over as many lines as are good for it.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_pretty(&mut out, 0);
        out
    }

    fn write_pretty(&self, out: &mut String, level: usize) -> fmt::Result {
        let text = self.to_string();
        let is_short = text.len() <= LINE_BYTES_MAX;
        match self {
            Expr::Subquery(subquery) => {
                // A subquery on one line is not indented, wherever it stands.
                if is_short {
                    return out.write_str(&text);
                }
                subquery.expr.write_pretty(out, level)?;
                write!(out, "{}", Suffix(subquery))
            }
            Expr::Unary(unary) => {
                let mut operand = String::new();
                unary.expr.write_pretty(&mut operand, level)?;
                write!(out, "{}{}{}", INDENT.repeat(level), unary.op, operand.trim())
            }
            Expr::Aggregate(aggregate) if !is_short => {
                out.write_str(&INDENT.repeat(level))?;
                aggregate.write_head(out)?;
                out.write_str("(\n")?;
                if let Some(param) = &aggregate.param {
                    param.write_pretty(out, level + 1)?;
                    out.write_str(",\n")?;
                }
                aggregate.expr.write_pretty(out, level + 1)?;
                write!(out, "\n{})", INDENT.repeat(level))
            }
            Expr::Binary(binary) if !is_short => {
                binary.lhs.write_pretty(out, level + 1)?;
                write!(out, "\n{}", INDENT.repeat(level))?;
                binary.write_operator(out)?;
                out.write_str("\n")?;
                binary.rhs.write_pretty(out, level + 1)
            }
            Expr::Call(call) if !is_short => {
                writeln!(out, "{}{}(", INDENT.repeat(level), call.function.name)?;
                for (i, arg) in call.args.iter().enumerate() {
                    out.write_str(if i > 0 { ",\n" } else { "" })?;
                    arg.write_pretty(out, level + 1)?;
                }
                write!(out, "\n{})", INDENT.repeat(level))
            }
            Expr::Paren(paren) if !is_short => {
                writeln!(out, "{}(", INDENT.repeat(level))?;
                paren.expr.write_pretty(out, level + 1)?;
                write!(out, "\n{})", INDENT.repeat(level))
            }
            _ => write!(out, "{}{text}", INDENT.repeat(level)),
        }
    }
}

/// What stands behind a subquery's expression.
struct Suffix<'a>(&'a super::Subquery);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_suffix(out)
    }
}
