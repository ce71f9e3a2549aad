//! Progress for whoever watches: a moving bar on a terminal, plain lines everywhere else.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Below so many steps, plain lines tell only the end.
const STEPS_WORTH_A_LINE: u64 = 100;

/// Where the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// With bars that move.
    Terminal,
    /// In plain lines.
    Plain,
    /// Not at all.
    Silent,
}

impl Voice {
    /// Bars where a person watches, plain lines where not.
    pub fn choose(headless: bool) -> Self {
        if !headless && std::io::stdout().is_terminal() { Self::Terminal } else { Self::Plain }
    }

    /// One line of the story.
    pub fn say(self, line: impl AsRef<str>) {
        if self != Self::Silent {
            print_line(line.as_ref());
        }
    }

    /// A new bar of so many steps.
    pub fn bar(self, what: &str, steps: usize) -> Bar {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let shown = (self == Self::Terminal).then(|| moving(what, steps));
        let plain = (self == Self::Plain).then(|| what.to_owned());
        Bar { shown, plain, steps, done: AtomicU64::new(0) }
    }
}

/// Writes a line to stdout; a reader that went away is no reason to stop the story.
pub fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Something that takes a while. All its methods may be called from any task.
#[derive(Debug)]
pub struct Bar {
    shown: Option<ProgressBar>,
    plain: Option<String>,
    steps: u64,
    done: AtomicU64,
}

impl Bar {
    /// So many steps more are done.
    pub fn advance(&self, steps: usize) {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        if let Some(bar) = &self.shown {
            bar.inc(steps);
        }
        if let Some(what) = &self.plain {
            let (before, now) = (self.quarters(before), self.quarters(before + steps));
            if now > before && self.steps >= STEPS_WORTH_A_LINE {
                print_line(&format!("   {what}: {} of {}", self.done.load(Ordering::Relaxed), self.steps));
            }
        }
    }

    /// How many steps are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// It is over; a moving bar leaves one plain line.
    pub fn end(&self, line: &str) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
        if self.shown.is_some() || self.plain.is_some() {
            print_line(&format!("   {line}"));
        }
    }

    fn quarters(&self, done: u64) -> u64 {
        done * 4 / self.steps.max(1)
    }
}

fn moving(what: &str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("   {msg:28} {wide_bar} {pos}/{len} {per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}
