//! The hub's accounting journal as it exports it, added up.

use std::collections::BTreeMap;

/// What each account came to over the lines whose reference is one of `of`; an account that came to nothing is left
/// out.
///
/// # Panics
/// Where the table isn't the journal's.
#[must_use]
pub fn sums(table: &str, of: &[String]) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let amount = |at: usize| fields[at].parse::<i64>().expect("an amount");
        if of.iter().any(|own| own == fields[9]) {
            *sums.entry(fields[5].to_owned()).or_default() += amount(7) - amount(8);
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}
