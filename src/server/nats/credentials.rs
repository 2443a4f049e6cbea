//! Proofs of who we are: user and password, NKey seeds and credentials files.
//!
//! Invariant: no secret ends up in an error or in a log.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;

/// More than any file of credentials has.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What to show a server.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub user: Option<String>,
    pub password: Option<String>,
    pub token: Option<String>,
    pub creds_file: Option<PathBuf>,
    pub nkey_seed_file: Option<PathBuf>,
}

impl Credentials {
    /// The answer to a server's nonce. Reads the files anew, for their owner may have replaced them. Blocks.
    pub(super) fn answer(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        auth.username.clone_from(&self.user);
        auth.password.clone_from(&self.password);
        auth.token.clone_from(&self.token);
        if let Some(path) = &self.creds_file {
            let text = read(path)?;
            let jwt = jwt_of(&text).ok_or_else(|| wrong(path, "no block -----BEGIN NATS USER JWT-----"))?;
            auth.jwt = Some(jwt.to_owned());
            auth.signature = Some(sign(&key_pair(path, &text)?, path, nonce)?);
        } else if let Some(path) = &self.nkey_seed_file {
            let key = key_pair(path, &read(path)?)?;
            auth.signature = Some(sign(&key, path, nonce)?);
            auth.nkey = Some(key.public_key());
        }
        Ok(auth)
    }
}

fn read(path: &Path) -> Result<String, AuthError> {
    let text = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    text().map_err(|error| wrong(path, error))
}

/// The line behind the first `-----BEGIN …-----`.
fn jwt_of(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim);
    lines.by_ref().find(|line| line.starts_with("---") && line.contains("BEGIN"))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with("---"))
}

/// The key of the first line that is a user's seed.
fn key_pair(path: &Path, text: &str) -> Result<KeyPair, AuthError> {
    let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
    let seed = seed.ok_or_else(|| wrong(path, "no line with the seed of a user (SU…)"))?;
    // The error of a bad seed is kept to ourselves: nobody promises that it does not repeat the seed.
    KeyPair::from_seed(seed).map_err(|_| wrong(path, "the seed (SU…) is damaged"))
}

fn sign(key: &KeyPair, path: &Path, nonce: &[u8]) -> Result<Vec<u8>, AuthError> {
    key.sign(nonce).map_err(|_| wrong(path, "the seed can't sign"))
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> AuthError {
    AuthError::new(format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_both_forms() {
        let key = KeyPair::new_user();
        let seed = key.seed().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\r\neyJ.x.y\r\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(&path, creds).unwrap();
        let auth = Credentials { creds_file: Some(path.clone()), ..Credentials::default() }.answer(b"nonce").unwrap();
        assert_eq!(auth.jwt.as_deref(), Some("eyJ.x.y"));
        key.verify(b"nonce", &auth.signature.unwrap()).unwrap();
        assert_eq!(auth.nkey, None);

        // The same file again, replaced by a bare seed.
        std::fs::write(&path, format!("# reader\n{seed}\n")).unwrap();
        let credentials = Credentials { nkey_seed_file: Some(path), ..Credentials::default() };
        let auth = credentials.answer(b"other").unwrap();
        assert_eq!(auth.nkey, Some(key.public_key()));
        key.verify(b"other", &auth.signature.unwrap()).unwrap();
    }

    #[test]
    fn errors_name_the_file_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let answer = || {
            let credentials = Credentials { nkey_seed_file: Some(path.clone()), ..Credentials::default() };
            credentials.answer(b"nonce").err().unwrap().to_string()
        };
        assert!(answer().contains("seed: No such file"), "{}", answer());
        std::fs::write(&path, "nothing").unwrap();
        assert!(answer().contains("no line with the seed"), "{}", answer());
        std::fs::write(&path, "SUSECRET").unwrap();
        assert!(answer().contains("damaged") && !answer().contains("SECRET"), "{}", answer());
    }
}
