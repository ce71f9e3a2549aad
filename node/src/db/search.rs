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

/// How a product was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It has every word as it was typed.
    Whole,
    /// It has words that begin so.
    Beginning,
}

/// Where a page begins: behind this product, among those found in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// Which ones.
    pub found: Match,
    /// Behind this number.
    pub after: i64,
}

/// Where the first page begins.
pub const START: From = From { found: Match::Whole, after: 0 };

/// Numbers of the products that have every word: first those that have it whole, then those that have words which
/// begin so, each in order. Whole words are read from the index as far as they are needed; beginnings cost as much as
/// there are products that have them.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, question: &str, from: From, limit: usize) -> Result<Vec<(Match, i64)>, Fault> {
    let words = words(question);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let whole = words.join(" AND ");
    let beginning = words.iter().map(|word| format!("{word}*")).collect::<Vec<_>>().join(" AND ");
    let beginning = format!("({beginning}) NOT ({whole})");
    match from.found {
        Match::Beginning => page(conn, &beginning, Match::Beginning, from.after, limit),
        Match::Whole => {
            let mut found = page(conn, &whole, Match::Whole, from.after, limit)?;
            if found.len() < limit {
                found.extend(page(conn, &beginning, Match::Beginning, 0, limit - found.len())?);
            }
            Ok(found)
        }
    }
}

fn page(
    conn: &Connection,
    query: &str,
    found: Match,
    after: i64,
    limit: usize,
) -> Result<Vec<(Match, i64)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![query, after, limit], |row| Ok((found, row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every word quoted: nothing a person types is an operator.
fn words(question: &str) -> Vec<String> {
    let folded = fold(question);
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(|word| format!("\"{word}\"")).collect()
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
        assert_eq!(words("milk OR \"x\" -y*"), ["\"milk\"", "\"or\"", "\"x\"", "\"y\""]);
        assert_eq!(words(" *-\" "), Vec::<String>::new());
    }
}
