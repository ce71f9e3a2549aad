//! What must be true of carts once everything is healed, and what is done with them when the shops are empty.

use super::basket::{Basket, Line};
use super::books::{Books, Found};
use super::oracle::{Deed, Oracle, Receipt, State, Verdict};
use super::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_node::app::carts::{Cart, CartState, in_state};
use tradepost_node::app::shared_cart;
use tradepost_sync::ids::Id;

/// Every state that a cart can be in.
const STATES: [CartState; 5] =
    [CartState::Open, CartState::Tendering, CartState::Parked, CartState::Paid, CartState::Voided];
/// How often carts that nobody wants are looked for.
const SWEEPS_MAX: usize = 3;

/// A cart as a machine shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    state: CartState,
    sale: Option<Id>,
    /// Name, code and thousandths of each line.
    lines: Vec<(String, String, i64)>,
    left_over_of: Option<Id>,
}

impl Seen {
    fn is_open(&self) -> bool {
        !matches!(self.state, CartState::Paid | CartState::Voided)
    }
}

type Shown = BTreeMap<Id, Seen>;

impl World {
    fn carts_at(&self, machine: usize) -> Option<Shown> {
        let running = self.machines[machine].running.as_ref()?;
        let read = running.reads.with(|conn| {
            let mut shown = Shown::new();
            for cart in STATES.into_iter().map(|state| in_state(conn, state, usize::MAX)) {
                for cart in cart? {
                    let left_over_of = shared_cart::about(conn, &cart.id)?.left_over_of;
                    shown.insert(cart.id, seen(cart, left_over_of));
                }
            }
            Ok::<_, tradepost_node::app::problem::Stop>(shown)
        });
        read.ok()
    }

    /// A machine is put back: carts that nobody else shows may be forgotten altogether.
    pub(super) fn carts_may_be_forgotten(&mut self, machine: usize) {
        let store = self.machines[machine].store;
        let others: Vec<usize> = self.tills_of(store).into_iter().filter(|it| *it != machine).collect();
        for basket in 0..self.oracle.baskets.len() {
            let it = &self.oracle.baskets[basket];
            let known = others.iter().any(|other| self.shown(*other, &it.id).is_some());
            if it.store == store && !known {
                self.oracle.baskets[basket].loose = true;
            }
        }
    }

    fn tills_of(&self, store: usize) -> Vec<usize> {
        (0..self.machines.len()).filter(|it| self.machines[*it].store == store).collect()
    }

    /// Why the carts of a store are not the same at every machine; none where they are.
    pub(super) fn carts_differ(&self) -> Option<String> {
        let stores = (0..self.stores.len()).filter(|store| !self.twins_in(*store));
        stores.into_iter().find_map(|store| {
            let tills = self.tills_of(store);
            let shown: Vec<(usize, Shown)> =
                tills.iter().filter_map(|it| Some((*it, self.carts_at(*it)?))).collect();
            let all: BTreeSet<&Id> = shown.iter().flat_map(|(_, shown)| shown.keys()).collect();
            all.into_iter().find_map(|cart| self.cart_differs(cart, &shown))
        })
    }

    /// An open cart is known everywhere and looks the same; an ended one is open nowhere.
    fn cart_differs(&self, cart: &Id, shown: &[(usize, Shown)]) -> Option<String> {
        let known: Vec<(usize, Option<&Seen>)> =
            shown.iter().map(|(machine, shown)| (*machine, shown.get(cart))).collect();
        let open = known.iter().any(|(_, seen)| seen.is_some_and(Seen::is_open));
        let first = known.first().and_then(|(_, seen)| *seen);
        let differs = open && known.iter().any(|(_, seen)| *seen != first);
        let told =
            |(machine, seen): &(usize, Option<&Seen>)| format!("{}: {seen:?}", self.machines[*machine].name);
        differs
            .then(|| format!("cart {cart} at {}", known.iter().map(told).collect::<Vec<_>>().join("; at ")))
    }

    /// I4 and I9 of carts: what was scanned is in the cart, in its sale or in a cart of its own; what was taken out stays
    /// out; a cart that was paid or given up is open nowhere.
    pub(super) fn check_carts(&mut self) {
        let mut wrong = Vec::new();
        for store in (0..self.stores.len()).filter(|store| !self.twins_in(*store)) {
            for machine in self.tills_of(store) {
                let Some(shown) = self.carts_at(machine) else { continue };
                let name = &self.machines[machine].name;
                for (index, basket) in self.oracle.baskets.iter().enumerate() {
                    if basket.store == store && basket.opened && !basket.loose {
                        let found = judge(&self.oracle, basket, &shown);
                        wrong.extend(found.into_iter().map(|why| format!("{name}: cart {index} {why}")));
                    }
                }
            }
        }
        wrong.into_iter().for_each(|why| self.oracle.blame(why));
    }

    /// Customers are gone; whoever finds a cart that is still open gives it up, by force where its custodian is lost.
    pub(super) fn clear_carts(&mut self) {
        (0..self.oracle.baskets.len()).for_each(|basket| self.oracle.customer_leaves(basket));
        for by_force in [false, true] {
            for _ in 0..SWEEPS_MAX {
                for (machine, cart) in self.open_carts() {
                    self.clear(machine, cart, by_force);
                    self.run_until(self.now + 100);
                }
                self.level();
                if self.open_carts().is_empty() {
                    return;
                }
            }
        }
    }

    fn open_carts(&self) -> Vec<(usize, Id)> {
        let mut open = Vec::new();
        for machine in 0..self.machines.len() {
            let shown = self.carts_at(machine).unwrap_or_default();
            open.extend(shown.into_iter().filter(|(_, seen)| seen.is_open()).map(|(id, _)| (machine, id)));
        }
        open
    }

    /// At the very end no cart is left.
    pub(super) fn judge_clear(&mut self) {
        let twins: Vec<bool> = (0..self.stores.len()).map(|store| self.twins_in(store)).collect();
        for (machine, cart) in self.open_carts() {
            if !twins[self.machines[machine].store] {
                let name = self.machines[machine].name.clone();
                self.oracle
                    .blame(format!("settled: {name} still has cart {cart}, which nobody could give up"));
            }
        }
    }
}

fn seen(cart: Cart, left_over_of: Option<Id>) -> Seen {
    let inputs = cart.basket.lines.iter().map(|line| &line.input);
    let lines = cart.names.iter().zip(inputs);
    Seen {
        state: cart.state,
        sale: cart.sale,
        lines: lines.map(|(name, it)| (name.clone(), it.sku.0.clone(), it.quantity.0)).collect(),
        left_over_of,
    }
}

/// How a cart must stand; none where nobody can say.
fn must_stand(oracle: &Oracle, basket: &Basket) -> Option<&'static str> {
    if let Some(deed) = basket.paying.map(|deed| &oracle.deeds[deed])
        && deed.state != State::Refused
    {
        return (Oracle::verdict(deed) == Verdict::Must).then_some("paid");
    }
    match basket.given_up {
        None => Some("open"),
        Some(it) => it.sure.then_some("given up"),
    }
}

fn judge(oracle: &Oracle, basket: &Basket, shown: &Shown) -> Vec<String> {
    let mut wrong = Vec::new();
    let own = shown.get(&basket.id);
    let stands = match own.map(|it| it.state) {
        None => "unknown",
        Some(CartState::Paid) => "paid",
        Some(CartState::Voided) => "given up",
        Some(_) => "open",
    };
    let must = must_stand(oracle, basket);
    // What ended long ago may be unknown to a machine that forgot it.
    if must.is_some_and(|must| must != stands && !(stands == "unknown" && must != "open")) {
        wrong.push(format!("is {stands}, the oracle says {must:?}"));
    }
    let left_over: Vec<&Seen> =
        shown.values().filter(|it| it.left_over_of == Some(basket.id) && it.is_open()).collect();
    let open: Vec<&Seen> =
        own.into_iter().filter(|it| it.is_open()).chain(left_over.iter().copied()).collect();
    let in_carts = |line: &Line| {
        let names = open.iter().flat_map(|it| &it.lines);
        names.filter(|(name, ..)| Some(name) == line.name.as_ref()).count()
    };
    for (index, line) in basket.lines.iter().enumerate() {
        let times = in_carts(line) + usize::from(line.sold);
        if line.must_be_gone() && in_carts(line) > 0 {
            wrong.push(format!("has line {index} again, which was taken out: {line:?}"));
        }
        if line.must_be() && must.is_some_and(|must| must != "given up") && times != 1 {
            wrong.push(format!("({stands}) has line {index} {times} times: {line:?}"));
        }
    }
    for (name, sku, quantity) in open.iter().flat_map(|it| &it.lines) {
        let fits = |line: &Line| {
            let named = line.name.as_ref().is_none_or(|known| known == name);
            let item = oracle.codes.get(sku) == Some(&line.sku);
            named && item && i64::try_from(line.pieces * 1_000) == Ok(*quantity)
        };
        if !basket.lines.iter().any(fits) {
            wrong.push(format!("has {name}, {quantity} of {sku}, which nobody scanned"));
        }
    }
    wrong
}

/// Where a paid cart stands in the books, and what of it is wrong. A cart that two machines of one image had may be paid at
/// both.
pub(super) fn judge_checkout<'a>(
    oracle: &Oracle,
    (index, deed): (usize, &Deed),
    basket: &Basket,
    books: &'a Books,
    wrong: &mut Vec<String>,
) -> &'a [Found] {
    let found = books.get(&basket.id).map_or(&[][..], Vec::as_slice);
    let verdict = Oracle::verdict(deed);
    match (verdict, found.len()) {
        (Verdict::Must, 1) | (Verdict::May, 0 | 1) | (Verdict::Not, 0) => {}
        (_, 0..=2) if basket.loose && !oracle.twins.is_empty() => {}
        (_, times) => wrong.push(format!("deed {index} ({verdict:?}) paid a cart {times} times: {deed:?}")),
    }
    if let (State::Answered(told), Some(it)) = (&deed.state, found.first())
        && !basket.loose
        && !told.is_of(it.printed.as_ref(), &it.sold)
    {
        wrong.push(format!("deed {index} was told {told:?}, the books say {:?} {:?}", it.printed, it.sold));
    }
    found
}

impl Receipt {
    fn is_of(&self, printed: Option<&(String, String, u64, i64)>, sold: &[(String, u64)]) -> bool {
        let of = printed.map(|(till, series, n, total)| ((till.clone(), series.clone(), *n), *total));
        of == self.number.clone().map(|number| (number, self.total)) && self.sold == sold
    }
}
