//! The rights matrix of one (location, sku) and the decisions over it (`model.md` §2).
//!
//! Cells are monotone and merge by `max`; row `i` is written by incarnation `i` alone. All arithmetic is checked.

use crate::effects::Cell;
use crate::ids::Incarnation;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::product::StockPolicy;

/// The cells of one incarnation's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// `M`.
    pub minted: u64,
    /// `U`.
    pub used: u64,
    /// `O`.
    pub overdrawn: u64,
    /// `S`.
    pub settled: u64,
    /// `T`, by receiver.
    pub given: BTreeMap<Incarnation, u64>,
}

/// The matrix of one (location, sku).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rights {
    rows: BTreeMap<Incarnation, Row>,
}

/// A cell that would leave the range of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stock cell would overflow")]
pub struct CellOverflow;

/// How a quantity is taken: from rights, and beyond them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// From rights (`c`).
    pub rights: u64,
    /// Beyond them (`o`).
    pub overdraw: u64,
}

/// A strict sale that the rights don't cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} asked, {free} may be promised here")]
pub struct StrictShort {
    /// Base units asked for.
    pub asked: u64,
    /// Base units that may be promised.
    pub free: u64,
}

impl Rights {
    /// Adds an effect of `author` to its own row.
    pub fn apply(&mut self, author: Incarnation, cell: Cell, units: u64) -> Result<(), CellOverflow> {
        let row = self.rows.entry(author).or_default();
        let cell = match cell {
            Cell::Minted => &mut row.minted,
            Cell::Used => &mut row.used,
            Cell::Overdrawn => &mut row.overdrawn,
            Cell::Settled => &mut row.settled,
            Cell::Given(to) => row.given.entry(to).or_default(),
        };
        *cell = cell.checked_add(units).ok_or(CellOverflow)?;
        Ok(())
    }

    /// Merges another replica's view: every cell the greater of the two.
    pub fn merge(&mut self, other: &Self) {
        for (author, theirs) in &other.rows {
            let ours = self.rows.entry(*author).or_default();
            ours.minted = ours.minted.max(theirs.minted);
            ours.used = ours.used.max(theirs.used);
            ours.overdrawn = ours.overdrawn.max(theirs.overdrawn);
            ours.settled = ours.settled.max(theirs.settled);
            for (to, units) in &theirs.given {
                let cell = ours.given.entry(*to).or_default();
                *cell = (*cell).max(*units);
            }
        }
    }

    /// `r_i`: what an incarnation may promise. Negative only in a view that lacks what it was given (I2).
    pub fn of(&self, i: &Incarnation) -> i128 {
        let received: i128 =
            self.rows.values().filter_map(|row| row.given.get(i)).map(|u| i128::from(*u)).sum();
        let Some(row) = self.rows.get(i) else { return received };
        let given: i128 = row.given.values().map(|u| i128::from(*u)).sum();
        i128::from(row.minted) + received - given - i128::from(row.used)
    }

    /// `x_i`: overdraw an incarnation has taken and not settled.
    pub fn overdraw_of(&self, i: &Incarnation) -> u64 {
        self.rows.get(i).map_or(0, |row| row.overdrawn.saturating_sub(row.settled))
    }

    /// `X`: open overdraw of all.
    pub fn overdraw(&self) -> u64 {
        self.rows.values().fold(0, |sum, row| sum.saturating_add(row.overdrawn.saturating_sub(row.settled)))
    }

    /// `ATP`: what the live incarnations may promise together.
    pub fn available(&self, live: &BTreeSet<Incarnation>) -> i128 {
        live.iter().map(|i| self.of(i)).sum()
    }

    /// Every incarnation that has a row or was given anything.
    pub fn known(&self) -> BTreeSet<Incarnation> {
        self.rows.iter().flat_map(|(i, row)| std::iter::once(*i).chain(row.given.keys().copied())).collect()
    }

    /// What `j` has overdrawn and its own rights don't cover: `max(0, x_j − max(0, r_j))`.
    pub fn uncovered(&self, j: &Incarnation) -> u64 {
        let rights = u64::try_from(self.of(j).max(0)).unwrap_or(u64::MAX);
        self.overdraw_of(j).saturating_sub(rights)
    }

    /// Whom to ask when free rights run short: of those that `may_give`, who is known to hold any, the largest first,
    /// ties by the smaller id (`model.md` §2, In the store).
    pub fn donors(&self, may_give: impl Fn(&Incarnation) -> bool) -> Vec<(Incarnation, u64)> {
        let holders = self.known().into_iter().filter(|i| may_give(i));
        let mut donors: Vec<(Incarnation, u64)> =
            holders.filter_map(|i| Some((i, u64::try_from(self.of(&i)).ok().filter(|r| *r > 0)?))).collect();
        donors.sort_by(|(a, r), (b, s)| s.cmp(r).then(a.cmp(b)));
        donors
    }

    /// How far below zero an incarnation stands, as its rights came from a branch that is cut off: what it makes good
    /// by `M += d, O += d` (`model.md` §3, Forks).
    pub fn missing(&self, i: &Incarnation) -> u64 {
        u64::try_from(-self.of(i).min(0)).unwrap_or(u64::MAX)
    }

    /// A row's cells.
    pub fn row(&self, i: &Incarnation) -> Option<&Row> {
        self.rows.get(i)
    }
}

/// Whether an incarnation may write rights at all, and what it may promise now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `r_i` at its owner.
    pub rights: u64,
    /// Held by carts of this node.
    pub held: u64,
    /// In the signed roster (or a lone node), so that it may mint and use rights.
    pub registered: bool,
    /// The lease has run out or this boot was never acknowledged: everything it covers is locked.
    pub locked: bool,
}

impl Standing {
    /// What may be promised: rights that no cart holds; none while unregistered or locked.
    pub fn free(&self) -> u64 {
        if !self.registered || self.locked {
            return 0;
        }
        self.rights.saturating_sub(self.held)
    }
}

/// Decides how a sale takes `asked` base units (`model.md` §2, "When rights run out"). `approved` says that a
/// manager's PIN stands behind an override.
pub fn take(
    standing: &Standing,
    policy: StockPolicy,
    asked: u64,
    approved: bool,
) -> Result<Taken, StrictShort> {
    let free = standing.free();
    if free >= asked {
        return Ok(Taken { rights: asked, overdraw: 0 });
    }
    let beyond = match policy {
        StockPolicy::InHand => true,
        StockPolicy::Override => approved,
        StockPolicy::Strict => false,
    };
    if !beyond {
        return Err(StrictShort { asked, free });
    }
    Ok(Taken { rights: free, overdraw: asked - free })
}

/// What goods coming in mint: all of them, or nothing while unregistered or locked (`model.md` §1, §3.1).
pub fn mint(standing: &Standing, units: u64) -> u64 {
    if standing.registered && !standing.locked { units } else { 0 }
}

/// How much open overdraw a node covers from its free rights: `min(x, free)`.
pub fn settle(standing: &Standing, overdraw: u64) -> u64 {
    overdraw.min(standing.free())
}

/// How much may be given to another: at most the free rights.
pub fn give(standing: &Standing, asked: u64) -> u64 {
    asked.min(standing.free())
}

/// What is given on a `T` that is asked for as "at least `level`": nothing where that much went there before, so that a
/// repeated ask gives once (`model.md` §2, In the store).
pub fn give_up_to(standing: &Standing, given_before: u64, level: u64) -> u64 {
    give(standing, level.saturating_sub(given_before))
}

/// What a holder burns of a shrink that it sees: at most its free rights, and never what suspended rights cover, as
/// nobody can sell those (`model.md` §2, count and burn). `asked` is none for the count's own burn.
pub fn burn(standing: &Standing, picture: &Picture, asked: Option<u64>) -> u64 {
    let seen = u64::try_from((picture.shrink() - picture.suspended.max(0)).max(0)).unwrap_or(u64::MAX);
    seen.min(asked.unwrap_or(u64::MAX)).min(standing.free())
}

/// The figures of one (location, sku) and what follows from them (`model.md` §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Fold of the movement ledger.
    pub on_hand: i128,
    /// Σ r of live incarnations.
    pub available: i128,
    /// Σ open reservations.
    pub reserved: i128,
    /// Rights of fenced, unresolved incarnations.
    pub suspended: i128,
    /// X.
    pub overdraw: i128,
}

impl Picture {
    /// `D = on_hand − (ATP + reserved + susp − X)`; never stored.
    pub fn d(&self) -> i128 {
        self.on_hand - (self.available + self.reserved + self.suspended - self.overdraw)
    }

    /// `G`: shrink not yet burnt.
    pub fn shrink(&self) -> i128 {
        (-self.d()).max(0)
    }

    /// `P`: surplus not yet minted.
    pub fn surplus(&self) -> i128 {
        self.d().max(0)
    }

    /// `(E)`: promises that cannot be met.
    pub fn exposure(&self) -> i128 {
        (self.reserved - self.on_hand).max(0)
    }
}
