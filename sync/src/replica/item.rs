//! One sku of a replica: its cells, its movements and its counts.

use crate::count::{Count, Fold, Movement, latest};
use crate::ids::{Hash, Incarnation};
use crate::rights::{Picture, Rights};
use crate::terms::{Place, Terms};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;

/// Where an effect stands: author, seq, index among the event's effects.
pub type At = (Incarnation, u64, u32);

/// What a replica holds of one sku.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Item {
    /// The cells.
    pub rights: Rights,
    /// Every movement, by its place.
    pub movements: BTreeMap<At, Movement>,
    /// Every count, by its place.
    pub counts: BTreeMap<(Incarnation, u64), Count>,
    /// What they come to.
    pub fold: Fold,
    /// Overdraw of a lone log, by the successor that carries it on in its first event (`model.md` §4).
    pub carried: BTreeMap<Incarnation, u64>,
}

impl Item {
    /// Takes in a movement.
    pub fn moved(&mut self, at: At, movement: Movement) {
        if self.movements.insert(at, movement).is_none() {
            self.fold.moved(&movement);
        }
    }

    /// Takes in a count. `hash_at` and `fork_of` tell the canonical branches.
    pub fn counted(
        &mut self,
        at: (Incarnation, u64),
        mut count: Count,
        hash_at: impl Fn(&Incarnation, u64) -> Option<Hash>,
        fork_of: impl Fn(&Incarnation) -> Option<u64>,
    ) {
        count.settle_branches(hash_at, fork_of);
        self.counts.insert(at, count);
        self.fold_again();
    }

    /// Judges the cuts of all counts anew, after a log went on or was cut back.
    pub fn settle_branches(
        &mut self,
        hash_at: impl Fn(&Incarnation, u64) -> Option<Hash>,
        fork_of: impl Fn(&Incarnation) -> Option<u64>,
    ) {
        let mut changed = false;
        for count in self.counts.values_mut() {
            changed |= count.settle_branches(&hash_at, &fork_of);
        }
        if changed {
            self.fold_again();
        }
    }

    fn fold_again(&mut self) {
        let newest = latest(self.counts.values()).cloned();
        if newest != self.fold.latest {
            self.fold = Fold::again(0, newest, self.movements.values());
        }
    }

    /// What on_hand would be with one more count.
    pub fn fold_with(&self, count: Count) -> Fold {
        let newest = latest(self.counts.values().chain([&count])).cloned();
        Fold::again(0, newest, self.movements.values())
    }

    /// The figures of `model.md` §2.
    pub fn picture(
        &self,
        sku: &Sku,
        terms: &Terms,
        reserved: i128,
        started: &BTreeSet<Incarnation>,
    ) -> Picture {
        let mut picture = Picture { on_hand: self.fold.on_hand, reserved, ..Picture::default() };
        for i in self.rights.known() {
            if terms.is_resolved(&i, sku) {
                continue;
            }
            picture.overdraw += i128::from(self.rights.overdraw_of(&i));
            match terms.place(&i) {
                Place::Live => picture.available += self.rights.of(&i),
                Place::Fenced | Place::Retired | Place::Unregistered => {
                    picture.suspended += self.rights.of(&i)
                }
            }
        }
        let carried = self.carried.iter().filter(|(successor, _)| !started.contains(*successor));
        picture.overdraw += carried.map(|(_, units)| i128::from(*units)).sum::<i128>();
        picture
    }
}
