//! The hub's self-made certificate. Nodes pin it by the fingerprint inside their enrolment code, so no authority is
//! needed and none is trusted (`model.md` §1).

use crate::secrets::write_secret;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// The certificate and its key.
pub struct Identity {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// The identity kept in `folder`, made at the first start.
    pub fn load(folder: &Path) -> Result<Self> {
        let (certificate_at, key_at) = (folder.join("tls.cert.der"), folder.join("tls.key.der"));
        match (fs::read(&certificate_at), fs::read(&key_at)) {
            (Ok(certificate), Ok(key)) => Ok(Self { certificate, key }),
            _ => {
                let made = rcgen::generate_simple_self_signed(vec![
                    "tradepost-hub".to_owned(),
                    "localhost".to_owned(),
                ])
                .map_err(Error::other)?;
                let certificate = made.cert.der().to_vec();
                let key = made.signing_key.serialize_der();
                write_secret(&key_at, &key)?;
                write_secret(&certificate_at, &certificate)?;
                Ok(Self { certificate, key })
            }
        }
    }

    /// SHA-256 of the certificate (DER).
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// How the listener speaks TLS: HTTP/2 only.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.certificate.clone())], key)
            .map_err(Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}
