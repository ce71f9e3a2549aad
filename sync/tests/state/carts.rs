//! Model 4, carts (`model.md` §5): a cart that two tills hand each other, that a manager takes over, or that a successor
//! inherits without a byte. Each till's register merges the steps it has heard of.

use crate::kit::{About, BEGIN, MINUTE, full, holds, id, inc, is_caught, tau};
use stateright::{Model, Property};
use std::collections::BTreeSet;
use tradepost_sync::body::{CustodyMark, CustodyObject, NodeFenced};
use tradepost_sync::custody::{Custody, Step as Merged, Taker};
use tradepost_sync::effects::CustodyEffect;
use tradepost_sync::fence::Waits;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::LEASE_MS_DEFAULT;
use tradepost_sync::terms::Terms;

const MARGIN: i64 = 15 * MINUTE;

/// What goes wrong with a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A till that can't reach the custodian takes the cart at once.
    Steals,
    /// Whoever has it on screen checks it out.
    AnyonePays,
}

struct Carts {
    wrong: Wrong,
    hand_ons: u8,
    takeovers: u8,
}

/// A cart's register at the store's tills, which hear of each other's steps late. The first till's lease runs out.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    tills: [BTreeSet<usize>; 2],
    steps: Vec<CustodyEffect>,
    time: u8,
    fenced: bool,
    hand_ons: u8,
    takeovers: u8,
    /// Who paid, in which epoch, and whether its lease was out.
    paid: Vec<(usize, u32, bool)>,
    /// A till within its lease paid what had been taken from it.
    usurped: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "time {}", self.time)?;
        for (till, name) in TILLS.iter().enumerate() {
            let custody = self.register(till).0;
            let (epoch, n, end) = (custody.epoch, custody.n, if custody.terminal { ", ended" } else { "" });
            write!(f, " | {name} knows: {}'s ({epoch}, {n}){end}", crate::kit::name(&custody.owner))?;
        }
        write!(f, " | paid {:?}", self.paid)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    HandOn(usize),
    Pay(usize),
    TakeOver(usize),
    Fence,
    Pass,
    Tell(usize),
}

const TILLS: [&str; 2] = ["A", "B"];

fn cart() -> CustodyObject {
    CustodyObject::Cart(id(7))
}

impl State {
    /// A till's register, and whether a person was told of a contradiction.
    fn register(&self, till: usize) -> (Custody, bool) {
        let mut custody = Custody::begin(inc(TILLS[0]));
        let mut merged = |at: &usize| {
            matches!(
                custody.merge(&self.steps[*at]),
                Merged::TakenFromEnded | Merged::TerminalBehindTakeover | Merged::Fork
            )
        };
        let told = self.tills[till].iter().filter(|at| merged(at)).count() > 0;
        (custody, told)
    }

    fn writes(&mut self, till: usize, mark: CustodyMark, owner: Incarnation, terminal: bool) {
        self.tills[till].insert(self.steps.len());
        self.steps.push(CustodyEffect { object: cart(), epoch: mark.epoch, n: mark.n, owner, terminal });
    }

    /// The first till is out of the hub's reach, the other is not.
    fn locked(&self, till: usize) -> bool {
        till == 0 && self.time > 0
    }

    fn waits(&self) -> Waits {
        let mut waits = Waits::default();
        waits.renewed(inc(TILLS[0]), LEASE_MS_DEFAULT, tau(BEGIN));
        waits.ran(if self.time > 1 { LEASE_MS_DEFAULT + MARGIN } else { LEASE_MS_DEFAULT }, self.tau());
        waits
    }

    fn tau(&self) -> tradepost_sync::clock::Tau {
        tau(BEGIN + LEASE_MS_DEFAULT + if self.time > 1 { MARGIN } else { 0 })
    }

    fn terms(&self) -> Terms {
        let mut terms = Terms::of_hub(inc("H"));
        if self.fenced {
            let fenced =
                NodeFenced { incarnation: inc(TILLS[0]), successor: Some(inc(TILLS[1])), attested: None };
            terms.hear(&inc("H"), &fenced.into());
        }
        terms
    }
}

impl Carts {
    fn new(wrong: Wrong) -> Self {
        let more = u8::from(full());
        Self { wrong, hand_ons: 2 + more, takeovers: 1 + more }
    }

    fn about(&self) -> About {
        About {
            model: "custody of a cart",
            bounds: format!(
                "2 tills; 1 cart, {} handed on, {} taken over, 3 times",
                self.hand_ons, self.takeovers
            ),
            symmetry: "none (one till loses its lease)",
        }
    }

    fn pays(&self, state: &mut State, till: usize) -> bool {
        let me = inc(TILLS[till]);
        let (mut custody, _) = state.register(till);
        let wait_over = state.waits().check(inc(TILLS[0]), state.tau()).is_ok();
        // A successor owns it without a byte.
        // What the lost till told nobody lies behind its cap; here it has told everything.
        let inherits = till == 1 && state.tills[0].is_subset(&state.tills[1]);
        custody.owner =
            if inherits { custody.owner_by(&cart(), &state.terms(), wait_over) } else { custody.owner };
        if self.wrong == Wrong::AnyonePays && !custody.terminal {
            custody.owner = me;
        }
        let Ok(mark) = custody.finish(&cart(), &me, state.locked(till)) else { return false };
        state.writes(till, mark, me, true);
        let locked = state.locked(till);
        state.usurped |= !locked && state.steps.iter().any(|step| step.epoch > mark.epoch);
        state.paid.push((till, mark.epoch, locked));
        true
    }
}

impl Model for Carts {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let tills = [BTreeSet::new(), BTreeSet::new()];
        let paid = Vec::new();
        vec![State {
            tills,
            steps: Vec::new(),
            time: 0,
            fenced: false,
            hand_ons: 0,
            takeovers: 0,
            paid,
            usurped: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for till in 0..2 {
            steps.extend([Step::Pay(till), Step::Tell(till)]);
            if state.hand_ons < self.hand_ons {
                steps.push(Step::HandOn(till));
            }
            if state.takeovers < self.takeovers {
                steps.push(Step::TakeOver(till));
            }
        }
        if state.time < 2 {
            steps.push(Step::Pass);
        }
        if !state.fenced {
            steps.push(Step::Fence);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        let moved = match step {
            Step::HandOn(till) => {
                state.hand_ons += 1;
                let (custody, _) = state.register(till);
                match custody.hand_on(&inc(TILLS[till]), state.locked(till)) {
                    Ok(mark) => {
                        state.writes(till, mark, inc(TILLS[1 - till]), false);
                        true
                    }
                    Err(_) => false,
                }
            }
            Step::Pay(till) => self.pays(&mut state, till),
            Step::TakeOver(till) => {
                state.takeovers += 1;
                let (custody, _) = state.register(till);
                let wait = match self.wrong {
                    Wrong::Steals => Ok(None),
                    // The other till's lease is renewed whenever this one's is asked for: nobody waits it out.
                    _ if custody.owner == inc(TILLS[0]) => state.waits().check(custody.owner, state.tau()),
                    _ => return None,
                };
                if custody.owner == inc(TILLS[till]) {
                    return None;
                }
                match custody.take_over(&cart(), Taker::Manager, wait) {
                    Ok(mark) => {
                        state.writes(till, mark, inc(TILLS[till]), false);
                        true
                    }
                    Err(_) => false,
                }
            }
            Step::Fence => {
                state.fenced = true;
                true
            }
            Step::Pass => {
                state.time += 1;
                true
            }
            Step::Tell(till) => {
                let known = state.tills[till].clone();
                state.tills[1 - till].extend(known);
                state.tills != before.tills
            }
        };
        moved.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![Property::always(PAID, |_: &Self, s: &State| {
            let within: Vec<u32> =
                s.paid.iter().filter(|(.., locked)| !locked).map(|(_, epoch, _)| *epoch).collect();
            let epochs: BTreeSet<u32> = within.iter().copied().collect();
            !s.usurped && epochs.len() == within.len()
        })];
        // The checker stops at the first story only where nothing else is asked.
        if self.wrong != Wrong::Nothing {
            return all;
        }
        all.extend([
            Property::always("a cart paid twice is told of", |_: &Self, s: &State| {
                let mut level = s.clone();
                level.tills[0] = (0..level.steps.len()).collect();
                s.paid.len() <= 1 || level.register(0).1
            }),
            Property::sometimes("a cart is taken over and paid", |_: &Self, s: &State| {
                s.paid.iter().any(|(_, epoch, _)| *epoch > 0)
            }),
            Property::sometimes("a successor pays", |_: &Self, s: &State| {
                s.fenced && s.paid.iter().any(|(till, epoch, _)| *till == 1 && *epoch == 0)
            }),
        ]);
        all
    }
}

const PAID: &str = "I9 a cart is paid once within a lease";

#[test]
fn a_cart_is_paid_by_its_custodian() {
    let model = Carts::new(Wrong::Nothing);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn wrong_ways_to_pay_a_cart_are_caught() {
    for wrong in [Wrong::Steals, Wrong::AnyonePays] {
        let model = Carts::new(wrong);
        let about = model.about();
        is_caught(model, &about, &format!("{wrong:?}"), &[PAID]);
    }
}
