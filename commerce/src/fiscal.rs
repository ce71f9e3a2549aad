//! The fiscal journal: one chain per (till, series), so that a till's papers can't be changed unseen (`facts.md` §4).
//!
//! An entry's hash is SHA-256 over the stored document's own hash, what it came to, the totals after it and the
//! entry before; the device key signs each. Nothing is certified: it makes a change findable. Three things find
//! one. The links name an entry that was changed, left out or swapped; the signatures name the first of a tail
//! that was chained again; and heads that somebody else keeps (Zs on paper, the hub's countersigned head of each
//! day) name what a cut tail lacks.

use crate::money::{Money, Overflow};
use crate::shift::Perpetual;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Sha = [u8; 32];

/// What an entry is about. Numbers are part of the hashed bytes and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FiscalKind {
    /// A sale.
    Sale,
    /// A refund, a void among them.
    Refund,
    /// A receivable collected; outside turnover.
    Receivable,
    /// A printed copy.
    Copy,
    /// A drawer opening without a sale.
    DrawerOpened,
    /// A Z.
    Z,
    /// A signing device stopped to answer; entries go on without it.
    SigningDeviceDown,
    /// It answers again.
    SigningDeviceUp,
}

impl FiscalKind {
    fn number(self) -> u8 {
        match self {
            FiscalKind::Sale => 1,
            FiscalKind::Refund => 2,
            FiscalKind::Receivable => 3,
            FiscalKind::Copy => 4,
            FiscalKind::DrawerOpened => 5,
            FiscalKind::Z => 6,
            FiscalKind::SigningDeviceDown => 7,
            FiscalKind::SigningDeviceUp => 8,
        }
    }

    /// Whether its document takes a number of the receipt series.
    fn is_numbered(self) -> bool {
        matches!(self, FiscalKind::Sale | FiscalKind::Refund | FiscalKind::Receivable)
    }
}

/// One entry of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalEntry {
    /// Its place in the chain, from 1.
    pub n: u64,
    /// What it is about.
    pub kind: FiscalKind,
    /// SHA-256 of the canonical stored document.
    pub document: Sha,
    /// Gross of a sale, of a refund (negative); nothing for all other kinds.
    pub amount: Money,
    /// The till's totals after it.
    pub totals: Perpetual,
    /// Hash of the entry before; of the first, the chain's own name.
    pub previous: Sha,
    /// Hash of all of this.
    pub hash: Sha,
    /// The device key's signature of the hash; none until it is signed.
    pub signature: Option<Vec<u8>>,
}

/// How far a chain is: what a Z prints and the hub countersigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalHead {
    /// Entries so far.
    pub n: u64,
    /// Hash of the last one; of a chain without entries, its own name.
    pub hash: Sha,
}

/// Which chain it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainName {
    /// The till.
    pub till: String,
    /// The receipt series.
    pub series: String,
    /// The totals it begins with: those of the last Z known before the series was opened.
    pub totals: Perpetual,
}

/// The writing end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalChain {
    head: FiscalHead,
    totals: Perpetual,
}

impl FiscalChain {
    /// A chain without entries.
    pub fn new(name: &ChainName) -> FiscalChain {
        FiscalChain { head: FiscalHead { n: 0, hash: name_hash(name) }, totals: name.totals }
    }

    /// The chain whose last entry this is.
    pub fn after(last: &FiscalEntry) -> FiscalChain {
        FiscalChain { head: FiscalHead { n: last.n, hash: last.hash }, totals: last.totals }
    }

    /// How far it is.
    pub fn head(&self) -> FiscalHead {
        self.head
    }

    /// The till's totals after the last entry.
    pub fn totals(&self) -> Perpetual {
        self.totals
    }

    /// Appends the canonical bytes of a stored document. `gross` is a sale's or a refund's total and is left out
    /// of account for every other kind. The entry is still to be signed.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn append(
        &mut self,
        kind: FiscalKind,
        document: &[u8],
        gross: Money,
    ) -> Result<FiscalEntry, Overflow> {
        let amount = match kind {
            FiscalKind::Sale | FiscalKind::Refund => gross,
            _ => Money::ZERO,
        };
        let mut entry = FiscalEntry {
            n: self.head.n.checked_add(1).ok_or(Overflow)?,
            kind,
            document: Sha256::digest(document).into(),
            amount,
            totals: totals_after(self.totals, kind, amount)?,
            previous: self.head.hash,
            hash: Sha::default(),
            signature: None,
        };
        entry.hash = entry_hash(&entry);
        *self = FiscalChain::after(&entry);
        Ok(entry)
    }
}

fn totals_after(before: Perpetual, kind: FiscalKind, amount: Money) -> Result<Perpetual, Overflow> {
    let mut after = before;
    match kind {
        FiscalKind::Sale => after.sales = before.sales.plus(amount)?,
        FiscalKind::Refund => after.refunds = before.refunds.plus(amount)?,
        _ => {}
    }
    after.documents = before.documents.checked_add(u64::from(kind.is_numbered())).ok_or(Overflow)?;
    Ok(after)
}

/// What a chain without entries hashes to: chains of two tills or series have nothing in common.
fn name_hash(name: &ChainName) -> Sha {
    let mut hasher = Sha256::new_with_prefix(b"tradepost fiscal chain v1");
    for text in [&name.till, &name.series] {
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text);
    }
    add_totals(&mut hasher, name.totals);
    hasher.finalize().into()
}

fn entry_hash(entry: &FiscalEntry) -> Sha {
    let mut hasher = Sha256::new_with_prefix(b"tradepost fiscal entry v1");
    hasher.update(entry.n.to_be_bytes());
    hasher.update([entry.kind.number()]);
    hasher.update(entry.document);
    hasher.update(entry.amount.0.to_be_bytes());
    add_totals(&mut hasher, entry.totals);
    hasher.update(entry.previous);
    hasher.finalize().into()
}

fn add_totals(hasher: &mut Sha256, totals: Perpetual) {
    hasher.update(totals.sales.0.to_be_bytes());
    hasher.update(totals.refunds.0.to_be_bytes());
    hasher.update(totals.documents.to_be_bytes());
}

/// The record of a business day's end on a chain: what a Z closes and the hub countersigns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayClosure {
    /// The business day, counted from 1970-01-01.
    pub business_day: i32,
    /// The Z that closed it.
    pub z: u32,
    /// The chain's head before the day.
    pub from: FiscalHead,
    /// The chain's head after it, the Z's own entry included.
    pub to: FiscalHead,
    /// Totals before the day.
    pub before: Perpetual,
    /// Totals after it.
    pub after: Perpetual,
    /// Hash of the closure before; nothing but zeros for the first.
    pub previous: Sha,
    /// Hash of all of this.
    pub hash: Sha,
}

impl DayClosure {
    /// Closes a day: `from` is the chain as the closure before left it (or without entries), `to` as it is now.
    pub fn new(
        business_day: i32,
        z: u32,
        from: &FiscalChain,
        to: &FiscalChain,
        last: Option<&DayClosure>,
    ) -> DayClosure {
        let mut closure = DayClosure {
            business_day,
            z,
            from: from.head,
            to: to.head,
            before: from.totals,
            after: to.totals,
            previous: last.map_or(Sha::default(), |last| last.hash),
            hash: Sha::default(),
        };
        closure.hash = closure_hash(&closure);
        closure
    }
}

fn closure_hash(closure: &DayClosure) -> Sha {
    let mut hasher = Sha256::new_with_prefix(b"tradepost day closure v1");
    hasher.update(closure.business_day.to_be_bytes());
    hasher.update(closure.z.to_be_bytes());
    for head in [closure.from, closure.to] {
        hasher.update(head.n.to_be_bytes());
        hasher.update(head.hash);
    }
    add_totals(&mut hasher, closure.before);
    add_totals(&mut hasher, closure.after);
    hasher.update(closure.previous);
    hasher.finalize().into()
}

/// The first bad entry of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {n}: {fault}")]
pub struct Broken {
    /// Its place: where the entry stands, or should stand.
    pub n: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum Fault {
    /// Another entry stands in its place.
    #[error("entry {found} stands in its place")]
    OutOfPlace { found: u64 },
    /// It doesn't build on the one before.
    #[error("it doesn't follow the entry before it")]
    WrongPrevious,
    /// Its document isn't in the log.
    #[error("its document is missing")]
    DocumentMissing,
    /// The stored document is another one.
    #[error("the stored document was changed")]
    DocumentChanged,
    /// Its totals aren't those before plus its amount.
    #[error("its totals don't follow from those before")]
    WrongTotals,
    /// Its figures were changed.
    #[error("its figures were changed")]
    WrongHash,
    /// The device key didn't sign it.
    #[error("its signature is not the device's")]
    BadSignature,
    /// Somebody who keeps heads has another one here.
    #[error("the head that was kept elsewhere is another one")]
    OtherHead,
    /// Somebody who keeps heads has seen it; the journal ends before.
    #[error("it is missing: the journal ends before it")]
    CutOff,
}

/// What a journal is checked against.
pub struct Witness<'a> {
    /// The canonical bytes of the document of an entry, as the log has them.
    pub document: &'a dyn Fn(&FiscalEntry) -> Option<Vec<u8>>,
    /// Whether the signature of an entry is the device's (or may be missing).
    pub signed: &'a dyn Fn(&FiscalEntry) -> bool,
    /// Heads that others keep, in any order.
    pub heads: &'a [FiscalHead],
}

/// Checks a whole journal: `Ok` is its head.
///
/// # Errors
/// [`Broken`]: the first bad entry, and what is wrong with it.
pub fn verify(
    name: &ChainName,
    entries: &[FiscalEntry],
    witness: &Witness<'_>,
) -> Result<FiscalHead, Broken> {
    let mut chain = FiscalChain::new(name);
    check_heads(&chain, witness.heads)?;
    for entry in entries {
        let n = chain.head.n + 1;
        check_entry(&chain, entry, witness).map_err(|fault| Broken { n, fault })?;
        chain = FiscalChain::after(entry);
        check_heads(&chain, witness.heads)?;
    }
    let beyond = witness.heads.iter().filter(|head| head.n > chain.head.n).map(|head| head.n).min();
    match beyond {
        Some(_) => Err(Broken { n: chain.head.n + 1, fault: Fault::CutOff }),
        None => Ok(chain.head),
    }
}

fn check_heads(chain: &FiscalChain, heads: &[FiscalHead]) -> Result<(), Broken> {
    let other = |head: &&FiscalHead| head.n == chain.head.n && head.hash != chain.head.hash;
    match heads.iter().find(other) {
        Some(head) => Err(Broken { n: head.n, fault: Fault::OtherHead }),
        None => Ok(()),
    }
}

fn check_entry(chain: &FiscalChain, entry: &FiscalEntry, witness: &Witness<'_>) -> Result<(), Fault> {
    if entry.n != chain.head.n + 1 {
        return Err(Fault::OutOfPlace { found: entry.n });
    }
    if entry.previous != chain.head.hash {
        return Err(Fault::WrongPrevious);
    }
    if entry.hash != entry_hash(entry) {
        return Err(Fault::WrongHash);
    }
    if totals_after(chain.totals, entry.kind, entry.amount) != Ok(entry.totals) {
        return Err(Fault::WrongTotals);
    }
    let document = (witness.document)(entry).ok_or(Fault::DocumentMissing)?;
    if Sha::from(Sha256::digest(&document)) != entry.document {
        return Err(Fault::DocumentChanged);
    }
    if !(witness.signed)(entry) {
        return Err(Fault::BadSignature);
    }
    Ok(())
}

/// Checks that day closures follow each other and lie on a journal that [`verify`] found good.
///
/// # Errors
/// The Z number of the first closure that doesn't.
pub fn verify_closures(name: &ChainName, entries: &[FiscalEntry], days: &[DayClosure]) -> Result<(), u32> {
    let mut last: Option<&DayClosure> = None;
    for day in days {
        let from = last.map_or(FiscalChain::new(name).head, |last| last.to);
        let follows = day.from == from && day.previous == last.map_or(Sha::default(), |last| last.hash);
        let lies_on = chain_at(name, entries, day.from) == Some(day.before)
            && chain_at(name, entries, day.to) == Some(day.after);
        if !follows || !lies_on || day.to.n < day.from.n || day.hash != closure_hash(day) {
            return Err(day.z);
        }
        last = Some(day);
    }
    Ok(())
}

/// The totals of a journal at a head, if that is one of its heads.
fn chain_at(name: &ChainName, entries: &[FiscalEntry], head: FiscalHead) -> Option<Perpetual> {
    let chain = match head.n.checked_sub(1) {
        None => FiscalChain::new(name),
        Some(index) => FiscalChain::after(entries.get(usize::try_from(index).ok()?)?),
    };
    (chain.head == head).then_some(chain.totals)
}
