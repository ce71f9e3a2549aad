//! A small blocking HTTP/1.1 client over one kept connection: no pool, no retry, nothing hidden from a test.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A client of one address. Not shared between threads: each has its own connection.
pub struct Client {
    address: String,
    token: Option<String>,
    connection: Option<TcpStream>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem, or nothing.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The JSON body of an answer with a 2xx status.
    ///
    /// # Panics
    /// With the whole answer where the status is another.
    #[allow(clippy::must_use_candidate, reason = "often only the status matters")]
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        self.json()
    }
}

impl Client {
    /// A client for `http://host:port`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, token: None, connection: None }
    }

    /// Sends a bearer token with every request.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.trim().to_owned());
        self
    }

    /// GET.
    ///
    /// # Errors
    /// Where no answer came: the connection was refused, cut or silent.
    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// A request with a JSON body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> std::io::Result<Answer> {
        let bytes = body.to_string().into_bytes();
        self.send(method, path, &[("content-type", "application/json")], Some(&bytes))
    }

    /// A request as given. A kept connection that the other side had closed is opened again once, and only where
    /// nothing of the answer was read.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> std::io::Result<Answer> {
        let kept = self.connection.is_some();
        match self.once(method, path, headers, body) {
            Err(e) if kept && is_closed(&e) && method == "GET" => self.once(method, path, headers, body),
            other => other,
        }
    }

    fn once(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> std::io::Result<Answer> {
        // A connection that lay idle may have been closed by the other side: nothing was sent on it yet.
        let mut stream = match self.connection.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect()?,
        };
        // A server may answer and close before it has read everything: its answer counts, where there is one.
        let sent = stream.write_all(&self.request(method, path, headers, body));
        let read = read_answer(&mut stream, method == "HEAD");
        let (answer, keep) = match (sent, read) {
            (_, Ok(read)) => read,
            (Err(e), _) | (Ok(()), Err(e)) => return Err(e),
        };
        if keep {
            self.connection = Some(stream);
        }
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(stream)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(token) = &self.token {
            request.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        [request.as_bytes(), body.unwrap_or_default()].concat()
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let looked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let open = looked.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
    open && stream.set_nonblocking(false).is_ok()
}

fn is_closed(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn cut() -> std::io::Error {
    std::io::ErrorKind::UnexpectedEof.into()
}

/// Reads one answer; tells whether the connection may be used again.
pub(crate) fn read_answer(stream: &mut impl Read, no_body: bool) -> std::io::Result<(Answer, bool)> {
    let mut buffer = Vec::with_capacity(4096);
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        fill(stream, &mut buffer)?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut rest = buffer.split_off(head_end + 4);
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).ok_or_else(cut)?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let keep = header("connection") != Some("close");
    let body = if no_body || status == 204 || status == 304 {
        Vec::new()
    } else if header("transfer-encoding") == Some("chunked") {
        read_chunks(stream, &mut rest)?
    } else if let Some(length) = header("content-length").and_then(|l| l.parse().ok()) {
        while rest.len() < length {
            fill(stream, &mut rest)?;
        }
        rest
    } else {
        while fill(stream, &mut rest).is_ok() {}
        return Ok((Answer { status, headers, body: rest }, false));
    };
    Ok((Answer { status, headers, body }, keep))
}

fn read_chunks(stream: &mut impl Read, rest: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = loop {
            if let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            fill(stream, rest)?;
        };
        let size = String::from_utf8_lossy(&rest[..line_end]).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| cut())?;
        let end = line_end + 2 + size;
        while rest.len() < end + 2 {
            fill(stream, rest)?;
        }
        body.extend_from_slice(&rest[line_end + 2..end]);
        rest.drain(..end + 2);
        if size == 0 {
            return Ok(body);
        }
    }
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    let mut chunk = [0u8; 16 * 1024];
    match stream.read(&mut chunk)? {
        0 => Err(cut()),
        n => {
            buffer.extend_from_slice(&chunk[..n]);
            Ok(())
        }
    }
}
