//! Who may do what: the check of a request's token, or of the certificate that its connection has shown.
//!
//! A request with an `Authorization` header is judged by its token alone, one without by its certificate. A certificate
//! opens something only when the config gives its name roles; that a handshake was good is no permission.
//!
//! Invariant: the cache holds only tokens whose signature was good, at most [`CACHED_TOKENS_MAX`] of them, and every
//! hit checks the times again.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::VerifyingKey;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::http::Refusal;
use super::identity::Identity;
use super::token::{self, Claims};
use crate::time::SharedClock;

/// Tokens whose signature need not be checked again. Backends rotate short-lived tokens, so there must be a bound.
const CACHED_TOKENS_MAX: usize = 1024;

/// Who may do what.
#[derive(Debug, Clone)]
pub struct AuthOptions {
    /// The key that signs tokens; without one, tokens count for nothing.
    pub public_key: Option<PublicKey>,
    /// What tokens must claim.
    pub roles: Roles,
    /// The roles of certificates by name: a common name, a DNS name in lower case, or a URI.
    pub certificates: HashMap<String, Vec<String>>,
    /// Whether `/metrics`, `/-/…` and `/swagger/` need a token too.
    pub protect_metrics: bool,
}

/// For each permission the values of the claim `roles` that have it; `None`: every good token has it.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Queries and health checks.
    pub read: Option<Vec<String>>,
    /// Writing.
    pub write: Option<Vec<String>>,
    /// Freeing.
    pub free: Option<Vec<String>>,
    /// The dump of the tree.
    pub debug: Option<Vec<String>>,
}

/// An Ed25519 public key.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Ed25519 public key: expected 32 bytes in base64, {0}")]
pub struct PublicKeyError(String);

impl std::str::FromStr for PublicKey {
    type Err = PublicKeyError;

    /// Reads the base64 of the 32 bytes, as `jwt-public-key` holds it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| PublicKeyError(error.to_string()))?;
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|bytes: Vec<u8>| PublicKeyError(format!("got {} bytes", bytes.len())))?;
        PublicKey::from_bytes(&bytes)
    }
}

impl PublicKey {
    /// The key of these bytes.
    ///
    /// # Errors
    ///
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, PublicKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError("got no point of the curve".into()))?;
        Ok(PublicKey(key))
    }
}

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Read,
    Write,
    Free,
    Debug,
    /// Nothing that roles restrict: any good token will do.
    Any,
}

/// Checks tokens.
pub(super) struct Authenticator {
    options: AuthOptions,
    clock: SharedClock,
    /// By the token's text. Read at every request, written once a token: hence a lock that readers share.
    cache: RwLock<HashMap<Box<str>, Arc<Claims>, foldhash::fast::RandomState>>,
}

impl Authenticator {
    pub(super) fn new(options: AuthOptions, clock: SharedClock) -> Self {
        Authenticator { options, clock, cache: RwLock::default() }
    }

    /// Whether what isn't below `/api/` needs a token too.
    pub(super) fn protects_metrics(&self) -> bool {
        self.options.protect_metrics
    }

    /// Lets a request through or says why not.
    pub(super) fn check(&self, headers: &HeaderMap, identity: &Identity, wanted: Permission) -> Result<(), Refusal> {
        let Some(key) = &self.options.public_key else {
            let names = self.names_with_roles(identity).ok_or_else(|| unauthorized(NO_CERTIFICATE))?;
            return self.permit(wanted, "certificate", |role| self.has_role(&names, role));
        };
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(names) = self.names_with_roles(identity)
        {
            return self.permit(wanted, "certificate", |role| self.has_role(&names, role));
        }
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").ok_or_else(|| unauthorized("Use JWT Authentication"))?;
        let claims = self.claims(token, key).map_err(|error| unauthorized(&error.to_string()))?;
        self.permit(wanted, "token", |role| claims.roles.iter().any(|claimed| **claimed == *role))
    }

    /// Those of a client's names that the config gives roles; `None` if there is none.
    fn names_with_roles<'a>(&self, identity: &'a Identity) -> Option<Vec<&'a str>> {
        let names: Vec<&str> = identity.names().filter(|name| self.options.certificates.contains_key(*name)).collect();
        (!names.is_empty()).then_some(names)
    }

    fn has_role(&self, names: &[&str], role: &str) -> bool {
        let mut roles = names.iter().filter_map(|name| self.options.certificates.get(*name)).flatten();
        roles.any(|given| given == role)
    }

    /// Whether somebody may do what is wanted; `has_role` says which roles they have, `by` by what.
    fn permit(&self, wanted: Permission, by: &str, has_role: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        let (name, allowed) = match wanted {
            Permission::Read => ("reading", &self.options.roles.read),
            Permission::Write => ("writing", &self.options.roles.write),
            Permission::Free => ("freeing", &self.options.roles.free),
            Permission::Debug => ("debugging", &self.options.roles.debug),
            Permission::Any => return Ok(()),
        };
        match allowed {
            Some(allowed) if !allowed.iter().any(|role| has_role(role)) => {
                Err(Refusal::json(StatusCode::FORBIDDEN, format!("the {by} has no role that allows {name}")))
            }
            _ => Ok(()),
        }
    }

    /// The claims of a token that holds now.
    fn claims(&self, token: &str, key: &PublicKey) -> Result<Arc<Claims>, token::TokenError> {
        let now = self.clock.now_secs();
        let cached = self.cache.read().get(token).cloned();
        if let Some(claims) = cached {
            let checked = claims.check(now);
            if checked.is_err() {
                self.cache.write().remove(token);
            }
            return checked.map(|()| claims);
        }
        let claims = Arc::new(token::verify(token, &key.0)?);
        claims.check(now)?;
        let mut cache = self.cache.write();
        if cache.len() >= CACHED_TOKENS_MAX {
            cache.retain(|_, claims| claims.check(now).is_ok());
        }
        if cache.len() >= CACHED_TOKENS_MAX {
            cache.clear();
        }
        cache.insert(token.into(), Arc::clone(&claims));
        Ok(claims)
    }
}

/// What who shows no token is told where there are none.
const NO_CERTIFICATE: &str = "Use a client certificate that has roles here";

fn unauthorized(text: &str) -> Refusal {
    Refusal::text(StatusCode::UNAUTHORIZED, text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::super::token::tests::{sign, signing_key};
    use super::*;
    use crate::time::Clock;

    struct Watch(AtomicI64);

    impl Clock for Watch {
        fn now_millis(&self) -> i64 {
            self.0.load(Ordering::Relaxed) * 1000
        }
    }

    fn key() -> PublicKey {
        BASE64_STANDARD.encode(signing_key().verifying_key().as_bytes()).parse().unwrap()
    }

    fn authenticator(roles: Roles) -> (Authenticator, Arc<Watch>) {
        let clock = Arc::new(Watch(AtomicI64::new(1000)));
        let options = AuthOptions {
            public_key: Some(key()),
            roles,
            certificates: HashMap::from([
                ("collector".to_owned(), vec!["writer".to_owned()]),
                ("spiffe://example.org/admin".to_owned(), vec!["admin".to_owned()]),
                ("anybody".to_owned(), Vec::new()),
            ]),
            protect_metrics: false,
        };
        (Authenticator::new(options, clock.clone()), clock)
    }

    fn shown(authenticator: &Authenticator, names: &[&str], headers: &HeaderMap, wanted: Permission) -> u16 {
        let checked = authenticator.check(headers, &Identity::named(names), wanted);
        checked.map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    fn status(authenticator: &Authenticator, authorization: &str, wanted: Permission) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        shown(authenticator, &[], &headers, wanted)
    }

    #[test]
    fn a_cached_token_still_expires() {
        let (authenticator, clock) = authenticator(Roles::default());
        let token = format!("Bearer {}", sign(r#"{"exp":2000}"#));
        assert_eq!(status(&authenticator, &token, Permission::Read), 200);
        assert_eq!(authenticator.cache.read().len(), 1);
        assert_eq!(status(&authenticator, &token, Permission::Read), 200);
        clock.0.store(2000, Ordering::Relaxed);
        assert_eq!(status(&authenticator, &token, Permission::Read), 401);
        assert_eq!(authenticator.cache.read().len(), 0, "what has expired leaves the cache");
    }

    #[test]
    fn the_cache_is_bounded() {
        let (authenticator, _) = authenticator(Roles::default());
        for number in 0..CACHED_TOKENS_MAX + 3 {
            assert!(authenticator.claims(&sign(&format!(r#"{{"sub":"{number}"}}"#)), &key()).is_ok());
            assert!(authenticator.cache.read().len() <= CACHED_TOKENS_MAX);
        }
        assert_eq!(authenticator.cache.read().len(), 3);
    }

    #[test]
    fn only_bearer_tokens_count() {
        let (authenticator, _) = authenticator(Roles::default());
        let token = sign("{}");
        for (authorization, expected) in
            [("Basic eDp5", 401), ("bearer x", 401), ("Bearer", 401), ("Bearer abc", 401), (token.as_str(), 401)]
        {
            assert_eq!(status(&authenticator, authorization, Permission::Any), expected, "{authorization}");
        }
        assert_eq!(shown(&authenticator, &[], &HeaderMap::new(), Permission::Any), 401);
        assert_eq!(status(&authenticator, &format!("Bearer {token}"), Permission::Any), 200);
    }

    #[test]
    fn roles_restrict_what_a_token_may() {
        let (authenticator, _) = authenticator(roles());
        let writer = format!("Bearer {}", sign(r#"{"roles":["user","writer"]}"#));
        let nobody = format!("Bearer {}", sign("{}"));
        for (token, wanted, expected) in [
            (&writer, Permission::Read, 200),
            (&writer, Permission::Write, 200),
            (&writer, Permission::Free, 403),
            (&writer, Permission::Debug, 403),
            (&nobody, Permission::Read, 200),
            (&nobody, Permission::Write, 403),
            (&nobody, Permission::Any, 200),
        ] {
            assert_eq!(status(&authenticator, token, wanted), expected, "{wanted:?}");
        }
    }

    fn roles() -> Roles {
        Roles {
            write: Some(vec!["writer".into(), "admin".into()]),
            free: Some(vec!["admin".into()]),
            debug: Some(vec![]),
            read: None,
        }
    }

    /// What a certificate opens: reading, writing, freeing, the dump, and what needs no role.
    fn opened(authenticator: &Authenticator, names: &[&str], headers: &HeaderMap) -> [u16; 5] {
        let wanted = [Permission::Read, Permission::Write, Permission::Free, Permission::Debug, Permission::Any];
        wanted.map(|wanted| shown(authenticator, names, headers, wanted))
    }

    #[test]
    fn certificates_open_what_their_names_roles_do() {
        let (mut authenticator, _) = authenticator(roles());
        let nothing = HeaderMap::new();
        for _ in 0..2 {
            for (names, expected) in [
                (&["collector"][..], [200, 200, 403, 403, 200]),
                (&["unknown", "collector"], [200, 200, 403, 403, 200]),
                (&["collector", "spiffe://example.org/admin"], [200, 200, 200, 403, 200]),
                // As a token without roles: in the map all the same.
                (&["anybody"], [200, 403, 403, 403, 200]),
                // A good certificate alone is no permission.
                (&["unknown"], [401; 5]),
                (&["Collector"], [401; 5]),
                (&[], [401; 5]),
            ] {
                assert_eq!(opened(&authenticator, names, &nothing), expected, "{names:?}");
            }
            // The same without any tokens.
            authenticator.options.public_key = None;
        }
    }

    /// A proxy with a mighty certificate must not lend it to whoever's token it passes on.
    #[test]
    fn a_token_that_is_shown_decides_alone() {
        let (authenticator, _) = authenticator(roles());
        let with = |token: &str| HeaderMap::from_iter([(header::AUTHORIZATION, token.parse().unwrap())]);
        let admin = &["spiffe://example.org/admin"][..];
        let reader = with(&format!("Bearer {}", sign("{}")));
        assert_eq!(opened(&authenticator, admin, &reader), [200, 403, 403, 403, 200]);
        for bad in ["Bearer x.y.z", "Basic eDp5", ""] {
            assert_eq!(opened(&authenticator, admin, &with(bad)), [401; 5], "{bad}");
        }
        let writer = with(&format!("Bearer {}", sign(r#"{"roles":["writer"]}"#)));
        assert_eq!(opened(&authenticator, &["unknown"], &writer), [200, 200, 403, 403, 200]);
    }

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        for text in ["", "x", "QwIo", "QwIoRksmVSc8BBsRlH1GvoX6w0DRYEXn9oLIhCqTqmMAAA=="] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
        assert!("QwIoRksmVSc8BBsRlH1GvoX6w0DRYEXn9oLIhCqTqmM=".parse::<PublicKey>().is_ok());
    }
}
