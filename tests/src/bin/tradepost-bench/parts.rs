//! Each part is measured by a process of its own: one that fails takes no other row with it.

use crate::report::Report;
use crate::{Options, PARTS};
use std::path::Path;
use std::process::{Command, Stdio};
use tradepost_tests::process::TempDir;

/// Measures the part that `--only` names, in this process.
pub(crate) fn alone(options: &Options, rows: &Path) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |what| {
        usual(what);
        end_children();
    }));
    let mut report = Report::into_file(rows);
    for (_, measure) in PARTS.iter().filter(|(name, _)| options.only.iter().any(|only| only == name)) {
        measure(options, &mut report);
    }
}

/// Measures a part in a process of its own, with the arguments of this one; whether it came to its end.
pub(crate) fn beside(name: &str, report: &mut Report) -> bool {
    let dir = TempDir::new(&format!("bench-{name}-part"));
    let rows = dir.path().join("rows");
    let program = std::env::current_exe().expect("this program has a path");
    // `--only` would add this part to those that were asked for.
    let given = without_only(std::env::args().skip(1));
    let child = Command::new(program)
        .args(given)
        .args(["--only", name, "--rows"])
        .arg(&rows)
        // What a part that failed leaves behind goes with it.
        .env("TMPDIR", dir.path())
        // What a program has to say of itself on a good day would drown the rows.
        .env("RUST_LOG", "warn")
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    report.take_in(&rows);
    let why = match child {
        Ok(output) if output.status.success() => return true,
        Ok(output) => reason(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => error.to_string(),
    };
    report.failed(name, &why);
    false
}

fn without_only(mut given: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(word) = given.next() {
        if word == "--only" {
            given.next();
        } else if !word.starts_with("--only=") {
            kept.push(word);
        }
    }
    kept
}

/// What a panic said: its place and the sentence behind it.
fn reason(stderr: &str) -> String {
    const SHOWN_CHARS: usize = 300;
    let said: Vec<&str> = stderr.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect();
    let said = if said.is_empty() { stderr.trim().to_owned() } else { said.join(" ") };
    said.chars().take(SHOWN_CHARS).collect()
}

/// A panic ends this process at once, and nobody else would end the programs that it started.
fn end_children() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children: Vec<String> = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    if !children.is_empty() {
        let _ = Command::new("kill").arg("-KILL").args(children).status();
    }
}
