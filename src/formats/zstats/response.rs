//! Answers: one code for each blob, or an error that drops the whole request.

use super::error::ZstatsError;
use super::gob::{Step, Type, Want, Writer, open_value};
use super::refusal::Code;
use super::request::{narrow, text};

/// What a sender is answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The request's version; 0 beside an error.
    pub version: i8,
    /// Seconds that the sender leaves between two scrapes at least; 0 is no limit.
    pub min_poll_secs: i8,
    /// Why the request was refused whole; empty for success.
    pub error: String,
    /// A code for each blob, in order.
    pub codes: Vec<i8>,
}

impl Response {
    /// The answer to a request whose blobs were looked at.
    pub fn taken(version: i8, min_poll_secs: i8, codes: &[Code]) -> Response {
        let codes = codes.iter().map(|code| *code as i8).collect();
        Response { version, min_poll_secs, error: String::new(), codes }
    }

    /// The answer to a request that was refused whole: its sender drops the blobs.
    pub fn refused(error: &str) -> Response {
        let error = if error.is_empty() { "refused" } else { error };
        Response { error: error.to_owned(), ..Response::default() }
    }

    /// The answer's body; it is not zipped.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let fields = [("Version", INT), ("MinPollSecs", INT), ("Err", TEXT), ("NInsts", INT), ("IErrCodes", CODES)];
        out.define_struct(RESPONSE, "StWbResp", &fields);
        out.define_list(CODES, "[]int8", INT);
        out.message(RESPONSE, |out| {
            out.fields(|fields| {
                fields.int(0, self.version.into());
                fields.int(1, self.min_poll_secs.into());
                fields.text(2, &self.error);
                fields.int(3, self.codes.len() as i64);
                fields.list(4, &self.codes, |out, code| out.int((*code).into()));
            });
        });
        out.into_bytes()
    }
}

/// Decodes an answer's body, as a sender does.
///
/// # Errors
/// A stream that breaks gob's rules, or that is something else than an answer.
pub fn decode_response(bytes: &[u8]) -> Result<Response, ZstatsError> {
    let (types, id, mut cursor) = open_value(bytes)?;
    let plan = types.plan(Some(id), "StWbResp", &FIELDS)?;
    types.check_element(plan.element(4), "IErrCodes", Type::Int)?;
    let mut response = Response::default();
    let mut next = 0;
    while let Some(field) = cursor.field(&mut next, plan.steps.len())? {
        match plan.steps[field] {
            Step::Own(0) => response.version = narrow("Version", cursor.int()?, i8::BITS)?,
            Step::Own(1) => response.min_poll_secs = narrow("MinPollSecs", cursor.int()?, i8::BITS)?,
            Step::Own(2) => response.error = text(&mut cursor, &mut true)?.to_owned(),
            // The list's own length counts.
            Step::Own(3) => drop(narrow::<i32>("NInsts", cursor.int()?, i32::BITS)?),
            Step::Own(_) => {
                for _ in 0..cursor.count()? {
                    response.codes.push(narrow("IErrCodes", cursor.int()?, i8::BITS)?);
                }
            }
            Step::Skip(id) => types.skip(&mut cursor, id)?,
        }
    }
    Ok(response)
}

const FIELDS: [(&str, Want); 5] = [
    ("Version", Want::Int),
    ("MinPollSecs", Want::Int),
    ("Err", Want::Text),
    ("NInsts", Want::Int),
    ("IErrCodes", Want::List),
];
const INT: i64 = 2;
const TEXT: i64 = 6;
const RESPONSE: i64 = 65;
const CODES: i64 = 66;
