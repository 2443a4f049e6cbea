//! Where the examples send to: addresses, certificates and token from the command line.

use std::error::Error;
use std::fs;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// A store, and who asks it.
pub struct Target {
    grpc: String,
    http: String,
    /// The authority (PEM) of the store's certificate.
    ca: Option<Vec<u8>>,
    /// Our own certificate and key (PEM).
    identity: Option<(Vec<u8>, Vec<u8>)>,
    token: Option<String>,
    /// What is no flag.
    #[allow(dead_code, reason = "one of the examples has no use for it")]
    pub rest: Vec<String>,
}

impl Target {
    /// Reads the command line.
    pub fn of_arguments() -> Result<Target, Box<dyn Error>> {
        // The one provider of TLS; only the first call of a process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (mut grpc, mut http) = ("http://127.0.0.1:8083".to_owned(), "http://127.0.0.1:8082".to_owned());
        let (mut ca, mut cert, mut key, mut token, mut rest) = (None, None, None, None, Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--grpc" => grpc = value()?,
                "--http" => http = value()?,
                "--ca" => ca = Some(fs::read(value()?)?),
                "--cert" => cert = Some(fs::read(value()?)?),
                "--key" => key = Some(fs::read(value()?)?),
                "--token" => token = Some(value()?),
                flag if flag.starts_with("--") => return Err(format!("unknown flag {flag}").into()),
                _ => rest.push(argument),
            }
        }
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("--cert and --key only make sense together".into()),
        };
        Ok(Target { grpc, http, ca, identity, token, rest })
    }

    /// A connection to the gRPC address.
    pub async fn channel(&self) -> Result<Channel, Box<dyn Error>> {
        let mut endpoint = Endpoint::from_shared(self.grpc.clone())?;
        if self.grpc.starts_with("https:") {
            let mut tls = ClientTlsConfig::new();
            if let Some(ca) = &self.ca {
                tls = tls.ca_certificate(Certificate::from_pem(ca));
            }
            if let Some((cert, key)) = &self.identity {
                tls = tls.identity(Identity::from_pem(cert, key));
            }
            endpoint = endpoint.tls_config(tls)?;
        }
        Ok(endpoint.connect().await?)
    }

    /// A call with the token, if there is one.
    pub fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Box<dyn Error>> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        Ok(request)
    }

    /// A request to the HTTP address, with the token.
    pub fn http_request(
        &self,
        method: reqwest::Method,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<reqwest::RequestBuilder, Box<dyn Error>> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.http), parameters)?;
        let mut client = reqwest::Client::builder();
        if let Some(ca) = &self.ca {
            client = client.tls_certs_only([reqwest::Certificate::from_pem(ca)?]);
        }
        if let Some((cert, key)) = &self.identity {
            client = client.identity(reqwest::Identity::from_pem(&[key.as_slice(), cert].concat())?);
        }
        let mut request = client.build()?.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Ok(request)
    }
}
