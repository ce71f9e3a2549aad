//! Customers who fill a cart at several tills of a store, and pay for it at one of them.

use super::basket::{Basket, Step};
use super::oracle::{Kind, State};
use super::world::{Job, World};
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_node::app::carts::{self, Cart, CartState, NewCart};
use tradepost_node::app::clock::Now;
use tradepost_node::app::node::Node;
use tradepost_node::app::problem::Answer;
use tradepost_node::app::request::Till;
use tradepost_node::app::shared_cart;
use tradepost_sync::body::CustodyObject;
use tradepost_sync::ids::Id;
use tradepost_sync::session::{CustodyAsk, Input};

/// Carts that are filled in a store at a time, at most.
const CARTS_MAX: usize = 4;
/// Whoever pays asks so often at one till, and so often in all.
const TRIES_AT_ONE_TILL: u32 = 4;
const TRIES_MAX: u32 = 14;
/// What a machine says where a cart is another's, or where it has not heard of it.
const NOT_HERE: [&str; 2] = ["NOT_OWNER", "NOT_FOUND"];

/// A step as a node is asked for it.
pub(super) struct CartAsk {
    cart: Id,
    till: Till,
    what: What,
}

enum What {
    Open,
    Scan(Sku, u64),
    Void(String),
    GiveUp,
}

impl World {
    /// Somebody with a cart is at a machine; whether anybody is.
    pub(super) fn shop(&mut self, machine: usize) -> bool {
        let store = self.machines[machine].store;
        if self.twins_in(store) || self.machines[machine].running.is_none() {
            return false;
        }
        let live = |it: &Basket| it.store == store && it.is_live();
        let known: Vec<usize> = (0..self.oracle.baskets.len())
            .filter(|basket| live(&self.oracle.baskets[*basket]) && self.shows_open(machine, *basket))
            .collect();
        let filled = self.oracle.baskets.iter().filter(|it| live(it)).count();
        let new = filled < CARTS_MAX && (known.is_empty() || self.once_in(3));
        if known.is_empty() || new {
            return new && self.fetch_a_cart(machine);
        }
        let at = self.luck.below(u64::try_from(known.len()).unwrap_or(1));
        let basket = known[usize::try_from(at).unwrap_or(0)];
        match self.luck.below(10) {
            0..=4 => self.put_into(machine, basket),
            5..=6 => self.take_out_of(machine, basket),
            7 => {
                self.step(machine, basket, Step::GiveUp);
                true
            }
            _ => {
                self.pay_for(machine, basket);
                true
            }
        }
    }

    fn fetch_a_cart(&mut self, machine: usize) -> bool {
        let id = self.fresh_id();
        self.oracle.baskets.push(Basket {
            id,
            store: self.machines[machine].store,
            opened: false,
            lines: Vec::new(),
            paying: None,
            given_up: None,
            loose: false,
            unheard: BTreeSet::new(),
        });
        self.step(machine, self.oracle.baskets.len() - 1, Step::Open);
        true
    }

    fn put_into(&mut self, machine: usize, basket: usize) -> bool {
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let sku = usize::try_from(self.luck.below(items)).unwrap_or(0);
        let (store, pieces) = (self.machines[machine].store, self.between(1, 6));
        let strict = self.oracle.strict.contains(&sku);
        let pieces = if strict { pieces } else { pieces.min(self.oracle.lies(store, sku)) };
        if pieces > 0 {
            let line = self.oracle.new_line(basket, machine, (sku, pieces));
            self.step(machine, basket, Step::Scan(line));
        }
        pieces > 0
    }

    /// A line that the machine shows, and that nobody is busy with.
    fn take_out_of(&mut self, machine: usize, basket: usize) -> bool {
        let shown = self.shown(machine, &self.oracle.baskets[basket].id).map_or(Vec::new(), |it| it.names);
        let lines = self.oracle.baskets[basket].lines.iter();
        let may = lines.enumerate().filter(|(_, line)| {
            line.must_be() && line.name.as_ref().is_some_and(|name| shown.contains(name))
        });
        let may: Vec<usize> = may.map(|(index, _)| index).collect();
        if may.is_empty() {
            return false;
        }
        let at = self.luck.below(u64::try_from(may.len()).unwrap_or(1));
        self.step(machine, basket, Step::Void(may[usize::try_from(at).unwrap_or(0)]));
        true
    }

    /// Somebody pays at a machine.
    pub(super) fn pay_for(&mut self, machine: usize, basket: usize) {
        let (id, store) = (self.fresh_id(), self.machines[machine].store);
        let deed = self.oracle.ask(id, machine, store, Kind::Checkout(basket));
        self.oracle.baskets[basket].paying = Some(deed);
        self.cover(machine, deed);
        self.ask(deed);
    }

    /// Where everything is mended, some who still have a cart pay, and some leave it where it is.
    pub(super) fn shops_close(&mut self) {
        for basket in 0..self.oracle.baskets.len() {
            if self.oracle.baskets[basket].is_live() && self.once_in(2) {
                let store = self.oracle.baskets[basket].store;
                let tills: Vec<usize> =
                    (0..self.machines.len()).filter(|it| self.machines[*it].store == store).collect();
                let at = self.luck.below(u64::try_from(tills.len()).unwrap_or(1));
                self.pay_for(tills[usize::try_from(at).unwrap_or(0)], basket);
            }
        }
    }

    fn step(&mut self, machine: usize, basket: usize, step: Step) {
        self.oracle.step_is_asked(basket, machine, step);
        self.enqueue(machine, Job::Basket { machine, basket, step });
    }

    /// A step as the machine is asked for it.
    pub(super) fn request_of_step(&self, machine: usize, basket: usize, step: Step) -> Option<CartAsk> {
        let of = &self.oracle.baskets[basket];
        let what = match step {
            Step::Open => What::Open,
            Step::Scan(line) => What::Scan(self.sku_of(of.lines[line].sku), of.lines[line].pieces),
            Step::Void(line) => What::Void(of.lines[line].name.clone()?),
            Step::GiveUp => What::GiveUp,
        };
        Some(CartAsk { cart: of.id, till: Till::parse(&self.machines[machine].name).ok()?, what })
    }

    /// Somebody hears what became of a step.
    pub(super) fn step_is_answered(
        &mut self,
        basket: usize,
        step: Step,
        answer: Result<Option<String>, String>,
    ) {
        self.say(&format!("cart {basket} {step:?}: {answer:?}"));
        match answer {
            Ok(name) => self.oracle.step_is_done(basket, step, name),
            Err(_) => self.oracle.step_is_refused(basket, step),
        }
    }

    /// A cart as a machine shows it.
    pub(super) fn shown(&self, machine: usize, cart: &Id) -> Option<Cart> {
        let running = self.machines[machine].running.as_ref()?;
        running.reads.with(|conn| Cart::load(conn, cart)).ok()
    }

    fn shows_open(&self, machine: usize, basket: usize) -> bool {
        self.shown(machine, &self.oracle.baskets[basket].id).is_some_and(|it| it.state == CartState::Open)
    }

    /// Before a cart is paid its custody is asked for where it is another's; whether the machine may be asked for the sale
    /// now. Who is sent away often enough goes to the till that has the cart, and at last home.
    pub(super) fn custody_is_here(&mut self, deed: usize, basket: usize) -> bool {
        let (machine, cart) = (self.oracle.deeds[deed].machine, self.oracle.baskets[basket].id);
        let tries = self.oracle.deeds[deed].tries;
        if tries > TRIES_MAX {
            self.oracle.goes_home(deed, basket);
            return false;
        }
        let Some(running) = &self.machines[machine].running else { return false };
        let about = running.reads.with(|conn| shared_cart::about(conn, &cart));
        let owner = about.ok().and_then(|about| about.owner).filter(|owner| !owner.here);
        let Some(owner) = owner.map(|owner| owner.incarnation) else { return true };
        if tries.is_multiple_of(TRIES_AT_ONE_TILL) {
            let has = |it: &super::machine::Machine| {
                it.running.as_ref().is_some_and(|running| running.node.me().0 == owner)
            };
            if let Some(other) = self.machines.iter().position(has) {
                self.say(&format!("deed {deed} goes to {}", self.machines[other].name));
                self.oracle.deeds[deed].machine = other;
                return false;
            }
        }
        let way = self.links.iter_mut().find_map(|(no, link)| {
            let side = link.sides.iter().position(|s| s.who == Some(machine) && s.peer == Some(owner))?;
            link.sides[side].asks += 1;
            Some((*no, side, link.sides[side].asks))
        });
        if let Some((link, side, ask)) = way {
            self.say(&format!("{} asks for cart {basket}", self.machines[machine].name));
            let object = CustodyObject::Cart(cart);
            self.give(link, side, Input::AskCustody(CustodyAsk { ask, object }));
        }
        false
    }

    /// Whether whoever was told no goes on asking.
    pub(super) fn asks_elsewhere(&mut self, deed: usize, code: &str) -> bool {
        let it = &self.oracle.deeds[deed];
        let Kind::Checkout(basket) = it.kind else { return false };
        let (open, machine) = (it.state == State::Open, it.machine);
        self.oracle.baskets[basket].unheard.remove(&machine);
        open && NOT_HERE.contains(&code)
    }

    /// Nobody wants a cart any more.
    pub(super) fn clear(&mut self, machine: usize, cart: Id, by_force: bool) {
        self.enqueue(machine, Job::Clear { cart, by_force });
    }
}

/// Does a step at a node; answers the name of the line that a scan made.
pub(super) fn do_step(node: &mut Node, now: Now, asked: &CartAsk) -> Answer<Option<String>> {
    match &asked.what {
        What::Open => {
            let new =
                NewCart { id: Some(asked.cart), till: asked.till.clone(), customer: None, price_list: None };
            carts::open(node, now, new).map(|_| None)
        }
        What::Scan(sku, pieces) => {
            let line = super::work::line_of(sku.clone(), *pieces);
            // An open cart that is to be open is only answered.
            let before = carts::set_state(node, now, &asked.cart, CartState::Open)?.names;
            let after = carts::add(node, now, &asked.cart, &line, None)?;
            Ok(after.names.into_iter().find(|name| !before.contains(name)))
        }
        What::Void(line) => carts::remove(node, now, &asked.cart, line).map(|_| None),
        What::GiveUp => carts::set_state(node, now, &asked.cart, CartState::Voided).map(|_| None),
    }
}

/// A cart that nobody wants any more is given up, by force where its custodian is lost.
pub(super) fn do_clear(node: &mut Node, now: Now, cart: &Id, by_force: bool) -> Answer<()> {
    if by_force {
        shared_cart::take_over(node, now, cart, None, "nobody wants it")?;
    }
    carts::set_state(node, now, cart, CartState::Voided).map(|_| ())
}
