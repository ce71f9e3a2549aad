//! The end of the story as a table that a shopkeeper reads.

use super::progress::Voice;
use super::story::Report;
use tradepost_commerce::money::Currency;

/// Says what happened and whether everybody agrees.
pub fn show(voice: Voice, report: &Report, currency: Currency) {
    let money = |minor: i64| written(minor, currency);
    voice.say("");
    for store in &report.verdicts {
        voice.say(format!("   {}", store.name));
        row(voice, "takings", &money(store.books.takings));
        for (ppm, (net, tax)) in &store.books.tax {
            row(voice, &format!("tax {}", percent(*ppm)), &format!("{} on {}", money(*tax), money(*net)));
        }
        row(voice, "documents", &store.books.documents.to_string());
        row(voice, "products sold", &store.books.units.len().to_string());
        row(voice, "products in stock", &store.books.stock.len().to_string());
        let agree = if store.wrong.is_empty() { "to the cent and to the unit" } else { "NO" };
        row(voice, "node, hub and recomputation agree", agree);
        store.wrong.iter().for_each(|sentence| voice.say(format!("      ! {sentence}")));
        voice.say("");
    }
    voice.say("   The whole day");
    row(voice, "sales", &report.sales.to_string());
    row(voice, "refunds", &report.refunds.to_string());
    row(voice, "lost", &report.lost.to_string());
    row(voice, "doubled", &report.doubled.to_string());
    row(voice, "sales sent again because of the kill", &report.sent_again.to_string());
    row(voice, "ready again after the kill", &format!("{:.2} s", report.ready_again_seconds));
    let seen = format!("{:.0} ms", report.seen_by_neighbour_ms);
    row(voice, "a neighbour saw a sale, hub away, after", &seen);
    row(voice, "sales per second at the tills", &format!("{:.0}", report.sales_per_second));
    row(voice, "backlog levelled after", &format!("{:.2} s", report.drain_seconds));
    row(voice, "bytes on the wire per sale", &format!("{:.1}", report.wire_bytes_per_sale));
    row(voice, "the whole story took", &format!("{:.1} s", report.seconds));
    voice.say("");
}

fn row(voice: Voice, what: &str, value: &str) {
    voice.say(format!("      {what:<38} {value:>28}"));
}

/// An amount with its decimals, groups of three and the currency's code.
fn written(minor: i64, currency: Currency) -> String {
    let exponent = usize::from(currency.exponent);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let point = if exponent > 0 { "." } else { "" };
    format!("{sign}{}{point}{fraction} {}", grouped(whole), currency.code())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Parts per million as a person says them.
fn percent(ppm: u32) -> String {
    let fraction = format!("{:04}", ppm % 10_000);
    match fraction.trim_end_matches('0') {
        "" => format!("{} %", ppm / 10_000),
        rest => format!("{}.{rest} %", ppm / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_rates_read_as_in_a_shop() {
        assert_eq!(written(1_234_567, Currency::EUR), "12 345.67 EUR");
        assert_eq!(written(-5, Currency::EUR), "-0.05 EUR");
        assert_eq!(written(45_000, Currency::VND), "45 000 VND");
        assert_eq!(percent(88_750), "8.875 %");
        assert_eq!(percent(0), "0 %");
        assert_eq!(percent(230_000), "23 %");
    }
}
