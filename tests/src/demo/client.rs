//! A plain HTTP client: JSON both ways, keep-alive connections, an address that may change when a program returns.

use super::Outcome;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long one call may take.
const CALL_WAIT: Duration = Duration::from_secs(30);

/// How long a download or an import may take.
const LONG_WAIT: Duration = Duration::from_secs(600);

/// Talks to one program; its clones share connections and address.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: Arc<RwLock<String>>,
    token: Option<String>,
}

/// A status and what came with it; `Null` where the body isn't JSON.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// Whether the call did what was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The stable code of a problem; empty for anything else.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Client {
    /// A client of the program at `base`, e.g. `http://127.0.0.1:7600`.
    pub fn new(base: &str, token: Option<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { pool, base: Arc::new(RwLock::new(base.to_owned())), token }
    }

    /// The program is somewhere else now; all clones know.
    pub fn moved_to(&self, base: &str) {
        base.clone_into(&mut self.base.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Where the program is.
    pub fn base(&self) -> String {
        self.base.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One call, whatever its answer.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Answer> {
        let bytes = body.map(|value| Bytes::from(value.to_string())).unwrap_or_default();
        let request = self.request(method, path, "application/json", bytes)?;
        tokio::time::timeout(CALL_WAIT, self.exchange(request)).await?
    }

    /// What stands at a path.
    ///
    /// # Errors
    /// There is no answer, or it isn't a success.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        succeeded(path, self.call(Method::GET, path, None).await?)
    }

    /// Makes something under an id of one's own.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put(&self, path: &str, body: &Value) -> Outcome<Value> {
        succeeded(path, self.call(Method::PUT, path, Some(body)).await?)
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        succeeded(path, self.call(Method::POST, path, Some(body)).await?)
    }

    /// All rows of a list that comes in pages.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn rows(&self, path: &str) -> Outcome<Vec<Value>> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{cursor}")).await?;
            let here = page.as_array().or_else(|| page["data"].as_array());
            rows.extend(here.ok_or_else(|| format!("{path} answers no list"))?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) if page["has_more"] != false => {
                    let joint = if path.contains('?') { '&' } else { '?' };
                    cursor = format!("{joint}cursor={next}");
                }
                _ => return Ok(rows),
            }
        }
    }

    /// Sends lines of JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_lines(&self, path: &str, lines: String) -> Outcome<Value> {
        let request = self.request(Method::POST, path, "application/x-ndjson", Bytes::from(lines))?;
        succeeded(path, tokio::time::timeout(LONG_WAIT, self.exchange(request)).await??)
    }

    /// Writes what stands at a path to a file, as it comes; answers its length in bytes.
    ///
    /// # Errors
    /// As [`Client::get`], or the file can't be written.
    pub async fn download(&self, path: &str, file: &Path) -> Outcome<u64> {
        let request = self.request(Method::GET, path, "application/json", Bytes::new())?;
        let response = self.pool.request(request).await?;
        if !response.status().is_success() {
            return Err(format!("{path}: {}", response.status()).into());
        }
        let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = tokio::time::timeout(LONG_WAIT, body.frame()).await? {
            if let Ok(data) = frame?.into_data() {
                out.write_all(&data)?;
                length += u64::try_from(data.len())?;
            }
        }
        out.flush()?;
        Ok(length)
    }

    fn request(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Outcome<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base()));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(request.body(Full::new(body))?)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Outcome<Answer> {
        let response = self.pool.request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }
}

fn succeeded(path: &str, answer: Answer) -> Outcome<Value> {
    if answer.is_success() {
        return Ok(answer.body);
    }
    Err(format!("{path} answers {}: {}", answer.status, answer.body).into())
}
