//! A provider behind an adapter: a small program on this machine that speaks the provider's own protocol on the other side.
//!
//! The contract: `PUT /v1/operations/{key}` with an [`Operation`] does it once and answers an [`Outcome`]; the same key with
//! another operation answers 409. Notices come to `POST /v1/payment-notices` of the hub, signed (Standard Webhooks).

use super::{Operation, Outcome, Unknown};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where an adapter is.
#[derive(Clone, Debug)]
pub struct Adapter {
    address: SocketAddr,
}

/// An address that no adapter may have.
#[derive(Debug, thiserror::Error)]
#[error("{0}: an adapter is plain HTTP on this machine, e.g. http://127.0.0.1:7650")]
pub struct BadAdapter(String);

impl Adapter {
    /// An adapter at `http://address:port`; loopback only, since what is said there is not encrypted.
    ///
    /// # Errors
    /// [`BadAdapter`].
    pub fn new(url: &str) -> Result<Self, BadAdapter> {
        let address =
            url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').parse::<SocketAddr>());
        match address {
            Some(Ok(address)) if address.ip().is_loopback() => Ok(Self { address }),
            _ => Err(BadAdapter(url.to_owned())),
        }
    }

    pub(super) fn ask(
        &self,
        key: &str,
        operation: &Operation,
        patience: Duration,
    ) -> Result<Outcome, Unknown> {
        let body = serde_json::to_vec(operation).map_err(unknown)?;
        // A call is a few round trips on loopback; its reactor lives as long as it does, on the caller's own thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unknown)?;
        runtime.block_on(async {
            match tokio::time::timeout(patience, self.call(key, body)).await {
                Ok(answer) => answer,
                Err(_) => Err(Unknown(format!("no answer within {patience:?}"))),
            }
        })
    }

    async fn call(&self, key: &str, body: Vec<u8>) -> Result<Outcome, Unknown> {
        let stream = tokio::net::TcpStream::connect(self.address).await.map_err(unknown)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unknown)?;
        tokio::spawn(connection);
        let mut request = Request::put(format!("/v1/operations/{key}"));
        if let Some(place) = tradepost_telemetry::current() {
            request = request.header("traceparent", place);
        }
        let request = request
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(unknown)?;
        let answer = sender.send_request(request).await.map_err(unknown)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(unknown)?;
        if status != StatusCode::OK {
            return Err(Unknown(format!("the adapter answered {status}")));
        }
        serde_json::from_slice(&body.to_bytes()).map_err(unknown)
    }
}

fn unknown(why: impl Display) -> Unknown {
    Unknown(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert!(Adapter::new("http://127.0.0.1:7650").is_ok());
        for url in ["http://10.0.0.7:80", "https://127.0.0.1:1", "http://pay.example:80", "127.0.0.1:1", ""] {
            assert!(Adapter::new(url).is_err(), "{url}");
        }
    }
}
