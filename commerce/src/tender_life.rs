//! The life of a tender, from the first row to the bank's last word (`facts.md` §4, Tender).
//!
//! A durable row with an idempotency key exists before anybody is asked. While nobody knows whether the money was
//! taken there is no document and no number; asking again with the same key settles it.

use crate::document::{PoolDraw, TenderKind, TenderState};
use crate::money::{Money, Overflow};
use serde::{Deserialize, Serialize};

/// What happens to a tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TenderStep {
    /// The terminal is asked; or the customer is shown a code to pay by.
    Ask,
    /// The money is taken: the terminal or its inquiry says so, or it lies in the drawer.
    Taken,
    /// The terminal keeps the card and will forward it.
    Kept,
    /// The cashier saw the transfer; the bank's list will tell.
    Seen,
    /// It was refused; of a stored card, when it was forwarded.
    Refused,
    /// No answer came, or the node restarted while it waited: nobody knows.
    Silence,
    /// A stored card was not forwarded in time.
    TooLate,
    /// The bank's list has it.
    Listed,
    /// The bank's list doesn't have it.
    NotListed,
    /// It is undone, or the terminal never heard of its key.
    Undone,
}

/// How an open tender of a document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Settled {
    /// The money came.
    Captured,
    /// It was refused.
    Declined,
    /// It was never forwarded in time.
    Expired,
    /// The bank has it.
    Confirmed,
    /// The bank doesn't have it.
    Missing,
    /// Undone.
    Voided,
}

impl Settled {
    /// Whether the store has the money.
    pub fn is_paid(self) -> bool {
        matches!(self, Settled::Captured | Settled::Confirmed)
    }
}

/// Why a tender can't go that way. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum TenderRefusal {
    /// The state has no such step.
    #[error("a tender that is {state:?} can't take the step {step:?}")]
    NoSuchStep { state: TenderState, step: TenderStep },
    /// A captured tender that a document claims: only a refund gives it back.
    #[error("a document claims this tender; a refund gives the money back")]
    ClaimedByDocument,
    /// Only a card can be kept by a terminal, and only a transfer waits for a bank's list.
    #[error("a tender of this kind can't take the step {step:?}")]
    NotForThisKind { step: TenderStep },
    /// More than a terminal may take offline in one transaction.
    #[error("{asked} is more than the {most} that may be taken offline at once")]
    OverFloorLimit { asked: Money, most: Money },
    /// More than all stored cards together may come to.
    #[error("{asked} and the {waiting} that wait are more than the {most} that may wait")]
    OverStoredSum { asked: Money, waiting: Money, most: Money },
    /// More than this node's share of the balance.
    #[error("{asked} is more than the {left} that may be used here while the hub can't be asked")]
    OverQuota { asked: Money, left: Money },
    /// Nothing or less.
    #[error("{asked} can't be paid")]
    BadAmount { asked: Money },
    /// A figure too large to be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl TenderRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            TenderRefusal::NoSuchStep { .. } => "NO_SUCH_TENDER_STEP",
            TenderRefusal::ClaimedByDocument => "TENDER_CLAIMED",
            TenderRefusal::NotForThisKind { .. } => "NOT_FOR_THIS_TENDER",
            TenderRefusal::OverFloorLimit { .. } => "OVER_FLOOR_LIMIT",
            TenderRefusal::OverStoredSum { .. } => "OVER_STORED_SUM",
            TenderRefusal::OverQuota { .. } => "OVER_QUOTA",
            TenderRefusal::BadAmount { .. } => "BAD_TENDER",
            TenderRefusal::Overflow(_) => "OVERFLOW",
        }
    }
}

/// The state after a step. `documented` says whether a document claims the tender.
///
/// # Errors
/// [`TenderRefusal`] when the state, the kind or the document doesn't allow it.
pub fn step(
    kind: &TenderKind,
    state: TenderState,
    step: TenderStep,
    documented: bool,
) -> Result<TenderState, TenderRefusal> {
    if !suits(kind, step) {
        return Err(TenderRefusal::NotForThisKind { step });
    }
    if step == TenderStep::Undone && documented {
        return Err(TenderRefusal::ClaimedByDocument);
    }
    after(kind, state, step).ok_or(TenderRefusal::NoSuchStep { state, step })
}

fn suits(kind: &TenderKind, step: TenderStep) -> bool {
    let transfer = matches!(kind, TenderKind::VietQr | TenderKind::BankTransfer);
    match step {
        TenderStep::Kept | TenderStep::TooLate => *kind == TenderKind::Card,
        TenderStep::Seen | TenderStep::Listed | TenderStep::NotListed => transfer,
        TenderStep::Ask | TenderStep::Silence => !is_in_hand(kind),
        TenderStep::Taken | TenderStep::Refused | TenderStep::Undone => true,
    }
}

/// Whether it is paid by what is handed over, so that nobody has to be asked.
fn is_in_hand(kind: &TenderKind) -> bool {
    matches!(kind, TenderKind::Cash | TenderKind::ForeignCash | TenderKind::Exchange | TenderKind::Prepaid)
}

fn after(kind: &TenderKind, state: TenderState, step: TenderStep) -> Option<TenderState> {
    use TenderState as S;
    use TenderStep as T;
    Some(match (state, step) {
        (S::Created, T::Ask) => S::Requested,
        // Nobody has to be asked about what lies in the drawer.
        (S::Created, T::Taken) if is_in_hand(kind) => S::Captured,
        // Nobody was asked, so there is nothing to take back.
        (S::Created, T::Undone) => S::Voided,
        (S::Requested | S::Unknown | S::Stored, T::Taken) => S::Captured,
        (S::Requested, T::Kept) => S::Stored,
        (S::Requested, T::Seen) => S::Unconfirmed,
        (S::Requested, T::Silence) => S::Unknown,
        (S::Requested | S::Unknown | S::Stored, T::Refused) => S::Declined,
        (S::Requested | S::Unknown | S::Captured, T::Undone) => S::Voided,
        (S::Stored, T::TooLate) => S::Expired,
        (S::Unconfirmed, T::Listed) => S::Confirmed,
        (S::Unconfirmed, T::NotListed) => S::Missing,
        _ => return None,
    })
}

/// Whether a tender in this state keeps a document from being made: somebody was asked, or will be.
pub fn blocks_document(state: TenderState) -> bool {
    matches!(state, TenderState::Created | TenderState::Requested | TenderState::Unknown)
}

/// Whether a document's tender still waits for its money.
pub fn is_unsettled(state: TenderState) -> bool {
    matches!(state, TenderState::Stored | TenderState::Unconfirmed)
}

/// What a store lets its terminals take without asking anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfflineCaps {
    /// Most of one transaction; 0 means nothing may be stored.
    pub floor_limit: Money,
    /// Most that all stored cards of the store together may come to; none means no such limit.
    pub stored_sum: Option<Money>,
}

/// Whether a card may be stored offline, with so much waiting already.
///
/// # Errors
/// [`TenderRefusal`] with the cap that it would break.
pub fn may_store(asked: Money, waiting: Money, caps: OfflineCaps) -> Result<(), TenderRefusal> {
    if asked.0 <= 0 {
        return Err(TenderRefusal::BadAmount { asked });
    }
    if asked > caps.floor_limit {
        return Err(TenderRefusal::OverFloorLimit { asked, most: caps.floor_limit });
    }
    match caps.stored_sum {
        Some(most) if waiting.plus(asked)? > most => {
            Err(TenderRefusal::OverStoredSum { asked, waiting, most })
        }
        _ => Ok(()),
    }
}

/// What a pool's id begins with. Rights of pools stand among those of goods; no item's code begins with a space, so that
/// none is ever taken for a pool, nor a voucher's code for an item.
const POOL_MARK: &str = " pool/";
/// What stands behind it where the pool is a coupon's.
const COUPON_MARK: &str = "coupon/";

/// The pool of a voucher's or gift card's code: its rights are minor units (`facts.md` §4).
pub fn voucher_pool(code: &str) -> String {
    format!("{POOL_MARK}{code}")
}

/// The pool of a coupon with a number of uses: its rights are uses (`facts.md` §5).
pub fn coupon_pool(code: &str) -> String {
    format!("{POOL_MARK}{COUPON_MARK}{code}")
}

/// Whether rights are those of a pool: it has no goods, so nothing of it is counted, burnt or minted by a barrier.
pub fn is_pool(sku: &str) -> bool {
    sku.starts_with(POOL_MARK)
}

/// The code behind a pool's id, and whether it is a coupon's. A text that is no pool's id is a voucher's code itself, as a
/// node alone writes it.
pub fn pool_code(pool: &str) -> (&str, bool) {
    let code = pool.strip_prefix(POOL_MARK).unwrap_or(pool);
    match code.strip_prefix(COUPON_MARK) {
        Some(coupon) => (coupon, true),
        None => (code, false),
    }
}

/// Draws on a gift card, a voucher or an account within the rights that this node holds of its pool: the sum over
/// all nodes is capped by the balance, whatever the partition.
///
/// # Errors
/// [`TenderRefusal::OverQuota`] when the node holds less, [`TenderRefusal::BadAmount`] for nothing.
pub fn draw(pool: &str, asked: Money, left: Money) -> Result<PoolDraw, TenderRefusal> {
    if asked.0 <= 0 {
        return Err(TenderRefusal::BadAmount { asked });
    }
    if asked > left {
        return Err(TenderRefusal::OverQuota { asked, left });
    }
    Ok(PoolDraw { pool: pool.to_owned(), used: asked })
}
