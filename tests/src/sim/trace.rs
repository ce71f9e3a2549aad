//! The trace of a run: one line for everything that happened, folded into one hash. The same seed gives the same hash.

use std::collections::VecDeque;

/// Lines kept for whoever looks at a run that failed.
const KEPT: usize = 400;

/// What happened, in order.
pub struct Trace {
    hasher: blake3::Hasher,
    lines: u64,
    last: VecDeque<String>,
    loud: bool,
}

impl Trace {
    /// An empty trace; a loud one also says every line aloud.
    #[must_use]
    pub fn new(loud: bool) -> Self {
        let hasher = blake3::Hasher::new_derive_key("tradepost simulation trace v1");
        Self { hasher, lines: 0, last: VecDeque::new(), loud }
    }

    /// Adds a line, with the virtual time in milliseconds since the run began.
    pub fn say(&mut self, now: i64, line: &str) {
        let line = format!("{now:>9} {line}");
        self.hasher.update(line.as_bytes());
        self.hasher.update(b"\n");
        self.lines += 1;
        if self.loud {
            eprintln!("{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The hash over all lines so far, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// How many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
