//! HTTPS: reloads, client certificates, HTTP/2.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::{ClientCertificates, Tls, TlsError, TlsOptions};
use super::*;

/// A root, and where what it signs is written.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a new certificate with its key.
    fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn options(&self, clients: ClientCertificates) -> TlsOptions {
        TlsOptions {
            certificate_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            clients,
            revocation_file: None,
        }
    }

    /// Connects, with the certificate of that name if there is one.
    async fn connect(&self, address: SocketAddr, client: Option<&str>) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![certificate(&self.path(&format!("{name}.pem")))];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

async fn healthy(mut stream: TlsStream<TcpStream>) -> io::Result<bool> {
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_the_certificate_of_new_connections() {
    let authority = Authority::new();
    authority.issue("server");
    let tls = Arc::new(Tls::load(authority.options(ClientCertificates::Off)).unwrap());
    let server = Server::start(Fake::default(), |options| options.tls = Some(tls.clone())).await;
    let first = certificate(&authority.path("server.pem"));
    let old_connection = authority.connect(server.address, None).await.unwrap();
    assert_eq!(shown(&old_connection), first);

    authority.issue("server");
    let second = certificate(&authority.path("server.pem"));
    assert_ne!(first, second);
    tls.reload().unwrap();
    let connection = authority.connect(server.address, None).await.unwrap();
    assert_eq!(shown(&connection), second);
    assert!(healthy(connection).await.unwrap());
    assert!(healthy(old_connection).await.unwrap(), "old connections go on");

    std::fs::write(authority.path("server.pem"), "nonsense").unwrap();
    let error = tls.reload().unwrap_err();
    assert!(matches!(error, TlsError::File { .. }) && error.to_string().contains("server.pem"), "{error}");
    assert_eq!(shown(&authority.connect(server.address, None).await.unwrap()), second, "the old one stays in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_must_fit_its_certificate() {
    let authority = Authority::new();
    authority.issue("server");
    authority.issue("other");
    std::fs::copy(authority.path("other.key"), authority.path("server.key")).unwrap();
    let error = Tls::load(authority.options(ClientCertificates::Off)).unwrap_err();
    assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_can_be_asked_for_certificates() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for name in ["server", "client"] {
        authority.issue(name);
    }
    stranger.issue("client");
    for file in ["client.pem", "client.key"] {
        std::fs::copy(stranger.path(file), authority.path(&format!("strange-{file}"))).unwrap();
    }
    let root = authority.path("root.pem");
    for (clients, without) in
        [(ClientCertificates::Required(root.clone()), false), (ClientCertificates::Optional(root), true)]
    {
        let tls = Arc::new(Tls::load(authority.options(clients)).unwrap());
        let server = Server::start(Fake::default(), |options| options.tls = Some(tls)).await;
        for (client, expected) in [(None, without), (Some("client"), true), (Some("strange-client"), false)] {
            // With TLS 1.3 a client learns only by its first read that it was refused.
            let served = match authority.connect(server.address, client).await {
                Ok(stream) => healthy(stream).await.unwrap_or(false),
                Err(_) => false,
            };
            assert_eq!(served, expected, "{client:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_it_is_asked_for() {
    let authority = Authority::new();
    authority.issue("server");
    let tls = Arc::new(Tls::load(authority.options(ClientCertificates::Off)).unwrap());
    let server = Server::start(Fake::default(), |options| options.tls = Some(tls)).await;
    let root = reqwest::Certificate::from_pem(authority.issuer.pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([root]).resolve("localhost", server.address).build().unwrap();
    let url = format!("https://localhost:{}/api/write", server.address.port());
    let response = client.post(url).body("a\nb").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(server.stored(), b"a\nb\n");
}
