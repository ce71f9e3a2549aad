//! A receipt as one HTML page, for the screen and for paper of 80 mm.

use crate::receipt::{Receipt, Row};

const STYLE: &str = "@page{size:80mm auto;margin:4mm}\
body{margin:0 auto;max-width:72mm;font:13px/1.4 system-ui,sans-serif;color:#000;background:#fff}\
header,footer{text-align:center}h1{font-size:1.1em;margin:.4em 0}\
table{width:100%;border-collapse:collapse}td,th{padding:.1em 0;font-weight:normal;text-align:left;vertical-align:top}\
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding-left:.6em}\
.u td:first-child{padding-left:1em}.t td{font-weight:bold;font-size:1.15em}.r td{border-top:1px dashed #000}\
.copy{font-weight:bold;letter-spacing:.1em}";

/// The receipt as a whole page without scripts; every text is escaped.
pub fn render(receipt: &Receipt) -> String {
    let rows: String = receipt.rows.iter().map(row).collect();
    let copy = receipt.copy.iter().map(|mark| format!("<p class=\"copy\">{}</p>", escape(mark)));
    format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title} {number}</title><style>{STYLE}</style></head>\n\
         <body>\n<header>{header}<h1>{title}</h1>{copy}<p>{number}<br>{when}<br>{served}</p></header>\n\
         <table>\n{rows}</table>\n<footer>{footer}</footer>\n</body></html>\n",
        title = escape(&receipt.title),
        number = escape(&receipt.number),
        when = escape(&receipt.when),
        served = escape(&receipt.served),
        header = paragraph(&receipt.header),
        copy = copy.collect::<String>(),
        footer = paragraph(&receipt.footer),
    )
}

fn paragraph(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
    format!("<p>{}</p>", lines.join("<br>"))
}

fn row(row: &Row) -> String {
    match row {
        Row::Item { name, detail: None, amount } => pair("i", name, amount),
        Row::Item { name, detail: Some(detail), amount } => {
            let name = format!("<tr class=\"i\"><td colspan=\"4\">{}</td></tr>\n", escape(name));
            name + &pair("u", detail, amount)
        }
        Row::Under { label, amount } => pair("u", label, amount),
        Row::Pair { label, amount } => pair("p", label, amount),
        Row::Total { label, amount } => pair("t", label, amount),
        Row::Tax { label, net, tax, gross } => {
            let figures = [net, tax, gross].map(|figure| format!("<td class=\"n\">{}</td>", escape(figure)));
            format!("<tr><td>{}</td>{}</tr>\n", escape(label), figures.concat())
        }
        Row::Note { text } => format!("<tr><td colspan=\"4\">{}</td></tr>\n", escape(text.trim())),
        Row::Rule => "<tr class=\"r\"><td colspan=\"4\"></td></tr>\n".to_owned(),
    }
}

fn pair(class: &str, label: &str, amount: &str) -> String {
    let (label, amount) = (escape(label), escape(amount));
    format!("<tr class=\"{class}\"><td colspan=\"3\">{label}</td><td class=\"n\">{amount}</td></tr>\n")
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
