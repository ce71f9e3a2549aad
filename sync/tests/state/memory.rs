//! Model 1: rights, and machines that forget (`model.md` §2, §3 Amnesia). A till gives and sells; its file is put back
//! from a backup, with or without its sidecar, or its image starts twice.

use crate::kit::{About, BEGIN, H, Held, Shop, full, holds, inc, is_caught, leased, roster, sku};
use stateright::{Model, Property};
use tradepost_commerce::product::StockPolicy::Strict;
use tradepost_sync::amnesia::{Log, Opening, at_start};
use tradepost_sync::body::RightsMinted;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Hash;
use tradepost_sync::lease::Tenancy;
use tradepost_sync::replica::{Heard, Replica};

const A: usize = 1;
const B: usize = 2;
/// The second machine that an image of A's starts on; before that nothing.
const TWIN: usize = 3;

/// Which step is taken wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A grant adds each time it is delivered.
    AdditiveGrants,
    /// What was put back goes on as the incarnation it was, on the lease it had.
    KeepsIncarnation,
    /// A boot sells before the hub has acknowledged anything of it.
    SellsUnacknowledged,
}

struct Memory {
    wrong: Wrong,
    goods: i8,
    grants: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    shop: Shop,
    saved: Option<Held>,
    grants: u8,
    boots: u8,
    again: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shop.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Sell(usize),
    Give(usize, usize),
    /// The last grant between two arrives once more.
    GrantAgain(usize, usize),
    Session(usize, usize),
    Backup,
    /// The database is put back; the sidecar is the one that stayed on the machine.
    Restore,
    /// The whole image is put back, its sidecar with it.
    RestoreImage,
    /// The image starts on two machines.
    Twins,
}

impl Memory {
    fn new(wrong: Wrong) -> Self {
        Self { wrong, goods: 2, grants: if full() { 3 } else { 2 } }
    }

    fn about(&self) -> About {
        About {
            model: "rights and memory",
            bounds: format!(
                "hub, 2 nodes and a twin; {} goods, {} grants of 1, 1 backup, 1 restore or pair of twins",
                self.goods, self.grants
            ),
            symmetry: "none (the nodes have different parts)",
        }
    }

    /// A machine boots: nothing of this boot is acknowledged yet.
    fn boots(&self, state: &mut State, at: usize) {
        state.boots += 1;
        if self.wrong != Wrong::SellsUnacknowledged {
            state.shop.nodes[at].step(|node| node.tenancy = Tenancy::default());
        }
        let started = Replica::started([state.boots; 16], Vec::new());
        state.shop.write(at, &started);
    }

    /// A's machine starts on `image`, beside a sidecar that notes `noted`.
    fn starts(&self, state: &mut State, image: Held, noted: HeadMark) {
        let head = HeadMark { incarnation: image.me(), seq: image.head().seq, hash: image.head().hash };
        let hash_at_noted = image.hash_at(&image.me(), noted.seq);
        let log =
            Log { head, hash_at_noted, commits_after: head.seq.saturating_sub(noted.seq), took_over: false };
        let opening = at_start(Some(log), Some(noted));
        state.saved = None;
        if self.wrong == Wrong::KeepsIncarnation {
            state.shop.nodes[A] = image;
            return;
        }
        match opening {
            Opening::Whole => {
                state.shop.nodes[A] = image;
                self.boots(state, A);
            }
            Opening::First | Opening::Restored(_) => self.begins_anew(state),
        }
    }

    /// The machine comes back as a new incarnation, which knows nothing yet.
    fn begins_anew(&self, state: &mut State) {
        state.shop.nodes[A] = Held::new(Replica::node(inc("A'"), inc("H")));
        self.boots(state, A);
    }

    /// Two replicas meet: each judges what the other knows of it; who lost memory sends nothing more and comes back as
    /// a new incarnation; the rest levels, by the hub's branch where two differ.
    fn session(&self, state: &mut State, a: usize, b: usize) -> bool {
        let (known, by) = (state.shop.nodes[a].me(), state.shop.nodes[b].me());
        let theirs = [head_of(&state.shop.nodes[b], &known), head_of(&state.shop.nodes[a], &by)];
        for (who, peer, head) in [(a, by, theirs[0]), (b, known, theirs[1])] {
            if Replica::clone(&state.shop.nodes[who]).shake(peer, head).is_err() {
                state.shop.nodes[who].step(|node| node.shake(peer, head)).expect_err("as just before");
                if who == A && self.wrong != Wrong::KeepsIncarnation {
                    self.begins_anew(state);
                }
                return true;
            }
        }
        let mut moved = false;
        if a == H {
            moved |= self.enrols(state, b);
            moved |= cuts_back(&mut state.shop, b);
        }
        moved |= state.shop.level(a, b);
        if a == H {
            moved |= acknowledges(&mut state.shop, b);
        }
        moved
    }

    /// The hub puts a new incarnation in its roster, and fences the one whose machine it is.
    fn enrols(&self, state: &mut State, who: usize) -> bool {
        let shop = &mut state.shop;
        let me = shop.nodes[who].me();
        if shop.nodes[H].terms().roster().contains(&me) || shop.nodes[who].fenced_itself {
            return false;
        }
        shop.write(H, &roster(2, &[inc("A"), inc("B"), me], &[inc("A")]));
        true
    }
}

fn head_of(holder: &Replica, i: &tradepost_sync::ids::Incarnation) -> Option<tradepost_sync::terms::Cap> {
    holder.heads().get(i).copied()
}

/// A node that holds another branch than the hub's cuts back to it.
fn cuts_back(shop: &mut Shop, who: usize) -> bool {
    let (hub, now) = (shop.nodes[H].clone(), shop.now());
    let mut cut = false;
    for (author, head) in shop.nodes[who].heads() {
        let other = hub.hash_at(&author, head.seq).is_some_and(|hash| hash != head.hash);
        if other && author != shop.nodes[who].me() {
            let canonical = hub.events_after(&author, 0);
            shop.nodes[who].step(|node| node.cut_back(now, author, &canonical)).expect("small events");
            cut = true;
        }
    }
    cut
}

/// The hub acknowledges what it holds of a member, and renews its lease.
fn acknowledges(shop: &mut Shop, who: usize) -> bool {
    let (hub, node) = (&shop.nodes[H], &shop.nodes[who]);
    let (me, head) = (node.me(), *node.head());
    let holds = hub.hash_at(&me, head.seq).unwrap_or(Hash::ZERO) == head.hash;
    let member = hub.terms().live().contains(&me);
    if node.tenancy.acknowledged || !holds || !member || node.fenced_itself {
        return false;
    }
    shop.nodes[who].step(|node| node.tenancy = leased(BEGIN));
    true
}

impl Model for Memory {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let shop = Shop::open(&["A", "B"], self.goods);
        vec![State { shop, saved: None, grants: 0, boots: 0, again: false }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for i in 1..state.shop.nodes.len() {
            steps.push(Step::Sell(i));
            steps.push(Step::Session(H, i));
        }
        steps.push(Step::Session(A, B));
        if state.shop.nodes.len() > TWIN {
            steps.push(Step::Session(TWIN, B));
        }
        if state.grants < self.grants {
            steps.extend([Step::Give(A, B), Step::Give(B, A)]);
        }
        if !state.again {
            steps.extend([Step::GrantAgain(A, B), Step::GrantAgain(B, A)]);
        }
        if state.boots == 0 && state.saved.is_none() {
            steps.push(Step::Backup);
        }
        if state.saved.is_some() && state.shop.nodes[A].me() == inc("A") {
            steps.extend([Step::Restore, Step::RestoreImage, Step::Twins]);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        let moved = match step {
            Step::Sell(i) => state.shop.sell(i, Strict),
            Step::Give(from, to) => {
                state.grants += 1;
                state.shop.give(from, to)
            }
            Step::GrantAgain(from, to) => self.grant_again(&mut state, from, to),
            Step::Session(a, b) => self.session(&mut state, a, b),
            Step::Backup => {
                state.saved = Some(state.shop.nodes[A].clone());
                true
            }
            Step::Restore => {
                let head = *state.shop.nodes[A].head();
                let noted = HeadMark { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
                let image = state.saved.take()?;
                self.starts(&mut state, image, noted);
                true
            }
            Step::RestoreImage => self.restores_image(&mut state)?,
            Step::Twins => {
                // The machine is stopped and its disk copied: the original runs nowhere any more.
                state.saved = None;
                state.boots = 1;
                let image = state.shop.nodes[A].clone();
                state.shop.nodes.push(image);
                self.boots(&mut state, A);
                self.boots(&mut state, TWIN);
                true
            }
        };
        moved.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all =
            vec![Property::always("I5 every strict sale finds its good", |_, s: &State| s.shop.shelf >= 0)];
        // The checker stops at the first story only where nothing else is asked.
        if self.wrong != Wrong::Nothing {
            return all;
        }
        all.extend([
            Property::always("I1 own rights are never below zero", |_, s: &State| s.shop.i1()),
            Property::always("I2 nobody takes more for his own than he has", |_, s: &State| s.shop.i2()),
            Property::always("I4 no more is used than was minted", |_, s: &State| s.shop.i4()),
            Property::sometimes("everything is sold", |_, s: &State| s.shop.shelf == 0),
            Property::sometimes(
                "a machine that forgot is back as a new incarnation and sells",
                |_, s: &State| {
                    let node = &s.shop.nodes[A];
                    node.me() == inc("A'")
                        && node.state().receipts.keys().any(|(_, series, _)| *series == node.me().series())
                },
            ),
            Property::sometimes("one twin sells, the other has fenced itself", |_, s: &State| {
                s.shop
                    .nodes
                    .get(TWIN)
                    .is_some_and(|twin| twin.fenced_itself && s.shop.nodes[A].tenancy.acknowledged)
            }),
        ]);
        all
    }
}

impl Memory {
    /// An event that was delivered comes once more. The real core knows it; grants that add count it again.
    fn grant_again(&self, state: &mut State, from: usize, to: usize) -> bool {
        let giver = state.shop.nodes[from].me();
        let held = state.shop.nodes[to].events_after(&giver, 0);
        let mut grants =
            held.iter().filter(|e| matches!(&e.body, Some(tradepost_sync::body::Body::RightsGranted(_))));
        let Some(grant) = grants.next_back().cloned() else { return false };
        if self.wrong == Wrong::AdditiveGrants {
            let minted =
                RightsMinted { sku: sku(), units: 1, barrier: None, reservation: None, retired: None };
            state.again = true;
            state.shop.write(to, &minted.into());
            return true;
        }
        let heard = state.shop.nodes[to].clone().step(|node| node.hear(&grant));
        assert_eq!(heard, Heard::Known);
        false
    }

    /// The image comes back with its own sidecar: seen only where the hub holds more of it than the image does. Where
    /// it doesn't, nobody can see it (`model.md` §3: outside the promise), so the step is not taken.
    fn restores_image(&self, state: &mut State) -> Option<bool> {
        let image = state.saved.clone()?;
        let (me, head) = (image.me(), *image.head());
        let lost = state.shop.nodes[A].head().seq > head.seq;
        if lost && state.shop.nodes[H].reach(&me) <= head.seq {
            return None;
        }
        let noted = HeadMark { incarnation: me, seq: head.seq, hash: head.hash };
        self.starts(state, image, noted);
        Some(true)
    }
}

#[test]
fn rights_hold_whatever_a_machine_forgets() {
    let model = Memory::new(Wrong::Nothing);
    let about = model.about();
    holds(model, &about);
}

#[test]
fn wrong_steps_with_rights_and_memory_are_caught() {
    for wrong in [Wrong::AdditiveGrants, Wrong::KeepsIncarnation, Wrong::SellsUnacknowledged] {
        let model = Memory::new(wrong);
        let about = model.about();
        is_caught(model, &about, &format!("{wrong:?}"), &["I5 every strict sale finds its good"]);
    }
}
