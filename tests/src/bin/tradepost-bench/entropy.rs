//! How few bytes a sale could have: order-0 code length, column by column, of what can't be computed. A client's own
//! id counts 9 bytes (74 random bits).

use serde_json::Value;
use std::collections::BTreeMap;

const CLIENT_ID_BYTES: f64 = 9.25;

/// Mean bytes a sale of exported sale events.
pub(crate) fn bytes_a_sale(events: &[Value]) -> f64 {
    let mut columns: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let mut put = |column: &'static str, value: String| {
        *columns.entry(column).or_default().entry(value).or_default() += 1;
    };
    let mut last_wall = None;
    let (mut sales, mut client_ids) = (0u64, 0u64);
    for event in events.iter().filter(|e| e["kind"] == "sale.committed") {
        let (body, inputs) = (&event["body"], &event["body"]["document"]["inputs"]);
        sales += 1;
        client_ids += u64::from(body["client_made"] == true);
        let wall = event["wall"].as_i64().unwrap_or(0);
        put("gap", (wall - last_wall.unwrap_or(wall)).to_string());
        last_wall = Some(wall);
        put("till", event["till"].to_string());
        let lines = inputs["lines"].as_array().map_or(&[][..], Vec::as_slice);
        put("lines", lines.len().to_string());
        for line in lines {
            put("sku", line["sku"].to_string());
            put("quantity", line["quantity"].to_string());
            put("discounts", line["discounts"].to_string());
        }
        put("order discounts", inputs["order_discounts"].to_string());
        let tendered = body["document"]["outcome"]["settlement"]["cash_tendered"].as_i64().unwrap_or(0);
        let due = body["document"]["outcome"]["settlement"]["cash_due"].as_i64().unwrap_or(0);
        put("tendered above due", (tendered - due).to_string());
    }
    let bits: f64 = columns.values().map(order_0).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of sales")]
    let (sales, client_ids) = (sales as f64, client_ids as f64);
    bits / 8.0 / sales + CLIENT_ID_BYTES * client_ids / sales
}

fn order_0(counts: &BTreeMap<String, u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of values")]
    let (total, counts) = (counts.values().sum::<u64>() as f64, counts.values().map(|c| *c as f64));
    counts.map(|c| -c * (c / total).log2()).sum()
}
