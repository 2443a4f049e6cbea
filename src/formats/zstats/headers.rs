//! What a request says of itself before its body: where it goes, whose it is, what it is.

use super::error::ZstatsError;

/// Where requests are posted.
pub const PATH: &str = "/api/v1/zstats";
/// The header with the account's token.
pub const TOKEN_HEADER: &str = "Zebrium-Token";
/// The content type of requests and answers; nothing may follow it.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// Checks the headers of a request, the token's first. Whether somebody knows the token is the caller's to tell.
///
/// # Errors
/// Without a token, and with another content type.
pub fn check_headers(token: Option<&str>, content_type: Option<&str>) -> Result<(), ZstatsError> {
    if token.is_none_or(str::is_empty) {
        return Err(ZstatsError::NoToken);
    }
    match content_type.unwrap_or_default() {
        CONTENT_TYPE => Ok(()),
        found => Err(ZstatsError::ContentType { found: found.chars().take(FOUND_MAX).collect() }),
    }
}

/// Characters of a wrong content type that are told.
const FOUND_MAX: usize = 200;
