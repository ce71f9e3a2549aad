//! Which way a refund's money goes: back to where it came from, what still waits for its money first (`facts.md` §4).

use super::problem::{Answer, Code, no};
use super::request::PayOut;
use super::tender;
use crate::db::tenders;
use rusqlite::Connection;
use tradepost_commerce::document::{PoolDraw, Rules, SaleDocument, Tender, TenderKind, TenderState};
use tradepost_commerce::money::{Money, Overflow};
use tradepost_commerce::refund_right::{exchange, share_out};
use tradepost_commerce::tender::cash_due;
use tradepost_commerce::tender_life::is_unsettled;
use tradepost_sync::ids::Id;

/// A tender of a sale, as a refund sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its index in the sale.
    pub index: u16,
    /// The tender.
    pub tender: Tender,
    /// What it paid, without change.
    pub amount: Money,
    /// What was not given back yet.
    pub left: Money,
    /// Where it stands by now.
    pub state: TenderState,
}

/// What paid a sale.
pub(crate) struct Paid {
    /// Its tenders.
    pub(crate) parts: Vec<Part>,
}

/// How a refund is paid out.
pub(crate) struct Out {
    /// The tenders.
    pub(crate) tenders: Vec<Tender>,
    /// Some of it goes another way than it came.
    pub(crate) another_way: bool,
}

fn bad(overflow: Overflow) -> super::Stop {
    no(Code::BadMoney, overflow.to_string())
}

impl Paid {
    /// Nothing is known of how it was paid.
    pub(crate) fn nothing() -> Self {
        Self { parts: Vec::new() }
    }

    /// What paid a sale, and what of it was given back.
    ///
    /// # Errors
    /// A fault.
    pub(crate) fn of(conn: &Connection, id: &Id, sale: &SaleDocument) -> Answer<Self> {
        let back = tenders::given_back(conn, id)?;
        let states = tender::states(conn, id, &sale.inputs.tenders)?;
        let mut cash = sale.outcome.settlement.cash_due.max(Money::ZERO);
        let mut parts = Vec::new();
        for ((index, tender), state) in (0_u16..).zip(&sale.inputs.tenders).zip(states) {
            // Of cash only what the drawer kept.
            let amount =
                if tender.kind == TenderKind::Cash { tender.amount.min(cash) } else { tender.amount };
            if tender.kind == TenderKind::Cash {
                cash = cash.minus(amount).map_err(bad)?;
            }
            let given = Money(back.get(&index).copied().unwrap_or(0));
            let left = amount.minus(given).map_err(bad)?.max(Money::ZERO);
            parts.push(Part { index, tender: tender.clone(), amount, left, state });
        }
        Ok(Self { parts })
    }

    fn first(&self, kind: &TenderKind) -> Option<u16> {
        self.parts.iter().find(|part| part.tender.kind == *kind).map(|part| part.index)
    }
}

/// The tenders of a refund of `total` (zero or below). `bought` is what an exchange buys at once.
///
/// # Errors
/// `BAD_MONEY` where an amount can't be.
pub(crate) fn pay_out(
    how: PayOut,
    total: Money,
    bought: Option<Money>,
    paid: &Paid,
    rules: &Rules,
) -> Answer<Out> {
    let mut tenders = Vec::new();
    let mut rest = total;
    if let Some(bought) = bought {
        let (internal, _) = exchange(total.negated().map_err(bad)?, bought).map_err(bad)?;
        rest = rest.minus(internal.amount).map_err(bad)?;
        tenders.push(internal);
        if rest.is_zero() {
            return Ok(Out { tenders, another_way: false });
        }
    }
    let kind = match how {
        PayOut::Cash => TenderKind::Cash,
        PayOut::Card => TenderKind::Card,
        PayOut::Original => return to_where_it_came_from(rest, tenders, paid, rules),
    };
    let amount = if kind == TenderKind::Cash { cash_due(rest, rules).map_err(bad)? } else { rest };
    let original = paid.first(&kind);
    if !amount.is_zero() || kind == TenderKind::Cash {
        tenders.push(plain(kind, amount, original));
    }
    Ok(Out { tenders, another_way: original.is_none() && !rest.is_zero() && !paid.parts.is_empty() })
}

fn to_where_it_came_from(rest: Money, mut tenders: Vec<Tender>, paid: &Paid, rules: &Rules) -> Answer<Out> {
    let left: Vec<(u16, Money)> = paid.parts.iter().map(|part| (part.index, part.left)).collect();
    let unsettled: Vec<u16> =
        paid.parts.iter().filter(|part| is_unsettled(part.state)).map(|part| part.index).collect();
    let (shares, beyond) = share_out(rest.negated().map_err(bad)?, &left, &unsettled).map_err(bad)?;
    let mut in_cash = beyond;
    let mut cash_of = None;
    for (index, amount) in shares {
        let Some(part) = paid.parts.iter().find(|part| part.index == index) else { continue };
        // Foreign notes come back as the store's own money.
        if matches!(part.tender.kind, TenderKind::Cash | TenderKind::ForeignCash) {
            in_cash = in_cash.plus(amount).map_err(bad)?;
            cash_of = cash_of.or(Some(index));
            continue;
        }
        let back = amount.negated().map_err(bad)?;
        let pool = part.tender.pool.as_ref().map(|draw| PoolDraw { pool: draw.pool.clone(), used: back });
        let tender = plain(part.tender.kind.clone(), back, Some(index));
        tenders.push(Tender { pool, reference: part.tender.reference.clone(), ..tender });
    }
    if !in_cash.is_zero() {
        let amount = cash_due(in_cash.negated().map_err(bad)?, rules).map_err(bad)?;
        tenders.push(plain(TenderKind::Cash, amount, cash_of));
    }
    Ok(Out { tenders, another_way: !beyond.is_zero() && !paid.parts.is_empty() })
}

fn plain(kind: TenderKind, amount: Money, original: Option<u16>) -> Tender {
    Tender {
        key: None,
        kind,
        amount,
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original,
    }
}
