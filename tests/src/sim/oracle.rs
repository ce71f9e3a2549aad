//! The oracle: what is true in the simulated world, whatever the programs believe. It keeps the shelf, the drawer, and
//! every answer that was given to a customer. It is no product code and never asks any.

use super::basket::Basket;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::ids::{Id, Incarnation};

/// What somebody at a till wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goods against cash: (sku's index, pieces) a line.
    Sale(Vec<(usize, u64)>),
    /// All pieces of a sale's line come back.
    Refund {
        /// The deed that sold it.
        of: usize,
        /// Which of its lines.
        line: usize,
    },
    /// Goods came.
    Delivery(usize, u64),
    /// Goods broke.
    Breakage(usize, u64),
    /// Rights are given: to the hub, or to the machine with that index.
    Grant(usize, u64, Option<usize>),
    /// A web order is handed out at the store that holds it.
    PickUp(usize),
    /// A web order is called off there.
    CallOff(usize),
    /// Goods are sent to another store.
    Ship {
        /// The sku's index.
        sku: usize,
        /// How much.
        units: u64,
        /// To which store.
        to: usize,
    },
    /// What another store sent is taken in.
    TakeIn(usize),
    /// A cart is paid.
    Checkout(usize),
}

/// Goods on the road between stores.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The transfer.
    pub id: Id,
    /// To which store.
    pub to: usize,
    /// What.
    pub sku: usize,
    /// How much.
    pub units: u64,
    /// The deed by which it is taken in, or was.
    pub taken: Option<usize>,
}

/// A web order that the hub has promised.
#[derive(Clone, Debug)]
pub struct WebOrder {
    /// The reservation.
    pub id: Id,
    /// At which store.
    pub store: usize,
    /// What.
    pub sku: usize,
    /// How much.
    pub units: u64,
    /// The machine that holds it.
    pub machine: usize,
    /// How it ended, as the hub calls it.
    pub state: &'static str,
    /// The hub's database was put back without its journal since: it may be forgotten.
    pub unsure: bool,
}

/// What is true of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Units that were found beyond those that lay there; below zero for units that were overlooked.
    pub beyond: i64,
    /// So many thefts had happened when the shelf was looked at.
    pub thefts: usize,
    /// Nobody had any of it in hand when it began and when it ended.
    pub exact: bool,
}

/// What a customer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Till, series and number as printed; none for what has no number.
    pub number: Option<(String, String, u64)>,
    /// What it comes to, in minor units; below zero for money paid back.
    pub total: i64,
    /// Who wrote it down.
    pub author: Incarnation,
    /// At which place.
    pub seq: u64,
    /// What was sold: an item's code and pieces, a line.
    pub sold: Vec<(String, u64)>,
}

impl Receipt {
    /// Whether somebody who asks twice may be told both: what has no number is only said to be done.
    fn same_as(&self, other: &Self) -> bool {
        self == other || (self.number.is_none() && other.number.is_none())
    }
}

/// How a deed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked, not answered; whoever asked asks again.
    Open,
    /// It is done, and somebody was told so.
    Answered(Receipt),
    /// It was refused, and somebody was told so.
    Refused,
    /// The machine forgot before it answered; whoever asked went away.
    GivenUp,
}

/// Something that was asked for.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The id that the client made.
    pub id: Id,
    /// At which machine.
    pub machine: usize,
    /// In which store.
    pub store: usize,
    /// What.
    pub kind: Kind,
    /// How it stands.
    pub state: State,
    /// It was answered, then its machine forgot it before anybody else held it.
    pub forgotten: bool,
    /// Its machine was put back since it was answered: nobody asks for it again.
    pub old: bool,
    /// A line of it is being refunded, or was.
    pub refunding: bool,
    /// How often it was asked for.
    pub tries: u32,
    /// When it was asked for first.
    pub asked: i64,
}

/// The oracle's books.
#[derive(Default)]
pub struct Oracle {
    /// Everything that was ever asked for, in order.
    pub deeds: Vec<Deed>,
    /// What lies on the shelf, by store and sku.
    pub shelf: BTreeMap<(usize, usize), i64>,
    /// What is in the drawer, by machine.
    pub drawer: BTreeMap<usize, i64>,
    /// Goods nobody may sell beyond what is there, by sku's index.
    pub strict: BTreeSet<usize>,
    /// Every item's index, by its code.
    pub codes: BTreeMap<String, usize>,
    /// Every cart.
    pub baskets: Vec<Basket>,
    /// Every price that an item ever had.
    pub prices: BTreeMap<usize, BTreeSet<i64>>,
    /// Goods that a later program's events moved, by store and sku.
    pub foreign: BTreeMap<(usize, usize), i64>,
    /// Every web order that the hub took.
    pub web: Vec<WebOrder>,
    /// Everything that was sent to another store.
    pub transfers: Vec<Transfer>,
    /// Every count that ended, by its place in the log.
    pub counts: BTreeMap<(Incarnation, u64), Count>,
    /// Every theft: from which store, of what, how much.
    pub thefts: Vec<(usize, usize, i64)>,
    /// Events whose authors were free to mint what came.
    pub free_to_mint: BTreeSet<(Incarnation, u64)>,
    /// Units that a promise may lack because a thief or a miscount took them, by store and sku.
    pub excused: BTreeMap<(usize, usize), u64>,
    /// Machines of which there are two, with one image: until that shows both may print the same number.
    pub twins: BTreeSet<usize>,
    /// True time.
    pub now: i64,
    /// What is wrong, in the order it was found.
    pub wrong: Vec<String>,
    numbers: BTreeMap<(usize, String, String, u64), usize>,
}

impl Oracle {
    /// What lies on a shelf.
    #[must_use]
    pub fn lies(&self, store: usize, sku: usize) -> u64 {
        let there = self.shelf.get(&(store, sku)).copied().unwrap_or(0);
        u64::try_from(there).unwrap_or(0)
    }

    /// A thief takes goods.
    pub fn stolen(&mut self, store: usize, sku: usize, units: u64) {
        self.move_goods(store, sku, units, false);
        self.excuse(store, sku, units);
        self.thefts.push((store, sku, signed(units)));
    }

    /// What thieves took, but for the first so many thefts.
    #[must_use]
    pub fn stolen_since(&self, store: usize, sku: usize, thefts: usize) -> i64 {
        let of = |theft: &&(usize, usize, i64)| (theft.0, theft.1) == (store, sku);
        self.thefts.iter().skip(thefts).filter(of).map(|theft| theft.2).sum()
    }

    /// Whether goods of an item are in somebody's hands in a store.
    #[must_use]
    pub fn in_somebodys_hands(&self, store: usize, sku: usize) -> bool {
        let open = |deed: &&Deed| deed.store == store && deed.state == State::Open;
        let hands = self.deeds.iter().filter(open).flat_map(|deed| self.moved(deed));
        hands.into_iter().any(|(of, _)| of == sku) || self.in_carts(store, sku) > 0
    }

    /// So many units may be promised that aren't there, by no fault of the programs.
    pub fn excuse(&mut self, store: usize, sku: usize, units: u64) {
        *self.excused.entry((store, sku)).or_default() += units;
    }

    /// Goods on the road to a store that nobody is busy with.
    #[must_use]
    pub fn on_the_road(&self, store: usize) -> Option<usize> {
        self.transfers.iter().position(|it| it.to == store && it.taken.is_none())
    }

    /// What is taken from the shelf when somebody asks, and lies there again if the answer is no: goods in hand, what
    /// broke, and what was packed for another store. Strict items are handed over with the receipt; what comes is put on
    /// the shelf once it is booked.
    fn in_hand(&self, deed: &Deed) -> Vec<(usize, u64)> {
        match &deed.kind {
            Kind::Sale(lines) => {
                lines.iter().filter(|(sku, _)| !self.strict.contains(sku)).copied().collect()
            }
            Kind::Breakage(sku, units) => vec![(*sku, *units)],
            Kind::Ship { sku, units, .. } => vec![(*sku, *units)],
            _ => Vec::new(),
        }
    }

    /// Somebody asks for something new; answers the deed's index.
    pub fn ask(&mut self, id: Id, machine: usize, store: usize, kind: Kind) -> usize {
        match &kind {
            Kind::Refund { of, .. } => self.deeds[*of].refunding = true,
            Kind::TakeIn(transfer) => self.transfers[*transfer].taken = Some(self.deeds.len()),
            _ => {}
        }
        let state = State::Open;
        self.deeds.push(Deed {
            id,
            machine,
            store,
            kind,
            state,
            forgotten: false,
            old: false,
            refunding: false,
            tries: 0,
            asked: self.now,
        });
        let deed = self.deeds.len() - 1;
        for (sku, units) in self.in_hand(&self.deeds[deed]) {
            self.move_goods(store, sku, units, false);
        }
        deed
    }

    /// Somebody was told that a deed is done.
    pub fn answered(&mut self, deed: usize, receipt: Receipt) {
        match &self.deeds[deed].state {
            State::Answered(before) if before.same_as(&receipt) => return,
            State::Answered(before) if !self.deeds[deed].forgotten => {
                let before = before.clone();
                return self.blame(format!("deed {deed} was answered {before:?}, then {receipt:?}"));
            }
            State::Open => {}
            // Asked again after the machine forgot: a new deed under an old id is never asked for here.
            other => {
                let other = other.clone();
                return self.blame(format!("deed {deed} was {other:?}, then answered {receipt:?}"));
            }
        }
        let (store, machine) = (self.deeds[deed].store, self.deeds[deed].machine);
        if let Some((till, series, n)) = receipt.number.clone()
            && let Some(other) = self.numbers.insert((store, till, series, n), deed)
            && !(self.twins.contains(&machine) && self.twins.contains(&self.deeds[other].machine))
        {
            self.blame(format!("deeds {other} and {deed} have one receipt number: {:?}", receipt.number));
        }
        *self.drawer.entry(machine).or_default() += receipt.total;
        match self.deeds[deed].kind.clone() {
            Kind::Sale(lines) => {
                self.judge_price(deed, &lines, receipt.total);
                let strict: Vec<_> = lines.into_iter().filter(|(sku, _)| self.strict.contains(sku)).collect();
                strict.iter().for_each(|(sku, pieces)| self.hand_over(deed, store, *sku, *pieces));
            }
            Kind::Checkout(basket) => {
                let sold = self.sold(&receipt);
                self.judge_price(deed, &sold, receipt.total);
                let till = receipt.number.as_ref().and_then(|(till, ..)| till.strip_prefix('R'));
                let paid_at = till.and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
                self.cart_is_sold(deed, basket, paid_at, &sold);
            }
            Kind::PickUp(order) => {
                let (sku, units) = (self.web[order].sku, self.web[order].units);
                self.end_order(order, "fulfilled");
                self.hand_over(deed, store, sku, units);
            }
            Kind::CallOff(order) => self.end_order(order, "cancelled"),
            Kind::Ship { sku, units, to } => {
                self.transfers.push(Transfer { id: self.deeds[deed].id, to, sku, units, taken: None });
            }
            Kind::Delivery(..) | Kind::Refund { .. } | Kind::TakeIn(_) => self.put_on_shelf(deed),
            Kind::Breakage(..) | Kind::Grant(..) => {}
        }
        self.deeds[deed].state = State::Answered(receipt);
    }

    /// What came is put on the shelf.
    fn put_on_shelf(&mut self, deed: usize) {
        let store = self.deeds[deed].store;
        for (sku, units) in self.moved(&self.deeds[deed]) {
            self.move_goods(store, sku, u64::try_from(units).unwrap_or(0), true);
        }
    }

    /// Items' indexes and pieces of what a receipt names.
    fn sold(&self, receipt: &Receipt) -> Vec<(usize, u64)> {
        let index = |code: &String| self.codes.get(code).copied().unwrap_or(usize::MAX);
        receipt.sold.iter().map(|(code, pieces)| (index(code), *pieces)).collect()
    }

    pub(super) fn hand_over(&mut self, deed: usize, store: usize, sku: usize, pieces: u64) {
        self.move_goods(store, sku, pieces, false);
        self.judge_promises(&format!("deed {deed} handed over {pieces}"), store, sku);
    }

    /// I5: every strict sale and every open reservation finds its good on the shelf.
    fn judge_promises(&mut self, what: &str, store: usize, sku: usize) {
        let left = self.shelf.get(&(store, sku)).copied().unwrap_or(0);
        let open = |order: &&WebOrder| {
            (order.store, order.sku, order.state) == (store, sku, "open") && !order.unsure
        };
        let promised: u64 = self.web.iter().filter(open).map(|order| order.units).sum();
        let excused = self.excused.get(&(store, sku)).copied().unwrap_or(0);
        let left = left + self.in_the_back(store, sku);
        if left + signed(excused) < signed(promised) && self.strict.contains(&sku) {
            let short = format!("{left} left, {promised} promised, {excused} excused");
            self.blame(format!("{what} of strict item {sku} in store {store}: {short}"));
        }
    }

    /// Goods that came and that nobody has heard to be booked: a machine may have been lost after it wrote them down. And
    /// what somebody has packed for another store and has no answer for: whoever is sold it gets it unpacked.
    fn in_the_back(&self, store: usize, sku: usize) -> i64 {
        let waits = |deed: &&Deed| deed.store == store && deed.state == State::Open;
        let units = |deed: &Deed| -> i64 {
            let packed = matches!(deed.kind, Kind::Ship { .. });
            let of_item = self.moved(deed).into_iter().filter(|(of, _)| *of == sku);
            of_item.map(|(_, units)| if packed { units.abs() } else { units.max(0) }).sum()
        };
        self.deeds.iter().filter(waits).map(units).sum()
    }

    /// The hub has taken a web order.
    pub fn promised(&mut self, order: WebOrder) {
        let (store, sku, what) = (order.store, order.sku, format!("a web order took {}", order.units));
        self.web.push(order);
        self.judge_promises(&what, store, sku);
    }

    /// I9: a reservation ends once.
    fn end_order(&mut self, order: usize, how: &'static str) {
        let before = std::mem::replace(&mut self.web[order].state, how);
        if before != "open" {
            self.blame(format!("web order {order} was {before}, then {how}"));
        }
    }

    /// The total is made of prices that the hub published.
    fn judge_price(&mut self, deed: usize, lines: &[(usize, u64)], total: i64) {
        let mut sums = BTreeSet::from([0]);
        for (sku, pieces) in lines {
            let prices = self.prices.get(sku).cloned().unwrap_or_default();
            let pieces = i64::try_from(*pieces).unwrap_or(0);
            sums = sums.iter().flat_map(|sum| prices.iter().map(move |price| sum + price * pieces)).collect();
        }
        if !sums.contains(&total) {
            self.blame(format!("deed {deed} came to {total}, which no published prices make"));
        }
    }

    /// Somebody was told no.
    pub fn refused(&mut self, deed: usize) {
        let it = self.deeds[deed].clone();
        if it.state != State::Open {
            return;
        }
        self.lay_back(deed);
        if let Kind::TakeIn(transfer) = it.kind {
            self.transfers[transfer].taken = None;
        }
        self.deeds[deed].state = State::Refused;
    }

    fn lay_back(&mut self, deed: usize) {
        let store = self.deeds[deed].store;
        for (sku, units) in self.in_hand(&self.deeds[deed]) {
            self.move_goods(store, sku, units, true);
        }
    }

    /// Whoever asked goes away without an answer: goods in hand go back, what came is put on the shelf all the same, and
    /// what was packed for another store is on the road, whether the books know it or not.
    fn give_up(&mut self, deed: usize) {
        let it = self.deeds[deed].clone();
        match it.kind {
            Kind::Sale(_) => self.lay_back(deed),
            Kind::Delivery(..) | Kind::Refund { .. } | Kind::TakeIn(_) => self.put_on_shelf(deed),
            Kind::Ship { sku, units, to } => {
                self.excuse(it.store, sku, units);
                self.transfers.push(Transfer { id: it.id, to, sku, units, taken: None });
            }
            Kind::Checkout(basket) => self.baskets[basket].loose = true,
            _ => {}
        }
        self.deeds[deed].state = State::GivenUp;
    }

    /// A machine was put back to `kept` (its own streams' ends in the old files), while others hold `held`. What was
    /// beyond both is forgotten; what was being asked for is given up.
    pub fn put_back(
        &mut self,
        machine: usize,
        kept: &BTreeMap<Incarnation, u64>,
        held: &BTreeMap<Incarnation, u64>,
    ) -> usize {
        let mut lost = 0;
        self.carts_are_unsure(machine);
        let open = |deed: &Deed| deed.machine == machine && deed.state == State::Open;
        let open: Vec<usize> = (0..self.deeds.len()).filter(|deed| open(&self.deeds[*deed])).collect();
        open.into_iter().for_each(|deed| self.give_up(deed));
        for deed in self.deeds.iter_mut().filter(|deed| deed.machine == machine) {
            match &deed.state {
                State::Answered(receipt) => {
                    deed.old = true;
                    let known = |heads: &BTreeMap<Incarnation, u64>| {
                        heads.get(&receipt.author).is_some_and(|seq| receipt.seq <= *seq)
                    };
                    if !known(kept) && !known(held) {
                        deed.forgotten = true;
                        if let Kind::Checkout(basket) = deed.kind {
                            self.baskets[basket].loose = true;
                        }
                        lost += 1;
                    }
                }
                State::Open | State::Refused | State::GivenUp => {}
            }
        }
        lost
    }

    /// Others than these ends of streams are held by nobody any more: how many deeds are forgotten with them.
    pub fn forget_but(&mut self, held: &BTreeMap<Incarnation, u64>) -> usize {
        let mut lost = 0;
        for deed in self.deeds.iter_mut().filter(|deed| !deed.forgotten) {
            let State::Answered(receipt) = &deed.state else { continue };
            if held.get(&receipt.author).is_none_or(|seq| receipt.seq > *seq) {
                (deed.forgotten, deed.old) = (true, true);
                if let Kind::Checkout(basket) = deed.kind {
                    self.baskets[basket].loose = true;
                }
                lost += 1;
            }
        }
        lost
    }

    /// Whether a deed must be in the books, may be, or must not.
    #[must_use]
    pub fn verdict(deed: &Deed) -> Verdict {
        match deed.state {
            State::Answered(_) if !deed.forgotten => Verdict::Must,
            State::Answered(_) | State::GivenUp => Verdict::May,
            State::Open | State::Refused => Verdict::Not,
        }
    }

    /// What a deed that is in the books moved on the shelf: (sku, units).
    #[must_use]
    pub fn moved(&self, deed: &Deed) -> Vec<(usize, i64)> {
        match &deed.kind {
            Kind::Sale(lines) => lines.iter().map(|(sku, pieces)| (*sku, -signed(*pieces))).collect(),
            Kind::Refund { of, line } => {
                self.line_of(*of, *line).map(|(sku, units)| (sku, signed(units))).into_iter().collect()
            }
            Kind::Delivery(sku, units) => vec![(*sku, signed(*units))],
            Kind::Breakage(sku, units) => vec![(*sku, -signed(*units))],
            Kind::PickUp(order) => vec![(self.web[*order].sku, -signed(self.web[*order].units))],
            Kind::Ship { sku, units, .. } => vec![(*sku, -signed(*units))],
            Kind::TakeIn(transfer) => {
                vec![(self.transfers[*transfer].sku, signed(self.transfers[*transfer].units))]
            }
            Kind::Checkout(_) => match &deed.state {
                State::Answered(receipt) => {
                    self.sold(receipt).into_iter().map(|(sku, pieces)| (sku, -signed(pieces))).collect()
                }
                _ => Vec::new(),
            },
            Kind::Grant(..) | Kind::CallOff(_) => Vec::new(),
        }
    }

    /// Notes that something is wrong.
    pub fn blame(&mut self, what: String) {
        if self.wrong.len() < 50 {
            self.wrong.push(what);
        }
    }

    fn line_of(&self, sale: usize, line: usize) -> Option<(usize, u64)> {
        match &self.deeds.get(sale)?.kind {
            Kind::Sale(lines) => lines.get(line).copied(),
            _ => None,
        }
    }

    pub(super) fn move_goods(&mut self, store: usize, sku: usize, units: u64, come: bool) {
        let units = signed(units);
        *self.shelf.entry((store, sku)).or_default() += if come { units } else { -units };
    }
}

pub(super) fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(0)
}

/// What is to be expected of a deed in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exactly once.
    Must,
    /// At most once.
    May,
    /// Not at all.
    Not,
}
