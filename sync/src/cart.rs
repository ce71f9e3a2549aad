//! A cart that the tills of a store edit together (`model.md` §5).
//!
//! Lines are an add-wins set. Who owns the cart, whether it is sealed and whether it is paid is a register that only
//! the custodian writes. The first tender seals the cart at a version vector: what it doesn't cover is never an unpaid
//! line of a paid cart. Cart state is replicated between nodes, not logged; only its checkout is an event.

use crate::clock::Hlc;
use crate::custody::{Custody, CustodyRefusal};
use crate::ids::{Id, Incarnation};
use crdts::{CmRDT, CvRDT, Orswot, VClock};
use std::collections::BTreeMap;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;

/// One entry of a cart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CartLine {
    /// Made by the scan; a changed quantity keeps it.
    pub root: Id,
    /// The item.
    pub sku: Sku,
    /// How much.
    pub quantity: Quantity,
    /// Price of one pricing unit, of the time of the scan.
    pub price: Money,
    /// The price version it comes from.
    pub version: CatalogVersion,
    /// When it was written: of two concurrent changes the higher wins.
    pub at: Hlc,
}

/// What the custodian alone writes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Register {
    custody: Custody,
    seal: Option<VClock<Incarnation>>,
    paid: bool,
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// Its id, by which checkout happens once.
    pub id: Id,
    /// The cart that it was cloned from, where another till could not reach the custodian.
    pub cloned_from: Option<Id>,
    /// It holds what was scanned into a cart that was being paid.
    pub left_over_of: Option<Id>,
    lines: Orswot<CartLine, Incarnation>,
    register: Register,
}

/// Why a cart stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CartRefusal {
    /// It is being paid: scans wait until every tender is undone.
    #[error("the cart is being paid")]
    Sealed,
    /// It is paid.
    #[error("the cart is paid")]
    Paid,
    /// The custodian says no.
    #[error(transparent)]
    Custody(#[from] CustodyRefusal),
    /// There is no such line.
    #[error("no such line")]
    NoLine,
}

/// What a person is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CartFlag {
    /// A cart and its clone were both paid: two orders.
    ClonedBothPaid,
}

impl Cart {
    /// A new cart of its first custodian.
    pub fn open(id: Id, owner: Incarnation) -> Self {
        Self {
            id,
            cloned_from: None,
            left_over_of: None,
            lines: Orswot::new(),
            register: Register { custody: Custody::begin(owner), seal: None, paid: false },
        }
    }

    /// Scans an item, on any till of the store.
    ///
    /// # Errors
    /// [`CartRefusal`] where the seal is known.
    pub fn scan(&mut self, by: Incarnation, line: CartLine) -> Result<(), CartRefusal> {
        self.editable()?;
        let op = self.lines.add(line, self.lines.read_ctx().derive_add_ctx(by));
        self.lines.apply(op);
        Ok(())
    }

    /// Takes a line out, as far as it was seen here: what another till adds to it meanwhile stays.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn void(&mut self, root: &Id) -> Result<(), CartRefusal> {
        self.editable()?;
        let seen: Vec<CartLine> = self.all().into_iter().filter(|line| line.root == *root).collect();
        if seen.is_empty() {
            return Err(CartRefusal::NoLine);
        }
        seen.iter().for_each(|line| self.remove(line));
        Ok(())
    }

    /// Changes a line's quantity: another entry under the same root.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn set_quantity(
        &mut self,
        by: Incarnation,
        root: &Id,
        quantity: Quantity,
        at: Hlc,
    ) -> Result<(), CartRefusal> {
        let line = self.lines().remove(root).ok_or(CartRefusal::NoLine)?;
        self.void(root)?;
        self.scan(by, CartLine { quantity, at, ..line })
    }

    /// The lines by root; where two tills changed one at once, the higher clock wins.
    pub fn lines(&self) -> BTreeMap<Id, CartLine> {
        let mut lines = BTreeMap::new();
        for line in self.all() {
            lines.insert(line.root, line);
        }
        lines
    }

    /// Roots that were changed on two tills at once.
    pub fn changed_on_both(&self) -> Vec<Id> {
        let mut by_root: BTreeMap<Id, u32> = BTreeMap::new();
        self.all().iter().for_each(|line| *by_root.entry(line.root).or_default() += 1);
        by_root.into_iter().filter(|(_, entries)| *entries > 1).map(|(root, _)| root).collect()
    }

    /// Every entry, by clock: the set itself has no order.
    fn all(&self) -> Vec<CartLine> {
        let mut all: Vec<CartLine> = self.lines.read().val.into_iter().collect();
        all.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.cmp(b)));
        all
    }

    fn remove(&mut self, line: &CartLine) {
        let seen = self.lines.contains(line).derive_rm_ctx();
        let op = self.lines.rm(line.clone(), seen);
        self.lines.apply(op);
    }

    fn editable(&self) -> Result<(), CartRefusal> {
        if self.register.paid {
            return Err(CartRefusal::Paid);
        }
        if self.register.seal.is_some() { Err(CartRefusal::Sealed) } else { Ok(()) }
    }

    /// Who owns it.
    pub fn custody(&self) -> &Custody {
        &self.register.custody
    }

    /// Whether it is paid.
    pub fn is_paid(&self) -> bool {
        self.register.paid
    }

    /// The first tender: the cart is sealed at what is known here. Only its custodian takes money.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn seal(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        self.step(who)?;
        self.register.seal = Some(self.lines.clock());
        Ok(())
    }

    /// Every tender is undone.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn unseal(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        self.step(who)?;
        self.register.seal = None;
        Ok(())
    }

    /// Checkout, by the custodian alone: the lines that were sealed, or those of now where nothing was tendered before.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn check_out(&mut self, who: &Incarnation) -> Result<Vec<CartLine>, CartRefusal> {
        if self.register.seal.is_none() {
            self.seal(who)?;
        }
        self.step(who)?;
        self.register.paid = true;
        self.register.custody.terminal = true;
        Ok(self.lines().into_values().filter(|line| self.covers(line)).collect())
    }

    /// The owner's next step; whoever else tries is told who owns it.
    fn step(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        if self.register.paid {
            return Err(CartRefusal::Paid);
        }
        let custody = &mut self.register.custody;
        if !custody.may_finish(who) {
            return Err(CustodyRefusal::NotOwner { owner: custody.owner }.into());
        }
        custody.n += 1;
        Ok(())
    }

    fn covers(&self, line: &CartLine) -> bool {
        let Some(seal) = &self.register.seal else { return true };
        *seal >= self.lines.contains(line).rm_clock
    }

    /// What was scanned into the cart before its seal was known there: it moves into a new cart, flagged, of the one who
    /// finds it. None where the seal covers everything.
    pub fn split(&mut self, id: Id, owner: Incarnation) -> Option<Self> {
        let left: Vec<CartLine> = self.all().into_iter().filter(|line| !self.covers(line)).collect();
        if left.is_empty() {
            return None;
        }
        let mut other = Self { left_over_of: Some(self.id), ..Self::open(id, owner) };
        for line in left {
            self.remove(&line);
            let op = other.lines.add(line, other.lines.read_ctx().derive_add_ctx(owner));
            other.lines.apply(op);
        }
        Some(other)
    }

    /// A clone for a till that can't reach the custodian: a cart of its own, never a stolen one.
    pub fn clone_for(&self, id: Id, owner: Incarnation) -> Self {
        let mut clone = Self { cloned_from: Some(self.id), ..Self::open(id, owner) };
        for line in self.lines().into_values() {
            let op = clone.lines.add(line, clone.lines.read_ctx().derive_add_ctx(owner));
            clone.lines.apply(op);
        }
        clone
    }

    /// Takes in what another node knows of the same cart.
    pub fn merge(&mut self, other: &Self) {
        self.lines.merge(other.lines.clone());
        let (ours, theirs) = (&self.register.custody, &other.register.custody);
        if (theirs.epoch, theirs.n) > (ours.epoch, ours.n) {
            self.register = other.register.clone();
        }
    }

    /// What a person is to look at when two carts of one customer are known.
    pub fn flag(&self, other: &Self) -> Option<CartFlag> {
        let related = self.cloned_from == Some(other.id) || other.cloned_from == Some(self.id);
        (related && self.is_paid() && other.is_paid()).then_some(CartFlag::ClonedBothPaid)
    }
}
