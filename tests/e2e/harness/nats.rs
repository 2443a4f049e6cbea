//! A real NATS server, its ways to authenticate, and a publisher.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use async_nats::ConnectOptions;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{eventually, free_port, programs};

/// Debian's `nats-server` on a free port with a config of the test's choice. Dropped, it is killed.
pub struct NatsServer {
    pub dir: TempDir,
    pub port: u16,
    monitor_port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// A server that lets everybody in.
    pub fn start() -> NatsServer {
        NatsServer::start_with("")
    }

    /// A server with more lines of config.
    pub fn start_with(config: &str) -> NatsServer {
        let mut server = NatsServer::prepare();
        server.resume_with(config);
        server
    }

    /// A port and a folder for certificates; the process comes with [`NatsServer::resume`].
    pub fn prepare() -> NatsServer {
        let dir = tempfile::Builder::new().prefix("treering-nats-").tempdir().unwrap();
        NatsServer { dir, port: free_port(), monitor_port: free_port(), child: None }
    }

    /// Starts it (again), with the config that is there.
    pub fn resume(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.dir.path().join("log.txt")).unwrap();
        let mut command = Command::new(programs::find("nats-server").unwrap_or_else(|| "nats-server".into()));
        let (port, monitor_port) = (self.port.to_string(), self.monitor_port.to_string());
        command.args(["-a", "127.0.0.1", "-p", &port, "-m", &monitor_port]).current_dir(self.dir.path());
        if self.dir.path().join("nats.conf").exists() {
            command.args(["-c", "nats.conf"]);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("cannot run nats-server ({error}): `make test` installs it, or `apt-get install nats-server`")
        });
        eventually("nats-server listens", || {
            let status = child.try_wait().unwrap();
            assert!(status.is_none(), "nats-server ended: {}", self.log());
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
        self.child = Some(child);
    }

    /// Writes the config and starts it.
    pub fn resume_with(&mut self, config: &str) {
        fs::write(self.dir.path().join("nats.conf"), config).unwrap();
        self.resume();
    }

    /// Waits until somebody has subscribed to a subject: what is published before reaches nobody.
    pub fn await_subscription(&self, subject: &str) {
        let client = super::http::client();
        let url = format!("http://127.0.0.1:{}/connz?subs=1", self.monitor_port);
        eventually(&format!("a subscription to {subject}"), || {
            let connections: Value = serde_json::from_str(&client.get(&url).send().ok()?.text().ok()?).ok()?;
            let connections = connections["connections"].as_array()?;
            let mut subjects = connections.iter().filter_map(|one| one["subscriptions_list"].as_array()).flatten();
            subjects.any(|one| one == subject).then_some(())
        });
    }

    /// Kills it: connections break without a farewell.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log.txt")).unwrap_or_default()
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::connect(&self.address(), ConnectOptions::new())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A connection to publish on, with a runtime of its own.
pub struct Publisher {
    runtime: Runtime,
    client: async_nats::Client,
}

impl Publisher {
    pub fn connect(address: &str, options: ConnectOptions) -> Publisher {
        super::http::install_crypto();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(options.connect(address)).unwrap_or_else(|error| panic!("{address}: {error:?}"));
        Publisher { runtime, client }
    }

    /// Publishes a message and returns when the server has it.
    pub fn publish(&self, subject: &str, lines: &str) {
        self.runtime.block_on(async {
            self.client.publish(subject.to_owned(), lines.to_owned().into()).await.unwrap();
            self.client.flush().await.unwrap();
        });
    }
}

/// A key pair in NATS' notation.
pub struct NkeyPair {
    key: SigningKey,
    kind: Kind,
}

/// What a key is for; the value is the first byte of its public form.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Kind {
    Operator = 14 << 3,
    Account = 0,
    User = 20 << 3,
}

/// The first byte of every seed.
const SEED: u8 = 18 << 3;

impl NkeyPair {
    /// A user's key, made of one byte.
    pub fn user(seed: u8) -> NkeyPair {
        NkeyPair::new(Kind::User, seed)
    }

    fn new(kind: Kind, seed: u8) -> NkeyPair {
        NkeyPair { key: SigningKey::from_bytes(&[seed; 32]), kind }
    }

    pub fn public(&self) -> String {
        let mut raw = vec![self.kind as u8];
        raw.extend(self.key.verifying_key().as_bytes());
        base32_with_checksum(raw)
    }

    pub fn seed(&self) -> String {
        let kind = self.kind as u8;
        let mut raw = vec![SEED | (kind >> 5), (kind & 31) << 3];
        raw.extend(self.key.as_bytes());
        base32_with_checksum(raw)
    }

    /// A NATS token about `subject`, signed with this key.
    fn token(&self, subject: &str, name: &str, nats: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"jti": name, "iat": 1_770_244_800, "iss": self.public(), "name": name, "sub": subject,
                            "nats": nats});
        let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(&claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes()))
    }
}

/// An operator with one account, for servers whose users show credentials files.
pub struct Operator {
    operator: NkeyPair,
    account: NkeyPair,
}

impl Operator {
    pub fn new() -> Operator {
        Operator { operator: NkeyPair::new(Kind::Operator, 71), account: NkeyPair::new(Kind::Account, 72) }
    }

    /// The server's config.
    pub fn server_config(&self) -> String {
        let own = self.operator.public();
        let operator = self.operator.token(&own, "operator", &json!({"type": "operator", "version": 2}));
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                            "conn": -1, "leaf": -1});
        let claims = json!({"type": "account", "version": 2, "limits": limits});
        let account = self.operator.token(&self.account.public(), "account", &claims);
        format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {account} }}\n",
            self.account.public()
        )
    }

    /// Writes a user's credentials file into a folder.
    pub fn write_credentials(&self, folder: &Path) -> PathBuf {
        let user = NkeyPair::user(73);
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let token = self.account.token(&user.public(), "user", &claims);
        let path = folder.join("user.creds");
        let mut text = format!("-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n");
        let seed = user.seed();
        write!(text, "-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n").unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// RFC 4648 base32 without padding, over the bytes and their CRC-16 (XMODEM), little-endian.
fn base32_with_checksum(mut raw: Vec<u8>) -> String {
    let mut crc = 0u16;
    for &byte in &raw {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    raw.extend(crc.to_le_bytes());
    let mut text = String::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in raw {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[((bits >> held) & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[((bits << (5 - held)) & 31) as usize]));
    }
    text
}
