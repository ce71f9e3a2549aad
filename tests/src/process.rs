//! Real programs, started, killed and stopped for real.

use crate::http::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a program may take to say that it is ready (ten times what is promised, and room for a busy machine).
const READY_MAX: Duration = Duration::from_secs(60);

/// A running program that has said that it is ready.
pub struct Program {
    child: Child,
    /// What it said when it was ready.
    pub ready: Value,
    /// How long that took.
    pub took: Duration,
    stderr: Arc<Mutex<String>>,
}

/// The folder that holds the built programs: beside this test's own binary, or `TRADEPOST_BIN_DIR`.
#[must_use]
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("TRADEPOST_BIN_DIR") {
        return PathBuf::from(dir);
    }
    let exe = std::env::current_exe().expect("a running program has a path");
    let dir = exe.parent().expect("a file stands in a folder");
    if dir.ends_with("deps") {
        dir.parent().expect("deps stands in a folder").to_owned()
    } else {
        dir.to_owned()
    }
}

impl Program {
    /// Starts a program of [`bin_dir`] and waits until it says that it is ready.
    ///
    /// # Errors
    /// What it wrote on stderr, where it ended or said nothing in time.
    pub fn start(name: &str, args: &[&str]) -> Result<Self, String> {
        Self::start_from(&bin_dir(), name, args, &[])
    }

    /// As [`Self::start`], from a given folder and with environment variables.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_from(dir: &Path, name: &str, args: &[&str], env: &[(&str, &str)]) -> Result<Self, String> {
        let begun = Instant::now();
        let mut child = Command::new(dir.join(name))
            .args(args)
            .args(crate::engines::of_hub(name, args))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{name}: {e}"))?;
        let stderr = Arc::new(Mutex::new(String::new()));
        let collector = collect(child.stderr.take().expect("stderr is piped"), Arc::clone(&stderr));
        let lines = read_lines(child.stdout.take().expect("stdout is piped"));
        match lines.recv_timeout(READY_MAX) {
            Ok(line) => {
                let ready: Value =
                    serde_json::from_str(&line).map_err(|e| format!("{name} said {line:?}: {e}"))?;
                Ok(Self { child, ready, took: begun.elapsed(), stderr })
            }
            Err(_) => {
                let _ = child.kill();
                let status = child.wait();
                // It has ended, so its last words come to an end too.
                let _ = collector.join();
                let said = stderr.lock().expect("nobody panics while holding it").clone();
                Err(format!("{name} {args:?} was not ready: {status:?}\n{said}"))
            }
        }
    }

    /// A text field of the readiness line.
    #[must_use]
    pub fn said(&self, field: &str) -> String {
        self.ready[field].as_str().unwrap_or_default().to_owned()
    }

    /// A client for the address in a field of the readiness line.
    #[must_use]
    pub fn client(&self, field: &str) -> Client {
        Client::new(&self.said(field))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written on stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("nobody panics while holding it").clone()
    }

    /// kill −9, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits up to `bound` for a clean end.
    ///
    /// # Errors
    /// Where it didn't end in time (then it is killed) or with another exit code than 0.
    pub fn stop(mut self, bound: Duration) -> Result<(), String> {
        self.signal("TERM");
        let begun = Instant::now();
        while begun.elapsed() < bound {
            if let Ok(Some(status)) = self.child.try_wait() {
                return if status.success() { Ok(()) } else { Err(format!("{status}\n{}", self.stderr())) };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        Err(format!("it had not ended after {bound:?}\n{}", self.stderr()))
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Resident memory in bytes (Linux).
    #[must_use]
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let mut text = into.lock().expect("nobody panics while holding it");
            text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    })
}

fn read_lines(from: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    receive
}

/// Waits for a condition with a bound.
///
/// # Errors
/// Names what was waited for, where it didn't come true in time.
pub fn wait_for(
    what: &str,
    bound: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<Duration, String> {
    let begun = Instant::now();
    loop {
        if condition() {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > bound {
            return Err(format!("{what}: not within {bound:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder of the test's own that is removed at the end.
pub struct TempDir(PathBuf);

impl TempDir {
    /// A fresh folder under the system's temporary one.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::under(&std::env::temp_dir(), name)
    }

    /// A fresh folder in another one.
    #[must_use]
    pub fn under(folder: &Path, name: &str) -> Self {
        let mut luck = [0u8; 8];
        getrandom::fill(&mut luck).expect("the system has random bytes");
        let path = folder.join(format!("tradepost-{name}-{:016x}", u64::from_le_bytes(luck)));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside, as text.
    #[must_use]
    pub fn join(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
            return;
        }
        crate::engines::forget(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
