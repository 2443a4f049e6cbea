//! Errors as text: one line with all that led to them.

use std::error::Error;

/// An error and what caused it: the last cause is the one that helps.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_told() {
        let error = Link("sending", Some(Box::new(Link("connecting", Some(Box::new(Link("refused", None)))))));
        assert_eq!(causes(&error), "sending: connecting: refused");
        assert_eq!(causes(&Link("alone", None)), "alone");
    }
}
