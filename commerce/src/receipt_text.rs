//! A receipt as plain text for a printer with characters of one width.

use crate::receipt::{Receipt, Row};
use crate::width::{centred, columns, edges, wrap};

/// Narrowest paper that still holds a label and an amount.
const COLUMNS_MIN: usize = 24;

/// The receipt in so many columns (at least 24; usual are 42 and 32), lines ended by `\n`. Text should be in
/// NFC; what is not is still aligned. Control characters become spaces.
pub fn render(receipt: &Receipt, width: usize) -> String {
    let width = width.max(COLUMNS_MIN);
    let mut lines: Vec<String> = Vec::new();
    lines.extend(receipt.header.iter().flat_map(|line| centred(&clean(line), width)));
    lines.extend(centred(&clean(&receipt.title), width));
    lines.extend(receipt.copy.iter().flat_map(|mark| centred(mark, width)));
    lines.extend(edges(&clean(&receipt.number), &clean(&receipt.when), width));
    lines.extend(wrap(&clean(&receipt.served), width));
    lines.push("-".repeat(width));
    let table = Table::of(&receipt.rows, width);
    lines.extend(receipt.rows.iter().flat_map(|line| row(line, table, width)));
    if !receipt.footer.is_empty() {
        lines.push("-".repeat(width));
        lines.extend(receipt.footer.iter().flat_map(|line| centred(&clean(line), width)));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(row: &Row, table: Table, width: usize) -> Vec<String> {
    match row {
        Row::Item { name, detail, amount } => item(name, detail.as_deref(), amount, width),
        Row::Under { label, amount } => indented(label, amount, width),
        Row::Pair { label, amount } | Row::Total { label, amount } => edges(&clean(label), amount, width),
        Row::Tax { label, net, tax, gross } => table.lines(&clean(label), [net, tax, gross], width),
        Row::Note { text } => wrap(&clean(text), width),
        Row::Rule => vec!["-".repeat(width)],
    }
}

fn item(name: &str, detail: Option<&str>, amount: &str, width: usize) -> Vec<String> {
    let Some(detail) = detail else { return edges(&clean(name), amount, width) };
    let mut lines = wrap(&clean(name), width);
    lines.extend(indented(detail, amount, width));
    lines
}

fn indented(label: &str, amount: &str, width: usize) -> Vec<String> {
    edges(&clean(label), amount, width - 2).into_iter().map(|line| format!("  {line}")).collect()
}

/// How the tax rates fit: a row each, or on narrow paper the rate over its figures.
#[derive(Clone, Copy)]
struct Table {
    rate: usize,
    figure: usize,
}

impl Table {
    fn of(rows: &[Row], width: usize) -> Table {
        let figure = width / 4;
        let one_row = Table { rate: width - 3 * figure, figure };
        let fits = |row: &Row| match row {
            Row::Tax { label, net, tax, gross } => {
                columns(label) <= one_row.rate && [net, tax, gross].iter().all(|f| columns(f) < figure)
            }
            _ => true,
        };
        if rows.iter().all(fits) { one_row } else { Table { rate: 0, figure: width / 3 } }
    }

    fn lines(self, label: &str, figures: [&String; 3], width: usize) -> Vec<String> {
        let pad = |text: &str, column: usize| " ".repeat(column.saturating_sub(columns(text)));
        let figures = figures.map(|figure| format!("{}{figure}", pad(figure, self.figure))).concat();
        if self.rate > 0 {
            return vec![format!("{label}{}{figures}", pad(label, self.rate))];
        }
        let mut lines = wrap(label, width);
        lines.push(figures);
        lines
    }
}

/// One line of it, without what a printer would take for a command.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
