//! Rows of the report: what was measured, the baseline of the same run, the aim.

use std::io::Write;
use std::path::Path;

/// Collects rows and prints them as one table.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
    file: Option<std::fs::File>,
}

impl Report {
    /// One whose rows also go into a file as they come.
    pub(crate) fn into_file(path: &Path) -> Self {
        Self { rows: Vec::new(), file: Some(std::fs::File::create(path).expect("a file for the rows")) }
    }

    pub(crate) fn row(&mut self, what: &str, measured: String, baseline: String, aim: &str) {
        println!("  {what}: {measured} ({baseline}); aim {aim}");
        let row = [what.to_owned(), measured, baseline, aim.to_owned()];
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::json!(row)).expect("a row is written");
        }
        self.rows.push(row);
    }

    /// Adds the rows of a file.
    pub(crate) fn take_in(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        self.rows.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }

    /// A part that did not come to its end.
    pub(crate) fn failed(&mut self, part: &str, why: &str) {
        self.row(part, "FAILED".to_owned(), why.to_owned(), "-");
    }

    pub(crate) fn print(&self) {
        let heads = ["what", "measured", "against, in this run", "aim"].map(str::to_owned);
        let all: Vec<_> = std::iter::once(&heads).chain(&self.rows).collect();
        let widths: Vec<usize> =
            (0..4).map(|c| all.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
        println!();
        for row in all {
            let cells: Vec<_> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
                .collect();
            println!("{}", cells.join("  "));
        }
    }
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The `p`-th percentile of sorted or unsorted latencies in seconds.
pub(crate) fn percentile(latencies: &mut [f64], p: f64) -> f64 {
    latencies.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((latencies.len() as f64 - 1.0) * p / 100.0).round() as usize;
    latencies.get(at).copied().unwrap_or(f64::NAN)
}

/// Milliseconds with two or three digits.
pub(crate) fn ms(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1_000.0)
}
