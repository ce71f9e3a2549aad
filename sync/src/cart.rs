//! A cart that the tills of a store edit together (`model.md` §5).
//!
//! Lines are an add-wins set. Who owns the cart, whether it is sealed and how it ended is a register that only the
//! custodian writes. The first tender seals the cart at a version vector: what it doesn't cover is never an unpaid line
//! of a paid cart. Cart state is replicated between nodes, not logged; only its checkout is an event.

use crate::body::{CustodyMark, CustodyObject};
use crate::clock::{Hlc, UtcMs};
use crate::custody::{Custody, CustodyRefusal, Taker};
use crate::ids::{Id, Incarnation};
use crdts::{CmRDT, CvRDT, Orswot, VClock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::basket::BasketLine;
use tradepost_commerce::document::{Discount, Exemption};

/// Most bytes that a cart may be packed to: far more than the longest basket.
pub const CART_BYTES_MAX: usize = 1 << 20;

/// One entry of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CartLine {
    /// Made by the scan; a change keeps it.
    pub root: Id,
    /// What people and programs call the line by; it goes with the root.
    pub name: String,
    /// When it was scanned: lines stand in this order, whatever became of them.
    pub scanned: Hlc,
    /// The item, its quantity, and its price with the version of the time of the scan.
    pub line: BasketLine,
    /// Who wrote this entry.
    pub by: Incarnation,
    /// When it was written: of two concurrent changes the higher wins.
    pub at: Hlc,
}

/// What concerns the cart as a whole. The later word counts: more turns first, then the higher clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Grows with every change that was made over the one before.
    pub turn: u64,
    /// When it was written.
    pub at: Hlc,
    /// Who wrote it.
    pub by: Incarnation,
    /// The customer.
    pub customer: Option<Id>,
    /// The customer's price list; empty for the store's own.
    pub list: String,
    /// Discounts on the whole order.
    pub discounts: Vec<Discount>,
    /// Tax exemption.
    pub exemption: Option<Exemption>,
    /// Put aside.
    pub parked: bool,
}

/// How a cart ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CartEnd {
    /// It is this sale now.
    Paid(Id),
    /// It was given up.
    Voided,
}

/// What the first tender froze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    at: VClock<Incarnation>,
    lines: Vec<CartLine>,
    desk: Desk,
}

/// What the custodian alone writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Register {
    custody: Custody,
    seal: Option<Seal>,
    end: Option<CartEnd>,
}

impl Register {
    fn rank(&self) -> impl Ord + use<> {
        let Custody { epoch, n, owner, terminal } = self.custody;
        let sale = match self.end {
            Some(CartEnd::Paid(sale)) => Some(sale),
            _ => None,
        };
        (sale.is_some(), epoch, n, terminal, owner, sale)
    }
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Its id, by which checkout happens once.
    pub id: Id,
    /// The till that opened it.
    pub till: String,
    /// When it was opened, by the wall clock there.
    pub opened: UtcMs,
    /// Who opened it.
    pub opened_by: Incarnation,
    /// The cart that it was cloned from, where another till could not reach the custodian.
    pub cloned_from: Option<Id>,
    /// It holds what was scanned into a cart that was being paid.
    pub left_over_of: Option<Id>,
    /// Every word about it is after the ones before it.
    clock: Hlc,
    lines: Orswot<CartLine, Incarnation>,
    desk: Desk,
    register: Register,
}

/// Why a cart stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CartRefusal {
    /// It is being paid: scans wait until every tender is undone.
    #[error("the cart is being paid")]
    Sealed,
    /// It is paid, or given up.
    #[error("the cart has come to its end")]
    Ended,
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

/// Bytes that are no cart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cart can't be read: {0}")]
pub struct BadCart(String);

/// Who opens a cart, where and when.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The till.
    pub till: String,
    /// By the wall clock.
    pub at: UtcMs,
    /// The first custodian.
    pub by: Incarnation,
}

impl Cart {
    /// A new cart of its first custodian.
    pub fn open(id: Id, opening: Opening) -> Self {
        let Opening { till, at, by } = opening;
        let desk = Desk {
            turn: 0,
            at: Hlc::default(),
            by,
            customer: None,
            list: String::new(),
            discounts: Vec::new(),
            exemption: None,
            parked: false,
        };
        Self {
            id,
            till,
            opened: at,
            opened_by: by,
            cloned_from: None,
            left_over_of: None,
            clock: Hlc::default(),
            lines: Orswot::new(),
            desk,
            register: Register { custody: Custody::begin(by), seal: None, end: None },
        }
    }

    /// A cart from its packed bytes.
    ///
    /// # Errors
    /// [`BadCart`].
    pub fn unpack(bytes: &[u8]) -> Result<Self, BadCart> {
        postcard::from_bytes(bytes).map_err(|e| BadCart(e.to_string()))
    }

    /// Its bytes. Equal carts may be packed to different bytes: they are never compared nor hashed.
    ///
    /// # Errors
    /// [`BadCart`] where it is longer than [`CART_BYTES_MAX`].
    pub fn pack(&self) -> Result<Vec<u8>, BadCart> {
        let bytes = postcard::to_allocvec(self).map_err(|e| BadCart(e.to_string()))?;
        if bytes.len() > CART_BYTES_MAX { Err(BadCart("too long".to_owned())) } else { Ok(bytes) }
    }

    /// The clock of a word said now: after everything that was said of the cart before.
    #[must_use]
    pub fn tick(&mut self, wall: UtcMs) -> Hlc {
        self.clock = self.clock.tick(wall);
        self.clock
    }

    /// Scans an item, on any till of the store. `actor` counts the words of one unbroken memory of this cart: cart states
    /// are in no log, so a till whose file was put back may have forgotten words of its own incarnation, and a count that
    /// went on from there would give two scans one place in the set.
    ///
    /// # Errors
    /// [`CartRefusal`] where the seal is known.
    pub fn scan(&mut self, actor: Incarnation, line: CartLine) -> Result<(), CartRefusal> {
        self.editable()?;
        self.add(actor, line);
        Ok(())
    }

    fn add(&mut self, actor: Incarnation, line: CartLine) {
        let op = self.lines.add(line, self.lines.read_ctx().derive_add_ctx(actor));
        self.lines.apply(op);
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

    /// Changes a line: another entry under the same root, of the same scan. `actor` as in [`Self::scan`].
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn change(
        &mut self,
        (actor, by): (Incarnation, Incarnation),
        root: &Id,
        line: BasketLine,
        at: Hlc,
    ) -> Result<(), CartRefusal> {
        let before = self.lines().remove(root).ok_or(CartRefusal::NoLine)?;
        self.void(root)?;
        self.scan(actor, CartLine { line, by, at, ..before })
    }

    /// Changes what concerns the cart as a whole.
    ///
    /// # Errors
    /// [`CartRefusal`] where the seal is known.
    pub fn set_desk(
        &mut self,
        by: Incarnation,
        at: Hlc,
        change: impl FnOnce(&mut Desk),
    ) -> Result<(), CartRefusal> {
        self.editable()?;
        change(&mut self.desk);
        (self.desk.turn, self.desk.at, self.desk.by) = (self.desk.turn + 1, at, by);
        Ok(())
    }

    /// What concerns the cart as a whole; sealed, as it was when it was sealed.
    pub fn desk(&self) -> &Desk {
        self.register.seal.as_ref().map_or(&self.desk, |seal| &seal.desk)
    }

    /// The lines by root; where two tills changed one at once, the higher clock wins. Sealed, those that were sealed.
    pub fn lines(&self) -> BTreeMap<Id, CartLine> {
        let all = match &self.register.seal {
            Some(seal) => seal.lines.clone(),
            None => self.all(),
        };
        all.into_iter().map(|line| (line.root, line)).collect()
    }

    /// The lines in the order in which they were scanned.
    pub fn in_order(&self) -> Vec<CartLine> {
        let mut lines: Vec<CartLine> = self.lines().into_values().collect();
        lines.sort_by_key(|line| (line.scanned, line.root));
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
        all.sort_by_key(|line| (line.at, line.by));
        all
    }

    fn remove(&mut self, line: &CartLine) {
        let seen = self.lines.contains(line).derive_rm_ctx();
        let op = self.lines.rm(line.clone(), seen);
        self.lines.apply(op);
    }

    fn editable(&self) -> Result<(), CartRefusal> {
        if self.register.end.is_some() {
            return Err(CartRefusal::Ended);
        }
        if self.is_sealed() { Err(CartRefusal::Sealed) } else { Ok(()) }
    }

    /// Who owns it.
    pub fn custody(&self) -> &Custody {
        &self.register.custody
    }

    /// How it ended.
    pub fn end(&self) -> Option<CartEnd> {
        self.register.end
    }

    /// Whether it is paid.
    pub fn is_paid(&self) -> bool {
        matches!(self.register.end, Some(CartEnd::Paid(_)))
    }

    /// Whether it is being paid.
    pub fn is_sealed(&self) -> bool {
        self.register.seal.is_some()
    }

    /// The first tender: the cart is sealed at what is known here. Only its custodian takes money.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn seal(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        self.step(who)?;
        let lines = self.lines().into_values().collect();
        self.register.seal = Some(Seal { at: self.lines.clock(), lines, desk: self.desk.clone() });
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

    /// Checkout, by the custodian alone, as `sale`: the lines that were sealed, or those of now where nothing was
    /// tendered before.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn check_out(&mut self, who: &Incarnation, sale: Id) -> Result<Vec<CartLine>, CartRefusal> {
        if !self.is_sealed() {
            self.seal(who)?;
        }
        self.finish(who, CartEnd::Paid(sale))?;
        Ok(self.in_order())
    }

    /// The custodian gives it up.
    ///
    /// # Errors
    /// [`CartRefusal`]; [`CartRefusal::Sealed`] while it is being paid.
    pub fn give_up(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        self.editable()?;
        self.finish(who, CartEnd::Voided)
    }

    fn finish(&mut self, who: &Incarnation, end: CartEnd) -> Result<(), CartRefusal> {
        self.step(who)?;
        self.register.end = Some(end);
        self.register.custody.terminal = true;
        Ok(())
    }

    /// An event of its custodian says that it was paid: the end is known before its state has come. A sale is a fact; that
    /// the cart was given up is the word of a state, which a till whose file was put back may have forgotten.
    pub fn heard_paid(&mut self, sale: Id) {
        if !self.is_paid() {
            self.register.end = Some(CartEnd::Paid(sale));
            self.register.custody.terminal = true;
        }
    }

    /// The custodian hands it to another till, unless it is being paid: then its money is asked for here.
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn hand_on(
        &mut self,
        who: &Incarnation,
        to: Incarnation,
        locked: bool,
    ) -> Result<CustodyMark, CartRefusal> {
        self.editable()?;
        let mark = self.register.custody.hand_on(who, locked)?;
        self.register.custody.n = mark.n;
        self.register.custody.owner = to;
        Ok(mark)
    }

    /// A forced takeover by a manager of the store, always flagged: after the owner's lease and its wait (`wait`).
    ///
    /// # Errors
    /// [`CartRefusal`].
    pub fn take_over(
        &mut self,
        to: Incarnation,
        wait: Result<Option<crate::clock::Tau>, crate::fence::WaitRefusal>,
    ) -> Result<CustodyMark, CartRefusal> {
        let object = CustodyObject::Cart(self.id);
        let mark = self.register.custody.take_over(&object, Taker::Manager, wait)?;
        self.register.custody = Custody { epoch: mark.epoch, n: mark.n, owner: to, terminal: false };
        self.register.seal = None;
        Ok(mark)
    }

    /// The owner's next step; whoever else tries is told who owns it.
    fn step(&mut self, who: &Incarnation) -> Result<(), CartRefusal> {
        if self.register.end.is_some() {
            return Err(CartRefusal::Ended);
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
        seal.at >= self.lines.contains(line).rm_clock
    }

    /// What this till scanned into the cart before it knew of the seal: it moves into a new cart of its own, flagged.
    /// None where the seal covers everything. Each till moves its own entries only, so that two which hear of the seal
    /// don't both make a cart of one scan; its own are also those of `before`, the logs that it wrote before it lost
    /// memory, for nobody else will move them.
    pub fn split(&mut self, id: Id, opening: Opening, before: &[Incarnation]) -> Option<Self> {
        let mine = |by: &Incarnation| *by == opening.by || before.contains(by);
        let own = |line: &CartLine| mine(&line.by) && !self.covers(line);
        let left: Vec<CartLine> = self.all().into_iter().filter(own).collect();
        if left.is_empty() {
            return None;
        }
        let (actor, desk) = (opening.by, self.desk.clone());
        let mut other =
            Self { left_over_of: Some(self.id), desk, clock: self.clock, ..Self::open(id, opening) };
        for line in left {
            self.remove(&line);
            other.add(actor, line);
        }
        Some(other)
    }

    /// A clone for a till that can't reach the custodian: a cart of its own, never a stolen one.
    pub fn clone_for(&self, id: Id, opening: Opening) -> Self {
        let (by, desk) = (opening.by, Desk { parked: false, ..self.desk().clone() });
        let mut clone =
            Self { cloned_from: Some(self.id), desk, clock: self.clock, ..Self::open(id, opening) };
        for line in self.lines().into_values() {
            clone.add(by, CartLine { by, ..line });
        }
        clone
    }

    /// Takes in what another node knows of the same cart. A paid one stays paid; else the later step of custody counts.
    pub fn merge(&mut self, other: &Self) {
        self.lines.merge(other.lines.clone());
        self.clock = self.clock.max(other.clock);
        let rank = |desk: &Desk| (desk.turn, desk.at, desk.by);
        if rank(&other.desk) > rank(&self.desk) {
            self.desk = other.desk.clone();
        }
        if other.register.rank() > self.register.rank() {
            self.register = other.register.clone();
        }
    }

    /// What a person is to look at when two carts of one customer are known.
    pub fn flag(&self, other: &Self) -> Option<CartFlag> {
        let related = self.cloned_from == Some(other.id) || other.cloned_from == Some(self.id);
        (related && self.is_paid() && other.is_paid()).then_some(CartFlag::ClonedBothPaid)
    }
}
