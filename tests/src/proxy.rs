//! A TCP proxy with bad weather: it cuts, delays, swallows and refuses, so that two real programs live through what a
//! real network does. It counts what goes through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to connections. A change reaches those that are open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything goes through.
    Clear,
    /// Open connections are reset and new ones too.
    Closed,
    /// A connection is reset after so many more bytes, wherever in a frame that is.
    CutAfter(u64),
    /// Every piece is held up for so long.
    Slow(Duration),
    /// What the client sends vanishes, and nobody is told: its connections stay deaf in this direction for good.
    SwallowUp,
    /// What the server answers vanishes, and nobody is told: these connections stay so for good.
    SwallowDown,
}

/// What went through, and what didn't.
#[derive(Debug, Default)]
pub struct Counters {
    up: AtomicU64,
    down: AtomicU64,
    swallowed: AtomicU64,
    connections: AtomicU64,
    cut: AtomicU64,
}

impl Counters {
    /// Bytes from client to server.
    pub fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Bytes from server to client.
    pub fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Bytes that vanished.
    pub fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::Relaxed)
    }

    /// Connections that came.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were reset.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    counters: Arc<Counters>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of loopback and passes everything on to `server`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(server: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (weather, _) = watch::channel(Weather::Clear);
        let counters = Arc::new(Counters::default());
        let road = Road { server: server.to_owned(), weather: weather.clone(), counters: counters.clone() };
        let listening = tokio::spawn(listen(listener, road));
        Ok(Self { address, weather, counters, listening })
    }

    /// Where clients go.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes the weather for open and new connections.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// What went through until now.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.weather.send_replace(Weather::Closed);
    }
}

#[derive(Clone)]
struct Road {
    server: String,
    weather: watch::Sender<Weather>,
    counters: Arc<Counters>,
}

async fn listen(listener: TcpListener, road: Road) {
    while let Ok((client, _)) = listener.accept().await {
        road.counters.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(carry(client, road.clone()));
    }
}

/// One connection, until either side or the weather ends it.
async fn carry(client: TcpStream, road: Road) {
    if *road.weather.borrow() == Weather::Closed {
        return reset(&road.counters, &client);
    }
    let Ok(server) = TcpStream::connect(&road.server).await else { return reset(&road.counters, &client) };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = Lane { from: client_read, to: server_write, upwards: true };
    let down = Lane { from: server_read, to: client_write, upwards: false };
    let (up, down) = (up.run(&road), down.run(&road));
    tokio::pin!(up, down);
    // The first end that isn't a plain "no more from me" ends both.
    tokio::select! {
        ended = &mut up => if ended == End::Finished { down.await; },
        ended = &mut down => if ended == End::Finished { up.await; },
    }
}

fn reset(counters: &Counters, stream: &TcpStream) {
    counters.cut.fetch_add(1, Ordering::Relaxed);
    let _ = stream.set_zero_linger();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Broken,
}

/// One direction of a connection.
struct Lane {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    upwards: bool,
}

impl Lane {
    async fn run(mut self, road: &Road) -> End {
        let mut changes = road.weather.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        let (mut deaf, mut passed) = (false, 0);
        loop {
            let weather = *changes.borrow_and_update();
            if weather == Weather::Closed {
                return self.cut(road);
            }
            if !matches!(weather, Weather::CutAfter(_)) {
                passed = 0;
            }
            deaf |= weather == if self.upwards { Weather::SwallowUp } else { Weather::SwallowDown };
            let length = tokio::select! {
                read = self.from.read(&mut buffer) => match read {
                    Ok(0) if deaf => return End::Broken,
                    Ok(0) => return self.finish().await,
                    Ok(length) => length,
                    Err(_) => return End::Broken,
                },
                changed = changes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return self.cut(road),
                },
            };
            let bytes = &buffer[..length];
            if deaf {
                road.counters.swallowed.fetch_add(count(bytes), Ordering::Relaxed);
                continue;
            }
            let (send, cut) = match weather {
                Weather::Slow(pause) => {
                    tokio::time::sleep(pause).await;
                    (bytes, false)
                }
                Weather::CutAfter(limit) => up_to(bytes, limit.saturating_sub(passed)),
                _ => (bytes, false),
            };
            passed += count(send);
            if self.to.write_all(send).await.is_err() {
                return End::Broken;
            }
            let counter = if self.upwards { &road.counters.up } else { &road.counters.down };
            counter.fetch_add(count(send), Ordering::Relaxed);
            if cut {
                return self.cut(road);
            }
        }
    }

    async fn finish(&mut self) -> End {
        if self.to.shutdown().await.is_ok() { End::Finished } else { End::Broken }
    }

    fn cut(self, road: &Road) -> End {
        reset(&road.counters, self.to.as_ref());
        let _ = self.from.as_ref().set_zero_linger();
        // Not even a goodbye.
        self.to.forget();
        End::Broken
    }
}

/// What still goes through, and whether the connection is cut behind it.
fn up_to(bytes: &[u8], left: u64) -> (&[u8], bool) {
    match usize::try_from(left) {
        Ok(left) if left < bytes.len() => (&bytes[..left], true),
        _ => (bytes, false),
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends everything back, and a proxy before it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Proxy::start(&address).await.expect("the proxy starts")
    }

    async fn there_and_back(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut answer = vec![0; text.len()];
        let wait = tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut answer)).await;
        wait.map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok(answer)
    }

    #[tokio::test]
    async fn clear_weather_lets_everything_through_and_counts() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connects");
        assert_eq!(there_and_back(&mut stream, b"hello").await.expect("goes through"), b"hello");
        let counters = proxy.counters();
        assert_eq!((counters.up(), counters.down(), counters.connections(), counters.cut()), (5, 5, 1, 0));
    }

    #[tokio::test]
    async fn a_connection_is_cut_in_the_middle() {
        let proxy = echo().await;
        proxy.set(Weather::CutAfter(7));
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connects");
        assert_eq!(there_and_back(&mut stream, b"hello").await.expect("five go through"), b"hello");
        assert!(there_and_back(&mut stream, b"world").await.is_err());
        assert!(proxy.counters().cut() >= 1 && proxy.counters().up() == 7);
    }

    #[tokio::test]
    async fn what_was_swallowed_stays_swallowed_and_a_new_connection_lives() {
        for weather in [Weather::SwallowUp, Weather::SwallowDown] {
            let proxy = echo().await;
            proxy.set(weather);
            let mut old = TcpStream::connect(proxy.address()).await.expect("connects");
            let lost = there_and_back(&mut old, b"hello").await;
            assert_eq!(lost.map_err(|e| e.kind()), Err(std::io::ErrorKind::TimedOut), "{weather:?}");
            proxy.set(Weather::Clear);
            assert!(there_and_back(&mut old, b"again").await.is_err(), "{weather:?}");
            let mut new = TcpStream::connect(proxy.address()).await.expect("connects");
            assert_eq!(there_and_back(&mut new, b"hello").await.expect("goes through"), b"hello");
            assert_eq!(proxy.counters().swallowed(), 10, "{weather:?}");
        }
    }

    #[tokio::test]
    async fn closed_weather_ends_open_connections_and_refuses_new_ones() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connects");
        assert!(there_and_back(&mut stream, b"hello").await.is_ok());
        proxy.set(Weather::Closed);
        assert!(there_and_back(&mut stream, b"hello").await.is_err());
        let mut new = TcpStream::connect(proxy.address()).await.expect("the system accepts");
        assert!(there_and_back(&mut new, b"hello").await.is_err());
    }
}
