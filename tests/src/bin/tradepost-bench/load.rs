//! Load over HTTP from one thread: a task a client, one kept connection each, the next request after the answer.

use crate::raw::Figures;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_tests::seed::Luck;

/// A request: method, path, body.
pub(crate) type Request = (&'static str, String, String);

/// Runs `clients` for `time`; `make` makes the next request of a client.
pub(crate) fn run(
    address: &str,
    clients: u64,
    time: Duration,
    make: impl Fn(&mut Luck, u64) -> Request,
) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let all = runtime.block_on(async {
        let tasks = (0..clients).map(|client| one(address, client, begun + time, &make));
        futures_util::future::join_all(tasks).await
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let latencies: Vec<f64> = all.concat();
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is small")]
    let per_second = latencies.len() as f64 / elapsed;
    Figures { sales: u64::try_from(latencies.len()).unwrap_or(0), latencies, per_second }
}

async fn one(
    address: &str,
    client: u64,
    until: Instant,
    make: &impl Fn(&mut Luck, u64) -> Request,
) -> Vec<f64> {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let mut luck = Luck::new(SEED.fetch_add(1, Ordering::Relaxed));
    let mut stream = connect(address).await;
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let (method, path, body) = make(&mut luck, client);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let at = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("the node reads");
        let status = answer(&mut stream, &mut buffer).await;
        latencies.push(at.elapsed().as_secs_f64());
        assert!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(&buffer));
    }
    latencies
}

/// Connects to the node.
pub(crate) async fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the node listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
}

/// Reads one answer with a content-length into `buffer` (whole, with its head) and returns its status.
pub(crate) async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.expect("an answer") > 0, "the connection was closed");
        let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length: usize = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length:"))
            .and_then(|v| v.trim().parse().ok())
            .unwrap_or(0);
        while buffer.len() < end + 4 + length {
            assert!(stream.read_buf(buffer).await.expect("an answer") > 0, "the connection was closed");
        }
        return head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    }
}
