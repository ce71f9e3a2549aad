//! Rows of the report: what was measured, the baseline of the same run, the aim.

/// Collects rows and prints them as one table.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
}

impl Report {
    pub(crate) fn row(&mut self, what: &str, measured: String, baseline: String, aim: &str) {
        println!("  {what}: {measured} ({baseline}); aim {aim}");
        self.rows.push([what.to_owned(), measured, baseline, aim.to_owned()]);
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
