//! The TLS files of commands that talk to a server: whom they trust, and what they show.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use reqwest::{Certificate, ClientBuilder, Identity};

/// The files for TLS towards a server, all PEM.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArguments {
    /// Certificate to show to the server (PEM), with those that lead to its root; needs --client-key
    #[arg(long, value_name = "FILE", requires = "client_key", value_hint = ValueHint::FilePath)]
    pub client_cert: Option<PathBuf>,
    /// Private key of --client-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert", value_hint = ValueHint::FilePath)]
    pub client_key: Option<PathBuf>,
    /// Authorities (PEM) that the server's certificate is checked against, in place of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub server_ca: Option<PathBuf>,
}

impl TlsArguments {
    /// Whether any file is given.
    pub(super) fn is_given(&self) -> bool {
        self.client_cert.is_some() || self.client_key.is_some() || self.server_ca.is_some()
    }

    /// A builder of clients that use the files; the error names the file that can't be used.
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, String> {
        if let Some(path) = &self.server_ca {
            let authorities = Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, &error))?;
            if authorities.is_empty() {
                return Err(format!("{}: no certificate in it", path.display()));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let mut pem = read(key)?;
            pem.push(b'\n');
            pem.extend(read(certificate)?);
            let identity = Identity::from_pem(&pem)
                .map_err(|error| format!("{} with {}", certificate.display(), unusable(key, &error)))?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn unusable(path: &Path, error: &reqwest::Error) -> String {
    format!("{}: {}", path.display(), crate::telemetry::causes(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&certificate, issued.cert.pem()).unwrap();
        fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair(folder.path(), "a");
        let nonsense = folder.path().join("nonsense.pem");
        fs::write(&nonsense, "no PEM").unwrap();
        let build = |certificate: &Path, key: &Path, server_ca: Option<&Path>| {
            let arguments = TlsArguments {
                client_cert: Some(certificate.into()),
                client_key: Some(key.into()),
                server_ca: server_ca.map(Into::into),
            };
            let builder = arguments.apply(reqwest::Client::builder())?;
            builder.build().map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(build(&certificate, &key, Some(&certificate)), Ok(()));
        for (certificate, key, server_ca) in
            [(&nonsense, &key, None), (&certificate, &nonsense, None), (&certificate, &key, Some(&*nonsense))]
        {
            let error = build(certificate, key, server_ca).unwrap_err();
            assert!(error.contains("nonsense.pem"), "{error}");
        }
        let error = build(&certificate, &folder.path().join("none"), None).unwrap_err();
        assert!(error.contains("/none: No such file"), "{error}");
    }
}
