//! Tokens: JWTs signed with Ed25519, checked as golang-jwt 4 checks them, its texts included.
//!
//! Invariant: [`Claims`] exist only for a token whose signature was good. Whether they hold *now* is another question,
//! asked at every use ([`Claims::check`]).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Map, Value};

/// The most bytes of a token. Real ones have a few hundred.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// The algorithms that golang-jwt knows besides EdDSA: their tokens get another text than those of unknown ones.
const OTHER_ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "none",
];

/// What a good token claims, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    expires: Time,
    issued: Time,
    not_before: Time,
    /// The values of the claim `roles`.
    pub(super) roles: Vec<Box<str>>,
}

/// A time in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Not there, or 0, which golang-jwt takes for the same.
    Absent,
    /// Whole seconds since 1970.
    Secs(i64),
    /// No number: never holds.
    Nonsense,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TokenError {
    #[error("token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("token contains an invalid number of segments")]
    Segments,
    #[error("tokenstring should not contain 'bearer '")]
    BearerTwice,
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    #[error("token is malformed: {0}")]
    Json(String),
    #[error("signing method (alg) is unspecified.")]
    NoAlgorithm,
    #[error("signing method (alg) is unavailable.")]
    UnknownAlgorithm,
    #[error("only Ed25519/EdDSA supported")]
    OtherAlgorithm,
    #[error("ed25519: verification error")]
    Signature,
    #[error("Token is expired")]
    Expired,
    #[error("Token used before issued")]
    UsedBeforeIssued,
    #[error("Token is not valid yet")]
    NotValidYet,
}

/// Checks form, algorithm and signature. The times are left to [`Claims::check`].
pub(super) fn verify(token: &str, key: &VerifyingKey) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Segments)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Segments)?;
    if claims.contains('.') {
        return Err(TokenError::Segments);
    }
    let header = decode(header).map_err(|error| match token.get(..7) {
        Some(start) if start.eq_ignore_ascii_case("bearer ") => TokenError::BearerTwice,
        _ => error,
    })?;
    let header = object(&header)?;
    let claims = object(&decode(claims)?)?;
    match header.get("alg") {
        Some(Value::String(name)) if name == "EdDSA" => {}
        Some(Value::String(name)) if OTHER_ALGORITHMS.contains(&name.as_str()) => {
            return Err(TokenError::OtherAlgorithm);
        }
        Some(Value::String(_)) => return Err(TokenError::UnknownAlgorithm),
        _ => return Err(TokenError::NoAlgorithm),
    }
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| TokenError::Signature)?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
    Ok(Claims {
        expires: Time::of(&claims, "exp"),
        issued: Time::of(&claims, "iat"),
        not_before: Time::of(&claims, "nbf"),
        roles: roles(claims.get("roles")),
    })
}

impl Claims {
    /// Whether the token holds at a time. Of several reasons the last is told, as golang-jwt does.
    pub(super) fn check(&self, now_secs: i64) -> Result<(), TokenError> {
        let mut result = Ok(());
        if !self.expires.holds(|secs| now_secs < secs) {
            result = Err(TokenError::Expired);
        }
        if !self.issued.holds(|secs| now_secs >= secs) {
            result = Err(TokenError::UsedBeforeIssued);
        }
        if !self.not_before.holds(|secs| now_secs >= secs) {
            result = Err(TokenError::NotValidYet);
        }
        result
    }
}

impl Time {
    fn of(claims: &Map<String, Value>, name: &str) -> Time {
        match claims.get(name) {
            None => Time::Absent,
            // The cast saturates: a time beyond the range of i64 is as far away as any.
            Some(Value::Number(number)) => match number.as_f64() {
                Some(0.0) => Time::Absent,
                Some(secs) => Time::Secs(secs.trunc() as i64),
                None => Time::Nonsense,
            },
            Some(_) => Time::Nonsense,
        }
    }

    fn holds(self, test: impl Fn(i64) -> bool) -> bool {
        match self {
            Time::Absent => true,
            Time::Secs(secs) => test(secs),
            Time::Nonsense => false,
        }
    }
}

/// Base64 for URLs without padding; like Go's, it doesn't mind bits behind the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    BASE64.decode(segment).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) => TokenError::Base64(at),
        _ => TokenError::Base64(segment.len()),
    })
}

fn object(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    serde_json::from_slice(json).map_err(|error| TokenError::Json(error.to_string()))
}

/// The claim `roles`: a list of names, or one name.
fn roles(claim: Option<&Value>) -> Vec<Box<str>> {
    match claim {
        Some(Value::String(role)) => vec![role.as_str().into()],
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).map(Box::from).collect(),
        _ => Vec::new(),
    }
}

/// Reads `data` as a token, as it is and as the parts of one that is well formed: none is good, for nobody signed it.
#[cfg(any(test, feature = "testing"))]
pub fn fuzz_token(data: &[u8]) {
    // Any key will do; this is the base point of the curve.
    let Ok(key) = VerifyingKey::from_bytes(&[&[0x58][..], &[0x66; 31]].concat().try_into().unwrap_or([0; 32])) else {
        return;
    };
    let (header, claims) = data.split_at(data.len() / 2);
    let formed = [header, claims, data].map(|part| BASE64.encode(part)).join(".");
    for token in [&*String::from_utf8_lossy(data), &formed] {
        assert!(verify(token, &key).is_err(), "{token}");
    }
    if let Ok(claims) = object(data) {
        let claims = Claims {
            expires: Time::of(&claims, "exp"),
            issued: Time::of(&claims, "iat"),
            not_before: Time::of(&claims, "nbf"),
            roles: roles(claims.get("roles")),
        };
        for now_secs in [i64::MIN, 0, i64::MAX] {
            _ = claims.check(now_secs);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;

    use super::*;

    /// The key of all tests.
    pub(crate) fn signing_key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    /// A token with these claims, signed by [`signing_key`].
    pub(crate) fn sign(claims: &str) -> String {
        sign_with(&signing_key(), r#"{"alg":"EdDSA","typ":"JWT"}"#, claims)
    }

    fn sign_with(key: &SigningKey, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }

    fn check(token: &str, now: i64) -> Result<(), TokenError> {
        verify(token, &signing_key().verifying_key())?.check(now)
    }

    #[test]
    fn times_hold_as_in_golang_jwt() {
        for (claims, now, expected) in [
            ("{}", 0, Ok(())),
            (r#"{"exp":100}"#, 99, Ok(())),
            (r#"{"exp":100}"#, 100, Err(TokenError::Expired)),
            (r#"{"exp":100.9}"#, 100, Err(TokenError::Expired)),
            (r#"{"exp":0}"#, 100, Ok(())),
            (r#"{"exp":1e300}"#, 100, Ok(())),
            (r#"{"exp":-5}"#, 100, Err(TokenError::Expired)),
            (r#"{"exp":"100"}"#, 1, Err(TokenError::Expired)),
            (r#"{"exp":null}"#, 1, Err(TokenError::Expired)),
            (r#"{"iat":100}"#, 99, Err(TokenError::UsedBeforeIssued)),
            (r#"{"iat":100}"#, 100, Ok(())),
            (r#"{"nbf":100}"#, 99, Err(TokenError::NotValidYet)),
            (r#"{"nbf":100,"iat":5,"exp":101}"#, 100, Ok(())),
            (r#"{"nbf":200,"exp":50}"#, 100, Err(TokenError::NotValidYet)),
        ] {
            assert_eq!(check(&sign(claims), now), expected, "{claims} at {now}");
        }
    }

    #[test]
    fn what_is_no_signed_token_is_refused_with_the_known_texts() {
        let good = sign("{}");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = BASE64.decode(signature).unwrap();
        bytes[3] ^= 1;
        let tampered = format!("{signed}.{}", BASE64.encode(bytes));
        let foreign = sign_with(&SigningKey::from_bytes(&[8; 32]), r#"{"alg":"EdDSA"}"#, "{}");
        let with_algorithm = |alg: &str| sign_with(&signing_key(), alg, "{}");
        for (token, text) in [
            ("abc".to_owned(), "token contains an invalid number of segments"),
            (String::new(), "token contains an invalid number of segments"),
            (format!("{good}.x"), "token contains an invalid number of segments"),
            (format!("bearer {good}"), "tokenstring should not contain 'bearer '"),
            ("a$c.e30.e30".to_owned(), "illegal base64 data at input byte 1"),
            (tampered, "ed25519: verification error"),
            (foreign, "ed25519: verification error"),
            (format!("{signed}."), "ed25519: verification error"),
            (with_algorithm(r#"{"alg":"HS256"}"#), "only Ed25519/EdDSA supported"),
            (with_algorithm(r#"{"alg":"none"}"#), "only Ed25519/EdDSA supported"),
            (with_algorithm(r#"{"alg":"XY"}"#), "signing method (alg) is unavailable."),
            (with_algorithm("{}"), "signing method (alg) is unspecified."),
            ("a".repeat(9000), "token is longer than 8192 bytes"),
        ] {
            assert_eq!(check(&token, 0).map_err(|error| error.to_string()), Err(text.to_owned()), "{token}");
        }
    }

    /// Signed by another implementation, so that ours isn't only checked against itself.
    #[test]
    fn a_token_of_golang_jwt_is_good() {
        let key = base64::prelude::BASE64_STANDARD.decode("QwIoRksmVSc8BBsRlH1GvoX6w0DRYEXn9oLIhCqTqmM=").unwrap();
        let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
        let token = concat!(
            "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZG1pbiIsInJvbGVzIjpbIlJPTEVfQURNSU4iXX0.",
            "hXi9eIJxqQ0fra112pU5pzasegq3KCxx86AbYnUWmMLRNgbT7jL7PxyIT1xYQrkBnLASSluO3VP0AKT79Og0DQ"
        );
        let claims = verify(token, &key).unwrap();
        assert_eq!((claims.check(0), &*claims.roles[0]), (Ok(()), "ROLE_ADMIN"));
    }

    #[test]
    fn roles_are_a_list_or_a_name() {
        let roles = |claims: &str| verify(&sign(claims), &signing_key().verifying_key()).unwrap().roles;
        assert_eq!(roles(r#"{"roles":["a",1,"b"]}"#), ["a".into(), "b".into()]);
        assert_eq!(roles(r#"{"roles":"a"}"#), ["a".into()]);
        assert!(roles(r#"{"roles":7}"#).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics_or_passes(text in "\\PC{0,40}(\\.\\PC{0,40}){0,3}") {
            prop_assert!(check(&text, 0).is_err());
        }
    }
}
