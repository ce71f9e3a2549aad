//! The oracle's carts: what people at the tills of a store collected together, whatever the nodes make of it.
//!
//! Goods in hand are taken from the shelf when they are put into a cart, and lie there again when they are taken out;
//! strict ones are handed over with the receipt.

use super::oracle::{Oracle, State, signed};
use std::collections::BTreeSet;
use tradepost_sync::ids::Id;

/// Something that was asked of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is opened.
    Open,
    /// Its line with that index is scanned.
    Scan(usize),
    /// Its line with that index is taken out.
    Void(usize),
    /// It is given up.
    GiveUp,
}

/// A line that somebody took out.
#[derive(Clone, Copy, Debug)]
pub struct Voided {
    /// At which machine.
    pub machine: usize,
    /// Somebody was told that it is out, and that machine has forgotten nothing since.
    pub sure: bool,
}

/// Something in a cart.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which item.
    pub sku: usize,
    /// How much.
    pub pieces: u64,
    /// Scanned at which machine.
    pub machine: usize,
    /// When it was taken from the shelf.
    pub at: i64,
    /// What the machine calls it, once somebody was told.
    pub name: Option<String>,
    /// Somebody was told that it is in, and that machine has forgotten nothing since.
    pub sure: bool,
    /// Who took it out, if anybody.
    pub voided: Option<Voided>,
    /// It was refused: it never was in.
    pub refused: bool,
    /// It was sold.
    pub sold: bool,
    /// Goods of it are in somebody's hands.
    in_hand: bool,
}

impl Line {
    /// Whether it must be somewhere: in the cart, in the sale, or in a cart of its own.
    #[must_use]
    pub fn must_be(&self) -> bool {
        self.sure && self.voided.is_none()
    }

    /// Whether it must not be in any cart any more.
    #[must_use]
    pub fn must_be_gone(&self) -> bool {
        self.refused || self.voided.is_some_and(|it| it.sure)
    }
}

/// A cart as its customer knows it.
#[derive(Clone, Debug)]
pub struct Basket {
    /// Its id.
    pub id: Id,
    /// In which store.
    pub store: usize,
    /// Somebody was told that it is open.
    pub opened: bool,
    /// What was put into it.
    pub lines: Vec<Line>,
    /// The deed that pays for it.
    pub paying: Option<usize>,
    /// It was given up at that machine; true once somebody was told, and nothing was forgotten there since.
    pub given_up: Option<Voided>,
    /// Two machines of one image may both have gone on with it, or its end may be forgotten: nobody can say how it ends.
    pub loose: bool,
    /// Machines that were asked for the sale and have not answered.
    pub unheard: BTreeSet<usize>,
}

impl Basket {
    /// What whoever pays for it wants: (item, pieces).
    #[must_use]
    pub fn wanted(&self) -> Vec<(usize, u64)> {
        let wanted = self.lines.iter().filter(|line| line.must_be());
        wanted.map(|line| (line.sku, line.pieces)).collect()
    }

    /// Whether people go on with it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.opened && !self.loose && self.paying.is_none() && self.given_up.is_none()
    }
}

impl Oracle {
    /// Somebody asks for a step.
    pub fn step_is_asked(&mut self, basket: usize, machine: usize, step: Step) {
        let void = Voided { machine, sure: false };
        match step {
            Step::Open => {}
            Step::Scan(line) => self.take_in_hand(basket, line),
            Step::Void(line) => {
                self.put_from_hand(basket, line);
                self.baskets[basket].lines[line].voided = Some(void);
            }
            Step::GiveUp => self.baskets[basket].given_up = Some(void),
        }
    }

    /// Somebody was told that a step is done; of a scan, under which name.
    pub fn step_is_done(&mut self, basket: usize, step: Step, name: Option<String>) {
        let sure = |it: Voided| Voided { sure: true, ..it };
        let of = &mut self.baskets[basket];
        match step {
            Step::Open => of.opened = true,
            Step::Scan(line) => {
                let twice = of.lines.iter().any(|other| other.name.is_some() && other.name == name);
                (of.lines[line].sure, of.lines[line].name) = (true, name.clone());
                if twice || name.is_none() {
                    self.blame(format!("a scan into cart {basket} made no line of its own: {name:?}"));
                }
            }
            Step::Void(line) => of.lines[line].voided = of.lines[line].voided.map(sure),
            Step::GiveUp => of.given_up = of.given_up.map(sure),
        }
    }

    /// Somebody was told no.
    pub fn step_is_refused(&mut self, basket: usize, step: Step) {
        match step {
            Step::Open => self.baskets[basket].loose = true,
            Step::Scan(line) => {
                self.put_from_hand(basket, line);
                self.baskets[basket].lines[line].refused = true;
            }
            Step::Void(line) => {
                if self.baskets[basket].lines[line].voided.take().is_some() {
                    self.take_in_hand(basket, line);
                }
            }
            Step::GiveUp => self.baskets[basket].given_up = None,
        }
    }

    fn take_in_hand(&mut self, basket: usize, line: usize) {
        let (store, it) = (self.baskets[basket].store, &mut self.baskets[basket].lines[line]);
        if !it.in_hand && !it.sold && !self.strict.contains(&it.sku) {
            it.in_hand = true;
            let (sku, pieces) = (it.sku, it.pieces);
            self.move_goods(store, sku, pieces, false);
        }
    }

    fn put_from_hand(&mut self, basket: usize, line: usize) {
        let (store, it) = (self.baskets[basket].store, &mut self.baskets[basket].lines[line]);
        if std::mem::take(&mut it.in_hand) {
            let (sku, pieces) = (it.sku, it.pieces);
            self.move_goods(store, sku, pieces, true);
        }
    }

    /// A line that is about to be scanned.
    pub fn new_line(&mut self, basket: usize, machine: usize, (sku, pieces): (usize, u64)) -> usize {
        let line = Line {
            sku,
            pieces,
            machine,
            at: self.now,
            name: None,
            sure: false,
            voided: None,
            refused: false,
            sold: false,
            in_hand: false,
        };
        self.baskets[basket].lines.push(line);
        self.baskets[basket].lines.len() - 1
    }

    /// Pieces of an item that are in carts of a store, and not on its shelf.
    #[must_use]
    pub fn in_carts(&self, store: usize, sku: usize) -> i64 {
        let lines = self.baskets.iter().filter(|it| it.store == store).flat_map(|it| &it.lines);
        lines.filter(|line| line.in_hand && line.sku == sku).map(|line| signed(line.pieces)).sum()
    }

    /// Whether goods of an item are in a cart since `at` or longer.
    #[must_use]
    pub fn in_a_cart_since(&self, store: usize, sku: usize, at: i64) -> bool {
        let lines = self.baskets.iter().filter(|it| it.store == store).flat_map(|it| &it.lines);
        lines.into_iter().any(|line| line.in_hand && line.sku == sku && line.at <= at)
    }

    /// A customer goes away: what is in hand lies on the shelf again.
    pub fn customer_leaves(&mut self, basket: usize) {
        (0..self.baskets[basket].lines.len()).for_each(|line| self.put_from_hand(basket, line));
    }

    /// A cart was paid, by the machine that names `paid_at`: what was sold was scanned into it, and what stood in it there
    /// was sold. Goods of lines that were taken out elsewhere are fetched again.
    pub fn cart_is_sold(
        &mut self,
        deed: usize,
        basket: usize,
        paid_at: Option<usize>,
        sold: &[(usize, u64)],
    ) {
        let asked = self.deeds[deed].asked;
        for (sku, pieces) in sold {
            let Some(line) = self.line_for(basket, *sku, *pieces, paid_at) else {
                self.blame(format!(
                    "deed {deed} sold {pieces} of {sku}, which nobody put into cart {basket}"
                ));
                continue;
            };
            let of = &mut self.baskets[basket];
            let store = of.store;
            let (out, had) = (of.lines[line].voided, std::mem::take(&mut of.lines[line].in_hand));
            of.lines[line].sold = true;
            if out.is_some_and(|it| it.sure && Some(it.machine) == paid_at) {
                self.blame(format!(
                    "deed {deed} sold line {line} of cart {basket}, which was taken out there"
                ));
            }
            if self.strict.contains(sku) {
                self.hand_over(deed, store, *sku, *pieces);
            } else if !had {
                self.move_goods(store, *sku, *pieces, false);
            }
        }
        let left =
            |line: &Line| !line.sold && line.must_be() && Some(line.machine) == paid_at && line.at < asked;
        if let Some(line) = self.baskets[basket].lines.iter().position(left) {
            self.blame(format!("deed {deed} left line {line} of cart {basket}, which was scanned there"));
        }
    }

    /// The line that was sold: one that was in for sure before one that may have been, and that before one taken out.
    fn line_for(&self, basket: usize, sku: usize, pieces: u64, paid_at: Option<usize>) -> Option<usize> {
        let lines = self.baskets[basket].lines.iter().enumerate();
        let fits =
            lines.filter(|(_, line)| (line.sku, line.pieces) == (sku, pieces) && !line.sold && !line.refused);
        let rank = |line: &Line| {
            let out = line.voided.map(|it| (it.sure, it.sure && Some(it.machine) == paid_at));
            (out.map_or((false, false), |(sure, here)| (sure, here)), line.voided.is_some(), !line.sure)
        };
        fits.min_by_key(|(_, line)| rank(line)).map(|(index, _)| index)
    }

    /// Whoever wanted to pay was sent away everywhere. Where a machine has not answered, the sale may stand all the same.
    pub fn goes_home(&mut self, deed: usize, basket: usize) {
        if self.deeds[deed].state != State::Open {
            return;
        }
        let of = &mut self.baskets[basket];
        of.loose |= !of.unheard.is_empty();
        self.deeds[deed].state = if of.unheard.is_empty() { State::Refused } else { State::GivenUp };
    }

    /// A machine was put back: what was done there may be forgotten.
    pub fn carts_are_unsure(&mut self, machine: usize) {
        for basket in &mut self.baskets {
            for line in &mut basket.lines {
                line.sure &= line.machine != machine;
                line.voided = line.voided.map(|it| Voided { sure: it.sure && it.machine != machine, ..it });
            }
            basket.given_up =
                basket.given_up.map(|it| Voided { sure: it.sure && it.machine != machine, ..it });
        }
    }

    /// There are two machines with one image in a store: both may go on with its carts.
    pub fn carts_are_loose(&mut self, store: usize) {
        self.baskets.iter_mut().filter(|it| it.store == store).for_each(|it| it.loose = true);
    }
}
