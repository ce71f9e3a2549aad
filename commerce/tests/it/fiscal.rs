//! The fiscal journal: every way to change it is found, and the first bad entry is named.

use crate::store_day::{Paper, close_the_day, papers};
use proptest::prelude::*;
use tradepost_commerce::fiscal::{
    Broken, ChainName, DayClosure, Fault, FiscalChain, FiscalEntry, FiscalHead, FiscalKind, Witness, verify,
    verify_closures,
};
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::Perpetual;

/// A journal with the documents of its entries.
#[derive(Clone)]
struct Journal {
    name: ChainName,
    entries: Vec<FiscalEntry>,
    documents: Vec<Vec<u8>>,
}

fn name() -> ChainName {
    ChainName { till: "R1".into(), series: "A".into(), totals: Perpetual::default() }
}

/// Stands for the device key: it signs by turning the hash round.
fn sign(entry: &FiscalEntry) -> Vec<u8> {
    entry.hash.iter().rev().copied().collect()
}

fn write(what: Vec<(FiscalKind, Vec<u8>, Money)>) -> Journal {
    let mut chain = FiscalChain::new(&name());
    let mut journal = Journal { name: name(), entries: vec![], documents: vec![] };
    for (kind, document, gross) in what {
        let mut entry = chain.append(kind, &document, gross).unwrap();
        entry.signature = Some(sign(&entry));
        journal.entries.push(entry);
        journal.documents.push(document);
    }
    journal
}

/// The golden day's journal: eight documents, a copy of #104, and the Z.
fn day() -> Journal {
    let mut what = Vec::new();
    for (n, paper) in papers() {
        let (kind, bytes, gross) = match &paper {
            Paper::Sale(sale) => {
                (FiscalKind::Sale, postcard::to_allocvec(sale), sale.outcome.settlement.total)
            }
            Paper::Refund(refund) => {
                (FiscalKind::Refund, postcard::to_allocvec(refund), refund.outcome.settlement.total)
            }
        };
        what.push((kind, bytes.unwrap(), gross));
        if n == 104 {
            what.push((FiscalKind::Copy, b"copy 1 of 104".to_vec(), Money::ZERO));
        }
    }
    let z = postcard::to_allocvec(&close_the_day()).unwrap();
    what.push((FiscalKind::Z, z, Money::ZERO));
    write(what)
}

fn check(journal: &Journal, heads: &[FiscalHead]) -> Result<FiscalHead, Broken> {
    let document = |entry: &FiscalEntry| {
        let index = usize::try_from(entry.n).ok()?.checked_sub(1)?;
        journal.documents.get(index).cloned()
    };
    let signed = |entry: &FiscalEntry| entry.signature == Some(sign(entry));
    verify(&journal.name, &journal.entries, &Witness { document: &document, signed: &signed, heads })
}

/// Chains every entry from `from` on again, as somebody without the device key would.
fn chain_again(journal: &mut Journal, from: usize) {
    let mut chain = match from.checked_sub(1) {
        None => FiscalChain::new(&journal.name),
        Some(before) => FiscalChain::after(&journal.entries[before]),
    };
    for index in from..journal.entries.len() {
        let old = journal.entries[index].clone();
        let new = chain.append(old.kind, &journal.documents[index], old.amount).unwrap();
        journal.entries[index] = FiscalEntry { signature: old.signature, ..new };
    }
}

fn head(journal: &Journal, n: usize) -> FiscalHead {
    FiscalChain::after(&journal.entries[n - 1]).head()
}

#[test]
fn the_golden_days_journal_is_good_and_its_totals_are_the_zs() {
    let (journal, z) = (day(), close_the_day());
    let last = journal.entries.last().unwrap();
    assert_eq!(last.totals, z.after);
    assert_eq!(check(&journal, &[head(&journal, 5), head(&journal, 10)]), Ok(head(&journal, 10)));
}

#[test]
fn every_change_is_named() {
    type Story = (&'static str, fn(&mut Journal), u64, Fault);
    let stories: [Story; 11] = [
        ("a document changed", |j| j.documents[2][40] ^= 1, 3, Fault::DocumentChanged),
        ("a document gone", |j| j.documents.truncate(9), 10, Fault::DocumentMissing),
        ("an amount changed", |j| j.entries[3].amount = Money(1), 4, Fault::WrongHash),
        ("totals changed", |j| j.entries[3].totals.sales = Money(1), 4, Fault::WrongHash),
        ("an entry left out", |j| drop(j.entries.remove(4)), 5, Fault::OutOfPlace { found: 6 }),
        ("two swapped", |j| j.entries.swap(1, 2), 2, Fault::OutOfPlace { found: 3 }),
        (
            "two swapped and numbered again",
            |j| {
                j.entries.swap(1, 2);
                (j.entries[1].n, j.entries[2].n) = (2, 3);
            },
            2,
            Fault::WrongPrevious,
        ),
        (
            "changed, and the tail chained again",
            |j| {
                j.documents[5] = b"another document".to_vec();
                chain_again(j, 5);
            },
            6,
            Fault::BadSignature,
        ),
        ("the tail cut", |j| j.entries.truncate(8), 9, Fault::CutOff),
        ("all of it cut", |j| j.entries.clear(), 1, Fault::CutOff),
        ("another till's", |j| j.name.till = "R2".into(), 1, Fault::WrongPrevious),
    ];
    for (story, change, n, fault) in stories {
        let mut journal = day();
        let kept = [head(&journal, 10)];
        change(&mut journal);
        assert_eq!(check(&journal, &kept), Err(Broken { n, fault }), "{story}");
    }
}

/// Even somebody with the device key can't change what the hub countersigned.
#[test]
fn a_countersigned_head_stands_against_the_device_key() {
    let mut journal = day();
    let kept = [head(&journal, 7)];
    journal.documents[5] = b"another document".to_vec();
    chain_again(&mut journal, 5);
    for entry in &mut journal.entries {
        entry.signature = Some(sign(entry));
    }
    assert!(check(&journal, &[]).is_ok());
    assert_eq!(check(&journal, &kept), Err(Broken { n: 7, fault: Fault::OtherHead }));
}

/// A till that lies about what it sold before, with right hashes and signatures.
#[test]
fn totals_that_dont_follow_are_named() {
    let mut journal = day();
    let mut told = serde_json::to_value(FiscalChain::after(&journal.entries[2])).unwrap();
    told["totals"]["sales"] = 1.into();
    let mut liar: FiscalChain = serde_json::from_value(told).unwrap();
    let mut entry = liar.append(FiscalKind::Sale, &journal.documents[3], Money(2_363)).unwrap();
    entry.signature = Some(sign(&entry));
    journal.entries[3] = entry;
    assert_eq!(check(&journal, &[]), Err(Broken { n: 4, fault: Fault::WrongTotals }));
}

#[test]
fn day_closures_lie_on_the_journal() {
    let journal = day();
    let start = FiscalChain::new(&journal.name);
    let noon = FiscalChain::after(&journal.entries[4]);
    let night = FiscalChain::after(&journal.entries[9]);
    let first = DayClosure::new(20_000, 41, &start, &noon, None);
    let second = DayClosure::new(20_001, 42, &noon, &night, Some(&first));
    let days = [first.clone(), second.clone()];
    assert_eq!(verify_closures(&journal.name, &journal.entries, &days), Ok(()));
    assert_eq!(second.after, close_the_day().after);
    let stories: [(&str, Vec<DayClosure>, u32); 4] = [
        ("one left out", vec![second.clone()], 42),
        ("swapped", vec![second.clone(), first.clone()], 42),
        ("another total", vec![DayClosure { after: Perpetual::default(), ..first.clone() }], 41),
        ("another day", vec![first.clone(), DayClosure { business_day: 20_002, ..second }], 42),
    ];
    for (story, days, z) in stories {
        assert_eq!(verify_closures(&journal.name, &journal.entries, &days), Err(z), "{story}");
    }
    let cut = &journal.entries[..9];
    assert_eq!(verify_closures(&journal.name, cut, &days), Err(42), "a tail that was cut");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bit of whatever entry or document is turned, the journal is bad from there and not before.
    #[test]
    fn a_turned_bit_is_named(at in 0..10_usize, bit in 0..8_u8, what in 0..5_u8) {
        let mut journal = day();
        let kept = [head(&journal, 10)];
        let entry = &mut journal.entries[at];
        match what {
            0 => entry.document[7] ^= 1 << bit,
            1 => entry.previous[9] ^= 1 << bit,
            2 => entry.hash[31] ^= 1 << bit,
            3 => entry.totals.documents ^= 1 << bit,
            _ => journal.documents[at][3] ^= 1 << bit,
        }
        prop_assert_eq!(check(&journal, &kept).unwrap_err().n, u64::try_from(at).unwrap() + 1);
    }
}
