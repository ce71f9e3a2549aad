//! Laws of the rights matrix (`model.md` §2, §7).

use crdts::{CmRDT, PNCounter};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tradepost_commerce::product::StockPolicy;
use tradepost_sync::effects::Cell;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::rights::{Picture, Rights, Standing, StrictShort, Taken, give, mint, settle, take};

fn inc(i: u8) -> Incarnation {
    Incarnation([i; 16])
}

fn standing(rights: u64) -> Standing {
    Standing { rights, held: 0, registered: true, locked: false }
}

#[test]
fn how_a_sale_takes() {
    use StockPolicy::{InHand, Override, Strict};
    let stories = [
        (standing(5), Strict, 5, false, Ok(Taken { rights: 5, overdraw: 0 })),
        (standing(5), Strict, 6, true, Err(StrictShort { asked: 6, free: 5 })),
        (standing(5), InHand, 6, false, Ok(Taken { rights: 5, overdraw: 1 })),
        (standing(5), Override, 6, false, Err(StrictShort { asked: 6, free: 5 })),
        (standing(5), Override, 6, true, Ok(Taken { rights: 5, overdraw: 1 })),
        (Standing { held: 3, ..standing(5) }, Strict, 3, false, Err(StrictShort { asked: 3, free: 2 })),
        (
            Standing { registered: false, ..standing(5) },
            InHand,
            1,
            false,
            Ok(Taken { rights: 0, overdraw: 1 }),
        ),
        (Standing { locked: true, ..standing(5) }, InHand, 1, false, Ok(Taken { rights: 0, overdraw: 1 })),
        (Standing { locked: true, ..standing(5) }, Strict, 1, false, Err(StrictShort { asked: 1, free: 0 })),
    ];
    for (standing, policy, asked, approved, expected) in stories {
        assert_eq!(take(&standing, policy, asked, approved), expected, "{standing:?} {policy:?} {asked}");
    }
}

#[test]
fn an_unregistered_or_locked_node_mints_settles_and_gives_nothing() {
    for standing in [Standing { registered: false, ..standing(9) }, Standing { locked: true, ..standing(9) }]
    {
        assert_eq!((mint(&standing, 5), settle(&standing, 5), give(&standing, 5)), (0, 0, 0));
    }
    assert_eq!((mint(&standing(9), 5), settle(&standing(9), 5), give(&standing(9), 12)), (5, 5, 9));
}

#[test]
fn the_picture_tells_shrink_surplus_and_exposure() {
    let picture = Picture { on_hand: 8, available: 6, reserved: 1, suspended: 2, overdraw: 0 };
    assert_eq!((picture.d(), picture.shrink(), picture.surplus(), picture.exposure()), (-1, 1, 0, 0));
    let oversold = Picture { on_hand: 0, available: 0, reserved: 1, suspended: 0, overdraw: 1 };
    assert_eq!((oversold.d(), oversold.exposure()), (0, 1));
}

/// One step of a world of three nodes.
#[derive(Clone, Debug)]
enum Act {
    Receive(u8, u64),
    Sell(u8, u64),
    Give(u8, u8, u64),
    Settle(u8),
    Deliver(u8, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0u8..3;
    prop_oneof![
        (node.clone(), 1u64..20).prop_map(|(i, q)| Act::Receive(i, q)),
        (node.clone(), 1u64..8).prop_map(|(i, q)| Act::Sell(i, q)),
        (node.clone(), node.clone(), 1u64..8).prop_map(|(i, j, q)| Act::Give(i, j, q)),
        node.clone().prop_map(Act::Settle),
        (node.clone(), node).prop_map(|(i, j)| Act::Deliver(i, j)),
    ]
}

/// Each node acts on its own view and hears of the others by whole-state merges, in any order.
#[derive(Default)]
struct World {
    views: [Rights; 3],
    truth: Rights,
    on_hand: i128,
    oracle: PNCounter<u8>,
}

impl World {
    fn write(&mut self, i: u8, cell: Cell, units: u64) {
        self.views[usize::from(i)].apply(inc(i), cell, units).unwrap();
        self.truth.apply(inc(i), cell, units).unwrap();
    }

    fn standing(&self, i: u8) -> Standing {
        let r = self.views[usize::from(i)].of(&inc(i));
        standing(u64::try_from(r).expect("I1: never below zero at its owner"))
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Receive(i, q) => {
                self.write(i, Cell::Minted, mint(&self.standing(i), q));
                self.on_hand += i128::from(q);
                self.oracle.apply(self.oracle.inc_many(i, q));
            }
            Act::Sell(i, q) => {
                let taken = take(&self.standing(i), StockPolicy::InHand, q, false).unwrap();
                self.write(i, Cell::Used, taken.rights);
                self.write(i, Cell::Overdrawn, taken.overdraw);
                self.on_hand -= i128::from(q);
                self.oracle.apply(self.oracle.dec_many(i, q));
            }
            Act::Give(i, j, q) if i != j => {
                let units = give(&self.standing(i), q);
                self.write(i, Cell::Given(inc(j)), units);
            }
            Act::Settle(i) => {
                let x = self.views[usize::from(i)].overdraw_of(&inc(i));
                let units = settle(&self.standing(i), x);
                self.write(i, Cell::Used, units);
                self.write(i, Cell::Settled, units);
            }
            Act::Deliver(from, to) => {
                let view = self.views[usize::from(from)].clone();
                self.views[usize::from(to)].merge(&view);
            }
            Act::Give(..) => {}
        }
    }

    fn holds(&self) {
        let live: BTreeSet<_> = (0..3).map(inc).collect();
        for i in 0..3 {
            let own = self.views[usize::from(i)].of(&inc(i));
            assert!(own >= 0, "I1");
            assert!(own <= self.truth.of(&inc(i)), "I2: own view of r is never more than the true r");
        }
        assert!(self.truth.available(&live) >= 0, "I4");
        let picture = Picture {
            on_hand: self.on_hand,
            available: self.truth.available(&live),
            overdraw: i128::from(self.truth.overdraw()),
            ..Picture::default()
        };
        assert_eq!(picture.d(), 0, "(C): no such event moves D");
        assert_eq!(self.oracle.read(), self.on_hand.into(), "the projected quantity is a PN-counter's");
    }
}

proptest! {
    #[test]
    fn no_order_of_acts_and_deliveries_breaks_the_invariants(acts in prop::collection::vec(act(), 1..120)) {
        let mut world = World::default();
        for act in &acts {
            world.act(act);
            world.holds();
        }
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::default();
        acts.iter().for_each(|act| world.act(act));
        let [a, b, c] = &world.views;
        let join = |x: &Rights, y: &Rights| { let mut z = x.clone(); z.merge(y); z };
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)));
        prop_assert_eq!(join(a, a), a.clone());
    }
}
