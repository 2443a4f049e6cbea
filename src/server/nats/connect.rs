//! From options to a client that connects by itself, for ever, and tells how it fares.
//!
//! Invariant: no address is logged with its user and password.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{AuthError, Client, ConnectError, ConnectOptions, Event, ServerAddr};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};

use super::credentials::Credentials;
use super::options::Options;
use crate::telemetry::LogLimit;
use crate::telemetry::SharedTelemetry;

/// The longest time between two attempts to connect: servers that come back are found soon, and an attempt is cheap.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long an attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that is silent for two of these is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Messages that the client may hold of one subscription. A task takes them out at once, so it holds but a few.
const CLIENT_MESSAGES_MAX: usize = 8192;

/// How the connection fares; shared with the client's callbacks.
pub(super) struct Link {
    telemetry: SharedTelemetry,
    /// Set when an attempt has begun and no connection stands since: the next attempt follows a failure.
    has_tried: AtomicBool,
    /// Becomes `true` when the first attempt to connect has succeeded or failed.
    pub first_try: watch::Sender<bool>,
    /// Counts connections that stood, for those who ask something anew on each.
    pub connections: watch::Sender<u64>,
    /// Set at the end of the store: attempts stop.
    is_over: AtomicBool,
    /// Why the last attempt failed, where no server's record tells.
    failure: Mutex<Option<String>>,
    attempts: LogLimit,
    errors: LogLimit,
    /// Of messages that the client dropped.
    pub drops: LogLimit,
}

impl Link {
    pub(super) fn new(telemetry: SharedTelemetry, first_try: watch::Sender<bool>) -> Self {
        Link {
            telemetry,
            first_try,
            connections: watch::Sender::new(0),
            has_tried: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            failure: Mutex::new(None),
            attempts: LogLimit::default(),
            errors: LogLimit::default(),
            drops: LogLimit::default(),
        }
    }

    /// No more attempts, and no connection.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.telemetry.nats_connected.set(0);
    }

    /// Counts and logs messages that nobody had room for.
    pub(super) fn note_drops(&self, count: u64, what: &str) {
        self.telemetry.nats_dropped.inc_by(count);
        if let Some(count) = self.drops.note(count) {
            warn!("NATS: {count} messages dropped: {what}");
        }
    }

    fn note_event(&self, event: Event) {
        match event {
            Event::Connected => {
                self.telemetry.nats_connected.set(1);
                self.has_tried.store(false, Ordering::Relaxed);
                info!("NATS: connected");
                self.connections.send_modify(|count| *count += 1);
            }
            Event::Disconnected | Event::Closed => {
                self.telemetry.nats_connected.set(0);
                if !self.is_over.load(Ordering::Relaxed) {
                    warn!("NATS: the connection is lost; connecting again");
                }
            }
            Event::SlowConsumer(_) => self.note_drops(1, "they came faster than they could be taken over"),
            // The reason of a failed attempt; the attempt after it is where it is logged.
            Event::ClientError(error) => *self.failure.lock() = Some(error.to_string()),
            Event::ServerError(error) => {
                if self.errors.note(1).is_some() {
                    warn!("NATS: {error}");
                }
            }
            Event::LameDuckMode => info!("NATS: the server is about to go"),
            Event::Draining => {}
        }
    }

    /// Called before each round of attempts.
    fn note_attempt(&self, servers: &[async_nats::Server]) {
        if !self.has_tried.swap(true, Ordering::Relaxed) {
            return;
        }
        self.first_try.send_replace(true);
        if self.attempts.note(1).is_none() {
            return;
        }
        let known = servers.iter().filter_map(|server| Some((&server.addr, server.last_error.as_ref()?)));
        let known: Vec<String> =
            known.map(|(addr, error)| format!("{}:{}: {error}", addr.host(), addr.port())).collect();
        let reason = if known.is_empty() {
            let names: Vec<String> =
                servers.iter().map(|server| format!("{}:{}", server.addr.host(), server.addr.port())).collect();
            let failure = self.failure.lock().clone().unwrap_or_else(|| "no connection".to_owned());
            format!("{}: {failure}", names.join(", "))
        } else {
            known.join("; ")
        };
        warn!("NATS: can't connect, trying on: {reason}");
    }
}

/// A client that connects in the background. An error is one of the addresses: waiting does not heal it.
pub(super) async fn connect(options: &Options, link: &Arc<Link>) -> Result<Client, ConnectError> {
    let (servers, credentials) = servers(options)?;
    let asks = Arc::clone(link);
    let events = Arc::clone(link);
    let mut connect = ConnectOptions::with_auth_callback(move |nonce| {
        let credentials = credentials.clone();
        async move {
            let answer = tokio::task::spawn_blocking(move || credentials.answer(&nonce));
            answer.await.unwrap_or_else(|failure| Err(AuthError::new(failure)))
        }
    })
    .name("treering")
    .retry_on_initial_connect()
    .max_reconnects(None)
    .connection_timeout(CONNECT_TIMEOUT)
    .ping_interval(PING_INTERVAL)
    .subscription_capacity(CLIENT_MESSAGES_MAX)
    .reconnect_delay_callback(pause_before)
    .reconnect_to_server_callback(move |servers, _| {
        let link = Arc::clone(&asks);
        async move {
            if link.is_over.load(Ordering::Relaxed) {
                // The client knows no other way to give an endless search up; the end of the runtime ends this.
                std::future::pending::<()>().await;
            }
            link.note_attempt(&servers);
            None
        }
    })
    .event_callback(move |event| {
        let link = Arc::clone(&events);
        async move { link.note_event(event) }
    });
    if let Some(path) = &options.tls.ca_file {
        connect = connect.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some(files) = &options.tls.client {
        connect = connect.add_client_certificate(files.cert_file.clone(), files.key_file.clone()).require_tls(true);
    }
    connect.connect(servers).await
}

/// 0, 50 ms, 100 ms … up to the longest.
fn pause_before(attempt: usize) -> Duration {
    match u32::try_from(attempt.saturating_sub(2)) {
        _ if attempt <= 1 => Duration::ZERO,
        Ok(doublings) if doublings < 10 => (Duration::from_millis(50) * (1 << doublings)).min(RECONNECT_PAUSE_MAX),
        _ => RECONNECT_PAUSE_MAX,
    }
}

/// The servers without their users, and what to show them.
fn servers(options: &Options) -> Result<(Vec<ServerAddr>, Credentials), ConnectError> {
    let mut credentials = Credentials {
        creds_file: options.creds_file.clone(),
        nkey_seed_file: options.nkey_seed_file.clone(),
        ..Credentials::default()
    };
    if let Some((user, password)) = &options.user {
        credentials.user = Some(user.clone());
        credentials.password = Some(password.clone());
    }
    let mut servers = Vec::new();
    for address in &options.addresses {
        let addr: ServerAddr = address.parse()?;
        if addr.is_websocket() {
            let reason = std::io::Error::other("ws:// and wss:// are not supported, nats:// and tls:// are");
            return Err(ConnectError::from(reason));
        }
        let has_none = credentials.user.is_none() && credentials.token.is_none();
        if addr.has_user_pass() && has_none {
            match (addr.username(), addr.password()) {
                // A name alone is a token, as in other clients.
                (Some(token), None) => credentials.token = Some(decoded(token)),
                (user, password) => {
                    credentials.user = user.map(decoded);
                    credentials.password = password.map(decoded);
                }
            }
        }
        let mut url = addr.into_inner();
        // They fail for URLs without a host only, which can't hold a user in the first place.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        servers.push(ServerAddr::from_url(url)?);
    }
    Ok((servers, credentials))
}

/// A part of a URL without its percent signs (RFC 3986, section 2.1): the URL crate hands parts out as they stand.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str]) -> Options {
        Options { addresses: addresses.iter().map(|&address| address.to_owned()).collect(), ..Options::default() }
    }

    #[test]
    fn users_leave_the_addresses() {
        let (servers, credentials) =
            servers(&of(&["nats://ann:p%40ss@a.example:4333", "tls://b.example", "c.example", "10.0.0.1:4223"]))
                .unwrap();
        let shown: Vec<String> = servers.iter().map(|addr| addr.clone().into_inner().to_string()).collect();
        let expected = ["nats://a.example:4333", "tls://b.example", "nats://c.example", "nats://10.0.0.1:4223"];
        assert_eq!(shown, expected);
        assert_eq!(servers[1].port(), 4222);
        assert_eq!((credentials.user.as_deref(), credentials.password.as_deref()), (Some("ann"), Some("p@ss")));
        assert_eq!(credentials.token, None);
    }

    #[test]
    fn a_name_alone_is_a_token_and_options_go_first() {
        let mut options = of(&["nats://t0ken@a:4222"]);
        let (_, credentials) = servers(&options).unwrap();
        assert_eq!((credentials.user, credentials.token.as_deref()), (None, Some("t0ken")));
        options.user = Some(("ann".into(), "x".into()));
        let (_, credentials) = servers(&options).unwrap();
        assert_eq!((credentials.user.as_deref(), credentials.token), (Some("ann"), None));
    }

    #[test]
    fn percent_signs_are_decoded() {
        for (text, expected) in
            [("p%40s%3As", "p@s:s"), ("%", "%"), ("%4", "%4"), ("%zz%+1", "%zz%+1"), ("%c3%a4", "ä")]
        {
            assert_eq!(decoded(text), expected);
        }
    }

    #[test]
    fn bad_addresses_are_errors() {
        for bad in ["http://a:1", "ws://a:1", "nats://a b"] {
            assert!(servers(&of(&["nats://good", bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let millis: Vec<u128> = (0..9).map(|attempt| pause_before(attempt).as_millis()).collect();
        assert_eq!(millis, [0, 0, 50, 100, 200, 400, 800, 1600, 2000]);
        assert_eq!(pause_before(usize::MAX), RECONNECT_PAUSE_MAX);
    }
}
