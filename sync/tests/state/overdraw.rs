//! Model 3: overdraw and covering (`model.md` §2, "When rights run out"): sales in hand beside strict ones and web
//! orders. A walk-in sale of the last unit may break a promise made elsewhere; who knows of it breaks none, and (E)
//! counts the broken ones to the unit.

use crate::kit::{About, BEGIN, H, Shop, full, holds, id, inc, is_caught, sku, tau};
use stateright::{Model, Property};
use tradepost_commerce::product::StockPolicy::{InHand, Strict};
use tradepost_sync::body::{Moved, ReservationOpened};
use tradepost_sync::custody::End;
use tradepost_sync::replica::Promise;

const A: usize = 1;
const B: usize = 2;

/// Which step is taken wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A strict promise covers nobody's overdraw first.
    CoversNobody,
    /// It covers its own only.
    CoversItselfOnly,
}

struct Overdraw {
    wrong: Wrong,
    goods: i8,
    gives: u8,
    in_hand: u8,
    strict: u8,
    web: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    shop: Shop,
    gives: u8,
    in_hand: u8,
    strict: u8,
    web: u8,
    cancelled: bool,
    ended: bool,
    /// Somebody who knew everything promised a good that wasn't there.
    knew_better: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shop.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Give(usize, usize),
    SellInHand(usize),
    SellStrict(usize),
    Reserve,
    /// The first web order is cancelled by its custodian.
    Cancel,
    Settle(usize),
    Level(usize, usize),
}

impl Overdraw {
    fn new(wrong: Wrong) -> Self {
        let more = u8::from(full());
        Self { wrong, goods: 2, gives: 2 + more, in_hand: 2, strict: 2, web: 2 }
    }

    fn about(&self) -> About {
        About {
            model: "overdraw and covering",
            bounds: format!(
                "hub, 2 nodes; {} goods; {} grants, {} sales in hand, {} strict, {} web orders, 1 cancelled",
                self.goods, self.gives, self.in_hand, self.strict, self.web
            ),
            symmetry: "none (one node received the goods and keeps the reservations)",
        }
    }

    /// A strict promise, by the core or with the one wrong step. Who knows everything must not promise in vain.
    fn promises(&self, state: &mut State, who: usize, by: impl FnOnce(&Self, &mut State) -> bool) -> bool {
        let (knows, before) = (state.shop.knows_all(who), state.harm());
        let made = by(self, state);
        state.knew_better |= made && knows && state.harm() > before;
        made
    }

    fn sells_strict(&self, state: &mut State, who: usize) -> bool {
        let node = &state.shop.nodes[who];
        let free = node.standing(&sku(), state.shop.now()).free();
        let promise = node.sell(&sku(), 1, Strict, false, state.shop.now());
        let (covers, others) = (&promise.covers, promise.covers.len());
        match self.wrong {
            Wrong::CoversNobody if free > 0 => state.shop.sell(who, InHand),
            Wrong::CoversItselfOnly if free > 0 && others > 0 => {
                if let Some(settled) = covers.first().filter(|body| is_settlement(body)).cloned() {
                    state.shop.write(who, &settled);
                }
                let left = state.shop.nodes[who].standing(&sku(), state.shop.now()).free();
                left > 0 && state.shop.sell(who, InHand)
            }
            _ => state.shop.sell(who, Strict),
        }
    }

    fn reserves(&self, state: &mut State) -> bool {
        state.web += 1;
        let (now, order) = (state.shop.now(), id(state.web));
        let hub = &state.shop.nodes[H];
        let promise = hub.reserve(order, &sku(), 1, inc("A"), tau(BEGIN), now);
        let free = hub.standing(&sku(), now).free();
        if self.wrong == Wrong::Nothing || free == 0 {
            return state.shop.promise(H, promise);
        }
        let covers = if self.wrong == Wrong::CoversItselfOnly { promise.covers } else { Vec::new() };
        let covers = covers.into_iter().filter(is_settlement).collect();
        let opened = ReservationOpened {
            reservation: order,
            order,
            sku: sku(),
            units: 1,
            moved: Moved { c: 1, ..Moved::default() },
            expires: tau(BEGIN),
            custodian: inc("A"),
            reference: String::new(),
            prepaid: None,
        };
        state.shop.promise(H, Promise { covers, then: Ok(opened.into()) })
    }
}

fn is_settlement(body: &tradepost_sync::body::Body) -> bool {
    matches!(body, tradepost_sync::body::Body::RightsSettled(_))
}

impl State {
    /// Web orders that are open: the custodian's word is the last.
    fn open_orders(&self) -> i128 {
        let opened = self.shop.nodes[H].state().reservations.values().map(|one| i128::from(one.units));
        opened.sum::<i128>() - i128::from(self.ended)
    }

    /// Promises that truly find no good.
    fn harm(&self) -> i128 {
        (self.open_orders() - i128::from(self.shop.shelf)).max(0)
    }

    /// I6 and (E), where everything is known: D is zero, on hand is what is there, and (E) is the harm to the unit.
    fn books_are_true(&self) -> bool {
        let closed = self.shop.closed_view();
        let picture = closed.nodes[H].picture(&sku());
        picture.d() == 0
            && picture.on_hand == i128::from(self.shop.shelf)
            && picture.exposure() == self.harm()
            && picture.overdraw == self.shop.overdraw()
    }
}

impl Model for Overdraw {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let shop = Shop::open(&["A", "B"], self.goods);
        vec![State {
            shop,
            gives: 0,
            in_hand: 0,
            strict: 0,
            web: 0,
            cancelled: false,
            ended: false,
            knew_better: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.gives < self.gives {
            steps.extend([Step::Give(A, B), Step::Give(A, H), Step::Give(B, H), Step::Give(H, B)]);
        }
        // Goods in hand are there.
        if state.in_hand < self.in_hand && state.shop.shelf > 0 {
            steps.extend([Step::SellInHand(A), Step::SellInHand(B)]);
        }
        if state.strict < self.strict {
            steps.extend([Step::SellStrict(A), Step::SellStrict(B)]);
        }
        if state.web < self.web {
            steps.push(Step::Reserve);
        }
        if !state.cancelled {
            steps.push(Step::Cancel);
        }
        steps.extend([Step::Settle(A), Step::Settle(B)]);
        steps.extend([Step::Level(A, H), Step::Level(B, H), Step::Level(A, B)]);
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        let moved = match step {
            Step::Give(from, to) => {
                state.gives += 1;
                state.shop.give(from, to)
            }
            Step::SellInHand(i) => {
                state.in_hand += 1;
                state.shop.sell(i, InHand)
            }
            Step::SellStrict(i) => {
                state.strict += 1;
                self.promises(&mut state, i, |model, state| model.sells_strict(state, i))
            }
            Step::Reserve => self.promises(&mut state, H, Self::reserves),
            Step::Cancel => {
                state.cancelled = true;
                let body = state.shop.nodes[A].end(id(1), End::Cancelled, state.shop.now());
                state.ended = state.shop.decided(A, body);
                state.ended
            }
            Step::Settle(i) => {
                let body = state.shop.nodes[i].settle(&sku(), state.shop.now());
                state.shop.decided(i, body)
            }
            Step::Level(a, b) => state.shop.level(a, b),
        };
        // A refused order has covered what stood in its way.
        let covered = state.shop != before.shop;
        (moved || covered).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![Property::always(COVER, |_: &Self, s: &State| !s.knew_better)];
        if self.wrong != Wrong::Nothing {
            return all;
        }
        all.extend([
            Property::always("I5 without overdraw every promise finds its good", |_: &Self, s: &State| {
                s.shop.truth.known().iter().any(|i| s.shop.truth.row(i).is_some_and(|row| row.overdrawn > 0))
                    || (s.shop.shelf >= 0 && s.shop.short(s.open_orders()) <= 0)
            }),
            Property::always(
                "no more promises are broken than sales in hand went beyond rights",
                |_, s: &State| s.shop.short(s.open_orders()) <= taken_beyond(&s.shop),
            ),
            Property::always("I6 and (E): the books are true where all is known", |_, s: &State| {
                s.books_are_true()
            }),
            Property::always("I1 own rights are never below zero", |_, s: &State| s.shop.i1()),
            Property::always("I2 nobody takes more for his own than he has", |_, s: &State| s.shop.i2()),
            Property::always("I4 no more is used than was minted", |_, s: &State| s.shop.i4()),
            Property::sometimes("a sale in hand breaks a promise made elsewhere", |_, s: &State| {
                s.harm() > 0
            }),
            Property::sometimes("overdraw is settled", |_, s: &State| {
                s.shop.overdraw() == 0 && taken_beyond(&s.shop) > 0
            }),
        ]);
        all
    }
}

/// Everything that was ever sold beyond rights.
fn taken_beyond(shop: &Shop) -> i128 {
    let rows = shop.truth.known();
    rows.iter().filter_map(|i| shop.truth.row(i)).map(|row| i128::from(row.overdrawn)).sum()
}

const COVER: &str = "who knows every sale in hand promises nothing in vain";

#[test]
fn promises_and_sales_in_hand_add_up() {
    let model = Overdraw::new(Wrong::Nothing);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn wrong_ways_to_cover_are_caught() {
    for wrong in [Wrong::CoversNobody, Wrong::CoversItselfOnly] {
        let model = Overdraw::new(wrong);
        let about = model.about();
        is_caught(model, &about, &format!("{wrong:?}"), &[COVER]);
    }
}
