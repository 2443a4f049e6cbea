//! From settings of the config to options of the server: the one place that knows both.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{self, ClientCerts, Config, Role};
use crate::server::{self, AuthOptions, ClientCertificates, PublicKey, Roles, Tls, TlsOptions};

use super::run::RunError;

/// The options of the HTTP server. Reads the certificates.
pub(super) fn server_options(
    config: &Config,
    dev: bool,
    ready: watch::Receiver<bool>,
) -> Result<server::Options, RunError> {
    let main = &config.main;
    let mut options = server::Options::new(ready);
    options.body_bytes_max = main.body_bytes_max;
    options.compression = match main.compression {
        config::Compression::Auto => server::Compression::Auto,
        config::Compression::On => server::Compression::On,
        config::Compression::Off => server::Compression::Off,
    };
    options.dev = dev;
    if let Some(key) = &main.jwt_public_key {
        let values = |role| main.auth.roles(role).map(<[String]>::to_vec);
        options.auth = Some(AuthOptions {
            public_key: PublicKey::from_bytes(key)?,
            roles: Roles {
                read: values(Role::Read),
                write: values(Role::Write),
                free: values(Role::Free),
                debug: values(Role::Debug),
            },
            protect_metrics: main.auth.protect_metrics,
        });
    }
    if let Some(files) = &main.https {
        let clients = match (main.client_certs, main.client_ca_file.clone()) {
            (ClientCerts::Optional, Some(file)) => ClientCertificates::Optional(file),
            (ClientCerts::Required, Some(file)) => ClientCertificates::Required(file),
            // The config asks for the file where it is needed.
            (ClientCerts::Off, _) | (_, None) => ClientCertificates::Off,
        };
        options.tls = Some(Arc::new(Tls::load(TlsOptions {
            certificate_file: files.cert_file.clone(),
            key_file: files.key_file.clone(),
            clients,
        })?));
    }
    Ok(options)
}
