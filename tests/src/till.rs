//! A till for tests: a node with a small catalog, and sales as a client sends them.

use crate::http::{Answer, Client};
use crate::process::Program;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Starts a node over a folder with the English catalog (imported at its first start).
///
/// # Errors
/// As [`Program::start`].
pub fn start_node(dir: &Path, more: &[&str]) -> Result<Program, String> {
    start_node_with(dir, "en-grocer", more, &[])
}

/// As [`start_node`], with another catalog and environment variables.
///
/// # Errors
/// As [`Program::start`].
pub fn start_node_with(
    dir: &Path,
    catalog: &str,
    more: &[&str],
    env: &[(&str, &str)],
) -> Result<Program, String> {
    let dir = dir.to_string_lossy();
    let mut args = vec!["run", "--data-dir", &dir, "--listen", "127.0.0.1:0", "--catalog", catalog];
    args.extend_from_slice(more);
    Program::start_from(&crate::process::bin_dir(), "tradepost-node", &args, env)
}

/// A cash sale of pieces: (sku, thousandths).
#[must_use]
pub fn cash_sale(lines: &[(&str, i64)], cash: i64) -> Value {
    let lines: Vec<Value> =
        lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity_milli": quantity})).collect();
    json!({"till": "R1", "lines": lines, "tenders": [{"kind": "cash", "amount": cash}]})
}

/// Puts a sale.
///
/// # Errors
/// Where no answer came.
pub fn put_sale(client: &mut Client, id: &str, sale: &Value) -> std::io::Result<Answer> {
    client.json("PUT", &format!("/v1/sales/{id}"), sale)
}

/// What an export of events holds of sales and refunds.
#[derive(Debug, Default)]
pub struct Books {
    /// How often each document id stands in the log.
    pub documents: BTreeMap<String, u32>,
    /// Numbers by till and series, in log order.
    pub series: BTreeMap<String, Vec<u64>>,
    /// Events.
    pub events: u64,
}

impl Books {
    /// Reads an export.
    ///
    /// # Panics
    /// Where a line is no event.
    #[must_use]
    pub fn read(export: &str) -> Self {
        let mut books = Self::default();
        for line in export.lines() {
            let event: Value = serde_json::from_str(line).expect("an export line is JSON");
            books.events += 1;
            let body = &event["body"];
            let id = match event["kind"].as_str() {
                Some("sale.committed") => &body["sale_id"],
                Some("refund.committed") => &body["refund_id"],
                _ => continue,
            };
            *books.documents.entry(id.as_str().expect("a document has an id").to_owned()).or_default() += 1;
            let receipt = &body["receipt"];
            let name = format!(
                "{}-{}",
                receipt["till"].as_str().unwrap_or(""),
                receipt["series"].as_str().unwrap_or("")
            );
            books
                .series
                .entry(name)
                .or_default()
                .push(receipt["n"].as_u64().expect("a receipt has a number"));
        }
        books
    }

    /// Series whose numbers are not 1, 2, 3 and so on.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let whole = |numbers: &Vec<u64>| (1..).zip(numbers).all(|(n, number)| n == *number);
        self.series.iter().filter(|(_, numbers)| !whole(numbers)).map(|(name, _)| name.clone()).collect()
    }

    /// Documents that stand in the log more than once.
    #[must_use]
    pub fn doubled(&self) -> Vec<String> {
        self.documents.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id.clone()).collect()
    }

    /// Which of these ids are missing.
    #[must_use]
    pub fn missing<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        ids.into_iter().filter(|id| !self.documents.contains_key(*id)).cloned().collect()
    }
}
