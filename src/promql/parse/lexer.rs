//! The lexer: takes a query apart into tokens.
//!
//! What a character means depends on where it stands: in braces, in brackets, or outside of both. Brackets begin with a
//! mode of their own that the first number ends; Prometheus's errors show that, so this lexer does the same.

use super::super::ast::{BinaryOp, Span};
use super::error::Stop;
use super::quote::{quote, quote_char};
use super::token::{Keyword, Token, TokenKind, lookup};

/// Hands out the tokens of a query, one by one; after the last one, `Eof` for ever.
pub(super) struct Lexer<'a> {
    query: &'a str,
    /// The next byte to be read; always at the start of a character.
    at: usize,
    /// The first byte of the token that is being read.
    start: usize,
    parens_open: usize,
    in_braces: bool,
    in_brackets: bool,
    /// In brackets, before the first number.
    in_duration: bool,
    seen_colon: bool,
    seen_duration: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(query: &'a str) -> Lexer<'a> {
        Lexer {
            query,
            at: 0,
            start: 0,
            parens_open: 0,
            in_braces: false,
            in_brackets: false,
            in_duration: false,
            seen_colon: false,
            seen_duration: false,
        }
    }

    pub(super) fn next_token(&mut self) -> Result<Token, Stop> {
        loop {
            let kind = if self.in_duration {
                self.duration()?
            } else if self.in_braces {
                self.braces()?
            } else {
                self.statement()?
            };
            if let Some(kind) = kind {
                return Ok(Token { kind, span: self.span() });
            }
        }
    }

    /// From the token's start to the next byte.
    fn span(&self) -> Span {
        // Queries are at most 4 GiB long: `parse_expr` sees to that.
        Span::new(self.start as u32, self.at as u32)
    }

    fn failed<T>(&self, message: String) -> Result<T, Stop> {
        Stop::failed(Span::new(self.start as u32, self.query.len() as u32), message)
    }

    /// As `failed`, for trouble that Prometheus sees after it has let go of the token.
    fn failed_behind<T>(&mut self, message: String) -> Result<T, Stop> {
        self.start = self.at;
        self.failed(message)
    }

    fn peek(&self) -> Option<char> {
        self.query[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.take();
        }
    }

    fn take_if(&mut self, set: &str) -> bool {
        let fits = self.peek().is_some_and(|next| set.contains(next));
        if fits {
            self.take();
        }
        fits
    }

    /// Blanks and comments, which are no tokens.
    fn skip(&mut self, first: char) {
        if first == '#' {
            self.take_while(|next| next != '\n' && next != '\r');
        } else {
            self.take_while(is_space);
        }
    }

    /// Outside of braces and before the first number in brackets.
    fn statement(&mut self) -> Result<Option<TokenKind>, Stop> {
        self.start = self.at;
        let Some(first) = self.take() else {
            if self.parens_open > 0 {
                return self.failed("unclosed left parenthesis".into());
            }
            if self.in_brackets {
                return self.failed("unclosed left bracket".into());
            }
            return Ok(Some(TokenKind::Eof));
        };
        let kind = match first {
            _ if is_space(first) || first == '#' => {
                self.skip(first);
                return Ok(None);
            }
            ',' => TokenKind::Comma,
            '*' => TokenKind::Binary(BinaryOp::Mul),
            '/' => TokenKind::Binary(BinaryOp::Div),
            '%' => TokenKind::Binary(BinaryOp::Mod),
            '+' => TokenKind::Binary(BinaryOp::Add),
            '-' => TokenKind::Binary(BinaryOp::Sub),
            '^' => TokenKind::Binary(BinaryOp::Pow),
            '@' => TokenKind::At,
            '=' => match self.peek() {
                Some('=') => self.two(BinaryOp::Eq),
                Some('~') => return self.failed("unexpected character after '=': '~'".into()),
                _ => TokenKind::Equal,
            },
            '!' => match self.take() {
                Some('=') => TokenKind::Binary(BinaryOp::Ne),
                other => return self.failed(format!("unexpected character after '!': {}", quote_char(other))),
            },
            '<' => match self.peek() {
                Some('=') => self.two(BinaryOp::Le),
                Some('/') => self.two(BinaryOp::TrimUpper),
                _ => TokenKind::Binary(BinaryOp::Lt),
            },
            '>' => match self.peek() {
                Some('=') => self.two(BinaryOp::Ge),
                Some('/') => self.two(BinaryOp::TrimLower),
                _ => TokenKind::Binary(BinaryOp::Gt),
            },
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                return self.failed("unexpected character: '.'".into());
            }
            '0'..='9' | '.' => self.number_or_duration()?,
            '"' | '\'' | '`' => self.string(first)?,
            ':' | 'a'..='z' | 'A'..='Z' | '_' if self.in_brackets => self.word_in_brackets(first)?,
            ':' | 'a'..='z' | 'A'..='Z' | '_' => self.word(),
            '(' => self.open_paren(),
            ')' => self.close_paren()?,
            '{' => {
                self.in_braces = true;
                TokenKind::LeftBrace
            }
            '[' if self.in_brackets => return self.failed("unexpected left bracket '['".into()),
            '[' => {
                self.seen_colon = false;
                self.in_brackets = true;
                self.in_duration = true;
                TokenKind::LeftBracket
            }
            ']' if self.in_brackets => {
                self.in_brackets = false;
                TokenKind::RightBracket
            }
            ']' => return self.failed("unexpected right bracket ']'".into()),
            other => return self.failed(format!("unexpected character: {}", quote_char(Some(other)))),
        };
        Ok(Some(kind))
    }

    /// In brackets, before the first number.
    fn duration(&mut self) -> Result<Option<TokenKind>, Stop> {
        self.start = self.at;
        let Some(first) = self.take() else {
            return self.failed("unexpected end of input in duration expression".into());
        };
        let kind = match first {
            _ if is_space(first) => {
                self.skip(first);
                return Ok(None);
            }
            ']' => {
                self.in_brackets = false;
                self.in_duration = false;
                self.seen_colon = false;
                TokenKind::RightBracket
            }
            ':' if !self.seen_duration => {
                return self.failed_behind("unexpected colon before duration in duration expression".into());
            }
            ':' if self.seen_colon => {
                return self.failed_behind("unexpected repeated colon in duration expression".into());
            }
            ':' => {
                self.seen_colon = true;
                TokenKind::Colon
            }
            '(' => self.open_paren(),
            ')' => self.close_paren()?,
            '+' => TokenKind::Binary(BinaryOp::Add),
            '-' => TokenKind::Binary(BinaryOp::Sub),
            '*' => TokenKind::Binary(BinaryOp::Mul),
            '/' => TokenKind::Binary(BinaryOp::Div),
            '%' => TokenKind::Binary(BinaryOp::Mod),
            '^' => TokenKind::Binary(BinaryOp::Pow),
            ',' => TokenKind::Comma,
            _ if begins_function(first) => match self.duration_function() {
                Some(kind) => kind,
                None => {
                    let first = quote_char(Some(first));
                    return self.failed(format!("unexpected character in duration expression: {first}"));
                }
            },
            _ if first.is_ascii_digit() || first == '.' && self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.seen_duration = true;
                self.in_duration = false;
                self.number_or_duration()?
            }
            other => {
                let other = quote_char(Some(other));
                return self.failed(format!("unexpected character in duration expression: {other}"));
            }
        };
        Ok(Some(kind))
    }

    /// In braces, where words are names alone.
    fn braces(&mut self) -> Result<Option<TokenKind>, Stop> {
        self.start = self.at;
        let Some(first) = self.take() else {
            return self.failed("unexpected end of input inside braces".into());
        };
        let kind = match first {
            _ if is_space(first) || first == '#' => {
                self.skip(first);
                return Ok(None);
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                self.take_while(is_alphanumeric);
                TokenKind::Identifier
            }
            ',' => TokenKind::Comma,
            '"' | '\'' | '`' => self.string(first)?,
            '=' if self.take_if("~") => TokenKind::EqualRegex,
            '=' => TokenKind::Equal,
            '!' => match self.take() {
                Some('~') => TokenKind::NotEqualRegex,
                Some('=') => TokenKind::Binary(BinaryOp::Ne),
                other => {
                    let other = quote_char(other);
                    return self.failed(format!("unexpected character after '!' inside braces: {other}"));
                }
            },
            '{' => return self.failed("unexpected left brace '{'".into()),
            '}' => {
                self.in_braces = false;
                TokenKind::RightBrace
            }
            other => return self.failed(format!("unexpected character inside braces: {}", quote_char(Some(other)))),
        };
        Ok(Some(kind))
    }

    /// An operator of two characters, of which the second is still to be taken.
    fn two(&mut self, op: BinaryOp) -> TokenKind {
        self.take();
        TokenKind::Binary(op)
    }

    fn open_paren(&mut self) -> TokenKind {
        self.parens_open += 1;
        TokenKind::LeftParen
    }

    fn close_paren(&mut self) -> Result<TokenKind, Stop> {
        if self.parens_open == 0 {
            return self.failed_behind("unexpected right parenthesis ')'".into());
        }
        self.parens_open -= 1;
        Ok(TokenKind::RightParen)
    }

    /// A word or the colon, in brackets after the first number.
    fn word_in_brackets(&mut self, first: char) -> Result<TokenKind, Stop> {
        if first == ':' {
            if self.seen_colon {
                return self.failed("unexpected colon ':'".into());
            }
            self.seen_colon = true;
            return Ok(TokenKind::Colon);
        }
        match begins_function(first).then(|| self.duration_function()).flatten() {
            Some(kind) => Ok(kind),
            None => self.failed(format!("unexpected character: {}, expected ':'", quote_char(Some(first)))),
        }
    }

    /// The name of a function of durations, whose first letter is taken already.
    fn duration_function(&mut self) -> Option<TokenKind> {
        self.take_while(|next| next.is_ascii_alphabetic() || next == '_');
        let keyword = match self.query[self.start..self.at].to_ascii_lowercase().as_str() {
            "step" => Keyword::Step,
            "range" => Keyword::Range,
            "max_of" => Keyword::MaxOf,
            "min_of" => Keyword::MinOf,
            _ => return None,
        };
        Some(TokenKind::Keyword(keyword))
    }

    /// A word outside of braces and brackets, whose first letter is taken already.
    fn word(&mut self) -> TokenKind {
        self.take_while(|next| is_alphanumeric(next) || next == ':');
        let word = &self.query[self.start..self.at];
        match lookup(word) {
            // These came late to the language, when metrics of that name existed.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.query[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }

    /// A string, whose quote is taken already.
    fn string(&mut self, quote: char) -> Result<TokenKind, Stop> {
        loop {
            match self.take() {
                Some('\\') if quote != '`' => self.escape(quote)?,
                Some('\u{fffd}') => return self.failed("invalid UTF-8 rune".into()),
                None if quote == '`' => return self.failed("unterminated raw string".into()),
                Some('\n') if quote == '`' => {}
                None | Some('\n') => return self.failed("unterminated quoted string".into()),
                Some(other) if other == quote => return Ok(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, quote: char) -> Result<(), Stop> {
        let (mut digit, digits, radix, max) = match self.take() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(other) if other == quote => return Ok(()),
            Some(octal @ '0'..='7') => (Some(octal), 3, 8, 255),
            Some('x') => (self.take(), 2, 16, 255),
            Some('u') => (self.take(), 4, 16, char::MAX as u64),
            Some('U') => (self.take(), 8, 16, char::MAX as u64),
            None => return self.failed("escape sequence not terminated".into()),
            Some(other) => return self.failed(format!("unknown escape sequence {}", code_point(other))),
        };
        let mut code = 0;
        for taken in 1..=digits {
            let Some(character) = digit else {
                return self.failed("escape sequence not terminated".into());
            };
            let Some(value) = character.to_digit(radix) else {
                return self.failed(format!("illegal character {} in escape sequence", code_point(character)));
            };
            code = code * u64::from(radix) + u64::from(value);
            if taken < digits {
                digit = self.take();
            }
        }
        if code > max || (0xD800..0xE000).contains(&code) {
            return self.failed("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }

    /// A number or a duration, whose first character is taken already.
    fn number_or_duration(&mut self) -> Result<TokenKind, Stop> {
        self.at = self.start;
        if self.scan_number() {
            return Ok(TokenKind::Number);
        }
        if self.scan_duration() {
            return Ok(TokenKind::Duration);
        }
        let text = quote(&self.query[self.start..self.at]);
        self.failed(format!("bad number or duration syntax: {text}"))
    }

    /// Takes what looks like a number, and tells whether it does to its end; the value is checked by others.
    fn scan_number(&mut self) -> bool {
        let mut digits = "0123456789";
        if self.take_if("0") && self.take_if("xX") {
            self.take_if("_");
            digits = "0123456789abcdefABCDEF";
        }
        let is_hex = digits.len() > 10;
        self.take_if(".");
        self.take_if(digits);
        let (mut seen_dot, mut seen_exponent) = (false, false);
        while let Some(next) = self.peek() {
            // An `e` stands for an exponent even in a hexadecimal number, unless a digit other than `e` starts the run.
            match next {
                '.' => {
                    self.take();
                    if seen_dot {
                        return false;
                    }
                    seen_dot = true;
                    if self.take_if("_.") || is_hex {
                        return false;
                    }
                }
                'e' | 'E' => {
                    self.take();
                    if seen_exponent {
                        return false;
                    }
                    seen_exponent = true;
                    self.take_if("+-");
                    if self.take_if("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.take();
                    if self.take_if("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ if digits.contains(next) => self.take_while(|next| digits.contains(next)),
                _ => break,
            }
        }
        !self.peek().is_some_and(is_alphanumeric)
    }

    /// Goes on after the digits of a failed number, and tells whether a duration ends here.
    fn scan_duration(&mut self) -> bool {
        if !self.take_if("smhdwy") {
            return false;
        }
        self.take_if("s");
        while self.take_if("0123456789") {
            self.take_while(|next| next.is_ascii_digit());
            if !self.take_if("smhdw") {
                return false;
            }
            self.take_if("s");
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.take();
            return false;
        }
        true
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn is_alphanumeric(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether a function of durations begins with this letter.
fn begins_function(character: char) -> bool {
    matches!(character.to_ascii_lowercase(), 's' | 'r' | 'm')
}

/// A character as Go's `%#U` shows it.
fn code_point(character: char) -> String {
    let quoted = quote_char(Some(character));
    let code = character as u32;
    if quoted.starts_with("'\\") && !matches!(character, '\'' | '\\') {
        format!("U+{code:04X}")
    } else {
        format!("U+{code:04X} '{character}'")
    }
}
