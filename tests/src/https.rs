//! A small blocking HTTPS client that trusts one authority and nobody else, as a tablet in a store does. One connection a
//! request: nothing hidden from a test.

use crate::http::{Answer, read_answer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer, or the next piece of one, may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A device that asks one node.
pub struct SecureClient {
    address: String,
    trusted: Arc<ClientConfig>,
    token: Option<String>,
}

impl SecureClient {
    /// A client for `https://host:port` that trusts the authority with this certificate.
    ///
    /// # Panics
    /// Where the certificate is none.
    #[must_use]
    pub fn new(url: &str, authority_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).expect("a certificate");
        roots.add(authority).expect("an authority's certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
        Self { address, trusted: Arc::new(config), token: None }
    }

    /// Sends a bearer token with every request.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// GET.
    ///
    /// # Errors
    /// Where no secret was agreed on, or no answer came.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.ask("GET", path, None)
    }

    /// A request with a JSON body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn json(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.ask(method, path, Some(body))
    }

    /// Begins a GET whose answer goes on and on; what comes is read from the stream.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn listen(&self, path: &str) -> Result<impl Read + use<>> {
        self.begin("GET", path, None)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut stream = self.begin(method, path, body)?;
        Ok(read_answer(&mut stream, method == "HEAD")?.0)
    }

    fn begin(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.trusted), name).map_err(Error::other)?;
        let socket = TcpStream::connect(&self.address)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        socket.set_write_timeout(Some(ANSWER_MAX))?;
        let mut stream = StreamOwned::new(connection, socket);
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if let Some(token) = &self.token {
            request.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        if body.is_some() {
            request
                .push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", bytes.len()));
        }
        request.push_str("\r\n");
        stream.write_all(&[request.as_bytes(), &bytes].concat())?;
        Ok(stream)
    }
}
