//! The catalog and the sales that are measured: made by a fixed rule, so that every run does the same.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::Program;
use tradepost_tests::seed::Luck;

const WORDS: [&str; 24] = [
    "milk",
    "bread",
    "green",
    "tea",
    "coffee",
    "ground",
    "apple",
    "juice",
    "rice",
    "long",
    "grain",
    "butter",
    "salted",
    "dark",
    "chocolate",
    "cake",
    "soft",
    "cheese",
    "orange",
    "water",
    "still",
    "soap",
    "hand",
    "cream",
];

/// SKU, name and price in cents of the n-th product.
pub(crate) fn product(n: u32) -> (String, String, u32) {
    let word = |k: u32| WORDS[usize::try_from((n / k) % 24).unwrap_or(0)];
    (format!("P{n:07}"), format!("{} {} {} {n}", word(1), word(24), word(576)), 99 + n * 7 % 2_000)
}

/// The EAN-13 of the n-th product.
pub(crate) fn gtin(n: u32) -> String {
    let body = format!("20{n:010}");
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 3 } else { 1 })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Writes the catalog as the node's import reads it.
pub(crate) fn write_catalog(path: &Path, products: u32) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut line = settings();
    line["type"] = "settings".into();
    if let Some(fields) = line.as_object_mut() {
        fields.remove("taxes");
    }
    writeln!(file, "{line}")?;
    for (category, ppm) in TAXES {
        writeln!(file, r#"{{"type":"tax","category":"{category}","ppm":{ppm}}}"#)?;
    }
    for n in 0..products {
        writeln!(file, "{}", product_line(n))?;
        let (sku, _, price) = product(n);
        writeln!(file, r#"{{"type":"price","list":"","sku":"{sku}","price":{price},"valid_from":0}}"#)?;
        writeln!(file, r#"{{"type":"stock","sku":"{sku}","units":10000}}"#)?;
    }
    file.flush()
}

/// The store's settings, with the tax rates in them, as the hub takes them.
pub(crate) fn settings() -> serde_json::Value {
    let taxes: Vec<_> =
        TAXES.iter().map(|(category, ppm)| serde_json::json!({"category": category, "ppm": ppm})).collect();
    serde_json::json!({
        "currency": "EUR", "prices_include_tax": true, "cash_step": 5, "time_zone": "UTC", "taxes": taxes
    })
}

pub(crate) const TAXES: [(&str, u32); 3] = [("standard", 230_000), ("reduced", 135_000), ("zero", 0)];

pub(crate) fn product_line(n: u32) -> String {
    let (sku, name, _) = product(n);
    let tax = TAXES[usize::try_from(n % 3).unwrap_or(0)].0;
    let gtin = gtin(n);
    format!(
        r#"{{"type":"product","sku":"{sku}","name":"{name}","category":"all","gtins":["{gtin}"],"unit":{{"base":"Piece","base_per_unit":1}},"tax_category":"{tax}","policy":"InHand"}}"#
    )
}

/// A sale's path and JSON body: three lines as a rule, cash handed over in a round sum.
pub(crate) fn sale(luck: &mut Luck, products: u32, till: &str) -> (String, String) {
    let mut body = format!(r#"{{"till":"{till}","lines":["#);
    let mut total = 0;
    let lines = 1 + luck.below(5);
    for k in 0..lines {
        let n = u32::try_from(luck.below(u64::from(products))).unwrap_or(0);
        let (sku, _, price) = product(n);
        let pieces = if luck.below(5) == 0 { 2 } else { 1 };
        total += u64::from(price) * pieces;
        let comma = if k == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"sku":"{sku}","quantity_milli":{}}}"#, pieces * 1_000);
    }
    let cash = (total + 5).div_ceil(500) * 500;
    let _ = write!(body, r#"],"tenders":[{{"kind":"cash","amount":{cash}}}]}}"#);
    (format!("/v1/sales/{}", uuid_v7()), body)
}

/// Starts a node on a fresh folder with the catalog imported.
pub(crate) fn start_node(bin_dir: &Path, data: &str, catalog: &str) -> Program {
    let import = std::process::Command::new(bin_dir.join("tradepost-node"))
        .args(["catalog", "import", catalog, "--data-dir", data])
        .output()
        .expect("the node's program runs");
    assert!(import.status.success(), "the catalog must import: {}", String::from_utf8_lossy(&import.stderr));
    restart_node(bin_dir, data)
}

/// Starts a node on an existing folder.
pub(crate) fn restart_node(bin_dir: &Path, data: &str) -> Program {
    Program::start_from(
        bin_dir,
        "tradepost-node",
        &["run", "--data-dir", data, "--listen", "127.0.0.1:0"],
        &[],
    )
    .unwrap_or_else(|e| panic!("{e}"))
}

/// What a process has had written to disk, in bytes (Linux).
pub(crate) fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).and_then(|v| v.trim().parse().ok()).unwrap_or(0)
}

/// Bytes of every file below a folder.
pub(crate) fn folder_size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => folder_size(&entry.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}
