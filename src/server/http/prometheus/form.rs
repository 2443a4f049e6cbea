//! The parameters of a request: those of a form in the body before those of the URL.

use axum::extract::Request;
use axum::http::{Method, header};
use tokio::sync::OwnedSemaphorePermit;

use super::super::{App, Refusal};
use super::failure::bad_data;

/// Parameters of one request; more than anybody needs.
const PARAMETERS_MAX: usize = 10_000;

/// Bytes of a form: sixteen times the longest query, for many selectors.
const FORM_BYTES_MAX: usize = 4 << 20;

/// Parameters in the order in which they count.
#[derive(Default)]
pub(super) struct Form {
    parameters: Vec<(String, String)>,
    /// The body's count among those in flight: its parameters take as much for as long as the form is kept.
    _counted: Option<OwnedSemaphorePermit>,
}

impl App {
    /// Reads the parameters of a request.
    pub(super) async fn form(&self, request: Request) -> Result<Form, Refusal> {
        let mut form = Form::default();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = content_type.is_some_and(|value| {
            let media_type = value.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        if request.method() == Method::POST && is_form {
            let bytes_max = FORM_BYTES_MAX.min(self.options.limits.json_bytes_max);
            let body = self.small_body(request.into_body(), bytes_max, &self.turns.forms).await?;
            form.add(&body.bytes)?;
            form._counted = Some(body.into_counted());
        }
        form.add(query.as_bytes())?;
        Ok(form)
    }
}

impl Form {
    fn add(&mut self, encoded: &[u8]) -> Result<(), Refusal> {
        for pair in encoded.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if self.parameters.len() == PARAMETERS_MAX {
                return Err(bad_data(format_args!("more than {PARAMETERS_MAX} parameters")));
            }
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let value = pair.get(end + 1..).unwrap_or_default();
            self.parameters.push((decoded(&pair[..end])?, decoded(value)?));
        }
        Ok(())
    }

    /// The first value of a parameter; empty without one.
    pub(super) fn value(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All values of a parameter.
    pub(super) fn values<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameter `limit`: how many results there may be, at most; none for no limit.
    pub(super) fn limit(&self) -> Result<Option<usize>, Refusal> {
        let text = self.value("limit");
        match text.parse::<i64>() {
            _ if text.is_empty() => Ok(None),
            Ok(0) => Ok(None),
            Ok(limit) => match usize::try_from(limit) {
                Ok(limit) => Ok(Some(limit)),
                Err(_) => Err(super::failure::bad_parameter("limit", "limit must be non-negative")),
            },
            Err(_) => {
                let text = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
                Err(super::failure::bad_parameter("limit", text))
            }
        }
    }
}

/// Undoes the encoding of forms.
fn decoded(text: &[u8]) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                    return Err(bad_data("error parsing form values: invalid URL escape"));
                };
                // Two digits of base 16.
                bytes.push((high * 16 + low) as u8);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad_data("error parsing form values: no valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_parameters_are_read_in_order() {
        let mut form = Form::default();
        form.add(b"query=sum+by%28x%29+%28a%2Bb%29&match[]=a&match%5B%5D=%C3%BC&empty=&alone&&=x").unwrap();
        form.add(b"query=other&limit=7").unwrap();
        assert_eq!(form.value("query"), "sum by(x) (a+b)", "the body goes before the URL");
        assert_eq!(form.values("match[]").collect::<Vec<_>>(), ["a", "ü"]);
        assert_eq!((form.value("empty"), form.value("alone"), form.value("none")), ("", "", ""));
        assert_eq!(form.limit().unwrap(), Some(7));
        for bad in [&b"a=%"[..], b"a=%f", b"a=%zz", b"a=%ff"] {
            assert!(Form::default().add(bad).is_err());
        }
        assert!(Form::default().add("a=1&".repeat(PARAMETERS_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn limits_are_whole_numbers() {
        let limit =
            |text: &str| Form { parameters: vec![("limit".into(), text.into())], ..Form::default() }.limit().ok();
        assert_eq!([limit(""), limit("0"), limit("12")], [Some(None), Some(None), Some(Some(12))]);
        assert_eq!([limit("-1"), limit("x"), limit("1.5")], [None, None, None]);
    }
}
