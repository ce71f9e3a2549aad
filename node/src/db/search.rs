//! Finding products by words, whatever marks their letters bear: "đường" by "duong".

use super::Fault;
use super::catalog::Item;
use rusqlite::{Connection, params};
use tradepost_commerce::product::Product;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Most words of one question.
pub const WORDS_MAX: usize = 8;

/// Lower case without marks.
pub fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).map(plain).collect()
}

/// Letters whose stroke is no mark in Unicode.
fn plain(c: char) -> char {
    match c {
        'đ' => 'd',
        'ł' => 'l',
        'ø' => 'o',
        'ħ' => 'h',
        'ı' => 'i',
        c => c,
    }
}

/// Puts a product's words into the index.
///
/// # Errors
/// [`Fault`].
pub fn put(conn: &Connection, item: &Item, is_new: bool) -> Result<(), Fault> {
    if !is_new {
        conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([item.sku_no])?;
    }
    conn.prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?
        .execute(params![item.sku_no, words_of(&item.product)])?;
    Ok(())
}

fn words_of(product: &Product) -> String {
    let gtins = product.gtins.iter().map(|g| g.shortest());
    let mut words = fold(&format!("{} {} {}", product.name, product.sku.0, product.category));
    for gtin in gtins {
        words.push(' ');
        words.push_str(&gtin);
    }
    words
}

/// Numbers of the products that have every word (the beginning of one is enough), after `after`, in order.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, question: &str, after: i64, limit: usize) -> Result<Vec<i64>, Fault> {
    let Some(query) = query(question) else { return Ok(Vec::new()) };
    let mut statement = conn.prepare_cached(
        "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![query, after, limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every word as a quoted prefix: nothing a person types is an operator.
fn query(question: &str) -> Option<String> {
    let folded = fold(question);
    let words: Vec<String> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_strokes_fall_away() {
        for (text, folded) in [
            ("Đường trắng", "duong trang"),
            ("Sữa tươi", "sua tuoi"),
            ("Crème brûlée", "creme brulee"),
            ("NƯỚC MẮM", "nuoc mam"),
            ("Żółty", "zolty"),
        ] {
            assert_eq!(fold(text), folded);
        }
    }

    #[test]
    fn nothing_typed_is_an_operator() {
        assert_eq!(query("milk OR \"x\" -y*"), Some("\"milk\"* \"or\"* \"x\"* \"y\"*".to_owned()));
        assert_eq!(query(" *-\" "), None);
    }
}
