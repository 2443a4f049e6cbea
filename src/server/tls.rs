//! Certificates: HTTPS from files that can be read again while the server runs.
//!
//! Invariant: a reload either takes all files or changes nothing; connections keep the certificate they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Where certificates lie.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// The server's certificate and those that lead to its root, in PEM.
    pub certificate_file: PathBuf,
    /// The certificate's private key, in PEM.
    pub key_file: PathBuf,
    /// Whether clients show certificates too.
    pub clients: ClientCertificates,
    /// Which certificates of clients were revoked, lists in PEM; an authority without a list has revoked none.
    pub revocation_file: Option<PathBuf>,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They may; what they show must lead to a root in this PEM file.
    Optional(PathBuf),
    /// They must.
    Required(PathBuf),
}

/// Why certificates can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read or isn't PEM.
    #[error("{what} {path:?} cannot be read: {reason}")]
    File {
        /// What was expected in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate and the key don't fit, or have a form that isn't supported.
    #[error("certificate {certificate:?} and key {key:?} cannot be used: {reason}")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Certificates in use.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    pub fn load(options: TlsOptions) -> Result<Self, TlsError> {
        let config = server_config(&options)?;
        Ok(Tls { options, current: ArcSwap::from_pointee(config) })
    }

    /// Reads the files again, for new connections; after an error the old certificates stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(server_config(&self.options)?));
        Ok(())
    }

    /// What a new connection uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn server_config(options: &TlsOptions) -> Result<ServerConfig, TlsError> {
    let unusable = |reason: String| TlsError::Unusable {
        certificate: options.certificate_file.clone(),
        key: options.key_file.clone(),
        reason,
    };
    let chain = certificates("certificate", &options.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&options.key_file)
        .map_err(|error| file_error("private key", &options.key_file, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match &options.clients {
        ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Optional(path) | ClientCertificates::Required(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("client root certificates", path)? {
                roots.add(root).map_err(|error| file_error("client root certificates", path, error))?;
            }
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if let Some(file) = &options.revocation_file {
                // Roots seldom publish lists of the authorities below them: what no list speaks of is good.
                verifier = verifier.with_crls(revocation_lists(file)?).allow_unknown_revocation_status();
            }
            if matches!(options.clients, ClientCertificates::Optional(_)) {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier.build().map_err(|error| unusable_authorities(options, path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unusable(error.to_string()))?;
    if options.clients != ClientCertificates::Off {
        // A session that is taken up again shows no certificate: one that has expired meanwhile would pass.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| file_error(what, path, error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| file_error(what, path, error))?;
    if found.is_empty() { Err(file_error(what, path, "no certificate in it")) } else { Ok(found) }
}

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let what = "revocation lists";
    let found = CertificateRevocationListDer::pem_file_iter(path).map_err(|error| file_error(what, path, error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| file_error(what, path, error))?;
    if found.is_empty() { Err(file_error(what, path, "no revocation list in it")) } else { Ok(found) }
}

/// The authorities were read one by one before, so that a complaint about lists is about the other file.
fn unusable_authorities(options: &TlsOptions, path: &Path, error: VerifierBuilderError) -> TlsError {
    match (&error, &options.revocation_file) {
        (VerifierBuilderError::InvalidCrl(_), Some(file)) => file_error("revocation lists", file, error),
        _ => file_error("client root certificates", path, error),
    }
}

fn file_error(what: &'static str, path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { what, path: path.to_owned(), reason: reason.to_string() }
}
