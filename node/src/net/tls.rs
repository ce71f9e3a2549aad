//! A channel to the hub, whose self-made certificate is pinned by its fingerprint (`model.md` §1, Signature).

use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long connecting may take.
const CONNECT_SECONDS: u64 = 5;

/// Bytes on the wire, both ways, encryption included.
#[derive(Debug, Default)]
pub struct Meter {
    /// Out.
    pub sent: AtomicU64,
    /// In.
    pub received: AtomicU64,
}

/// Opens a channel to `address` (host:port); the other side must show the certificate of this fingerprint.
///
/// # Errors
/// Why it can't be reached.
pub async fn connect(address: &str, fingerprint: [u8; 32], meter: Arc<Meter>) -> Result<Channel, String> {
    let config = Arc::new(pinned(fingerprint)?);
    let target = address.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let (config, target, meter) = (Arc::clone(&config), target.clone(), Arc::clone(&meter));
        async move { dial(config, &target, meter).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://hub.invalid")
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .tcp_nodelay(true);
    let connecting = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), connecting).await {
        Ok(connected) => connected.map_err(|e| innermost(&e)),
        Err(_) => Err(format!("{address} did not answer within {CONNECT_SECONDS} s")),
    }
}

/// The cause that says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn dial(
    config: Arc<ClientConfig>,
    address: &str,
    meter: Arc<Meter>,
) -> io::Result<tokio_rustls::client::TlsStream<Metered>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // The name plays no part: the fingerprint alone says who it is.
    let name = ServerName::try_from("hub.invalid").map_err(io::Error::other)?;
    tokio_rustls::TlsConnector::from(config).connect(name, Metered { stream, meter }).await
}

fn pinned(fingerprint: [u8; 32]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned { fingerprint, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider as Arc<CryptoProvider>)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Believes one certificate, and nobody who doesn't hold its key.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity).into();
        if shown == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(
            "the hub shows another certificate than the enrolment code names".to_owned(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub struct Metered {
    stream: TcpStream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = u64::try_from(buf.filled().len() - before).unwrap_or(0);
        self.meter.received.fetch_add(bytes, Ordering::Relaxed);
        done
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &done {
            self.meter.sent.fetch_add(u64::try_from(*bytes).unwrap_or(0), Ordering::Relaxed);
        }
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
