//! A NATS server that stores listen to.

use async_nats::{Client, ConnectOptions};

use crate::config::NatsSettings;

use super::error::DemoError;

/// A connection and the subject to publish on. Clones share the connection.
#[derive(Debug, Clone)]
pub(super) struct Nats {
    client: Client,
    url: String,
    subject: String,
}

impl Nats {
    /// Connects, with the token, or else with what the config has for its own servers.
    ///
    /// # Errors
    ///
    /// The server is not there or refuses.
    pub(super) async fn connect(
        url: &str,
        token: Option<String>,
        settings: Option<&NatsSettings>,
    ) -> Result<Self, DemoError> {
        let unreachable = |reason: String| DemoError::Unreachable { url: url.to_owned(), reason };
        let options = options(token, settings).await?;
        let client = options.connect(url).await.map_err(|error| unreachable(error.to_string()))?;
        Ok(Nats { client, url: url.to_owned(), subject: subject(settings) })
    }

    /// The subject.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Publishes lines, as many messages as the server's limit makes of them, and waits until they are on their way.
    ///
    /// # Errors
    ///
    /// The connection is closed for good; one that is merely interrupted is mended meanwhile.
    pub(super) async fn publish(&self, lines: &str) -> Result<(), DemoError> {
        let unreachable = |reason: String| DemoError::Unreachable { url: self.url.clone(), reason };
        let bytes_max = self.client.server_info().max_payload.min(MESSAGE_BYTES_MAX);
        for message in messages(lines, bytes_max) {
            let payload = message.to_owned().into();
            self.client.publish(self.subject.clone(), payload).await.map_err(|error| unreachable(error.to_string()))?;
        }
        self.client.flush().await.map_err(|error| unreachable(error.to_string()))
    }
}

async fn options(token: Option<String>, settings: Option<&NatsSettings>) -> Result<ConnectOptions, DemoError> {
    let mut options = ConnectOptions::new().name("treering demo");
    if let Some(token) = token {
        return Ok(options.token(token));
    }
    let Some(settings) = settings else { return Ok(options) };
    let unreadable = |file: &std::path::Path, error: std::io::Error| {
        DemoError::Argument(format!("{} (in the config's section nats): {error}", file.display()))
    };
    if let Some((user, password)) = &settings.user {
        options = options.user_and_password(user.clone(), password.reveal().to_owned());
    }
    if let Some(file) = &settings.creds_file {
        options = options.credentials_file(file).await.map_err(|error| unreadable(file, error))?;
    }
    if let Some(file) = &settings.nkey_seed_file {
        let seed = tokio::fs::read_to_string(file).await.map_err(|error| unreadable(file, error))?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some(file) = &settings.tls.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some(files) = &settings.tls.client {
        options = options.add_client_certificate(files.cert_file.clone(), files.key_file.clone());
    }
    Ok(options)
}

/// The first subject of the config that messages can be sent to, else the usual one.
fn subject(settings: Option<&NatsSettings>) -> String {
    let subscriptions = settings.map_or(&[][..], |settings| &settings.subscriptions);
    let plain = |subject: &str| !subject.split('.').any(|token| ["*", ">"].contains(&token));
    let first = subscriptions.iter().map(|subscription| &subscription.subject).find(|subject| plain(subject));
    first.map_or_else(|| "hpc-nats".to_owned(), Clone::clone)
}

/// Cuts lines into messages of at most so many bytes; a line is never cut.
fn messages(lines: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let limit = bytes_max.min(rest.len());
        let whole = rest.as_bytes()[..limit].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        // A line that is too long goes alone, and the server says so.
        let end = whole.or_else(|| rest.find('\n').map(|at| at + 1)).unwrap_or(rest.len());
        let (message, tail) = rest.split_at(end);
        rest = tail;
        Some(message)
    })
}

/// Larger messages only make everybody wait.
const MESSAGE_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NatsTls, Subscription};

    #[test]
    fn messages_hold_whole_lines() {
        let cut = |lines, bytes_max| messages(lines, bytes_max).collect::<Vec<_>>();
        assert_eq!(cut("aa\nbb\ncc\n", 7), ["aa\nbb\n", "cc\n"]);
        assert_eq!(cut("aa\nbb\ncc\n", 100), ["aa\nbb\ncc\n"]);
        assert_eq!(cut("too long\nb\n", 3), ["too long\n", "b\n"]);
        assert_eq!(cut("", 3), Vec::<&str>::new());
    }

    #[test]
    fn the_first_subject_without_wildcards_is_taken() {
        let subscription =
            |subject: &str| Subscription { subject: subject.into(), cluster: String::new(), jetstream: None };
        let settings = |subjects: &[&str]| NatsSettings {
            addresses: vec![],
            user: None,
            creds_file: None,
            nkey_seed_file: None,
            tls: NatsTls::default(),
            subscriptions: subjects.iter().map(|subject| subscription(subject)).collect(),
        };
        assert_eq!(subject(Some(&settings(&["hpc.*", "hpc.>", "hpc.fritz"]))), "hpc.fritz");
        assert_eq!(subject(Some(&settings(&["hpc.*"]))), "hpc-nats");
        assert_eq!(subject(None), "hpc-nats");
    }
}
