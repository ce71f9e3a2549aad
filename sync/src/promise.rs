//! What promises cost: which of them the shelf can't meet, and how much of a shelf is lent to the web (`model.md` §2,
//! (E); `facts.md` §4).

use crate::ids::Id;
use crate::rights::Picture;

/// Promises that the shelf can't meet, with the base units each lacks. `promised` is in the order in which they were
/// made: the goods are for those who came first. What is lacking adds up to `(E) = max(0, reserved − on_hand)`.
pub fn uncovered(on_hand: i128, promised: impl IntoIterator<Item = (Id, u64)>) -> Vec<(Id, u64)> {
    let mut left = u128::try_from(on_hand).unwrap_or(0);
    let mut lacking = Vec::new();
    let mut below = u128::try_from(on_hand.saturating_neg()).unwrap_or(0);
    for (id, units) in promised {
        let wanted = u128::from(units);
        let covered = wanted.min(left);
        left -= covered;
        let mut short = wanted - covered;
        if short > 0 {
            // Whatever the shelf is below nothing is owed with the first promise that finds nothing.
            short += std::mem::take(&mut below);
            lacking.push((id, u64::try_from(short).unwrap_or(u64::MAX)));
        }
    }
    lacking
}

/// What the hub should hold for the web: `share_ppm × max(0, ATP − X − G − safety_stock) / 1,000,000`, in base units
/// (`facts.md` §4, Lending to the web).
pub fn lending_target(picture: &Picture, share_ppm: u32, safety_stock: i64) -> u64 {
    let free = picture.available - picture.overdraw - picture.shrink() - i128::from(safety_stock);
    let target = free.max(0).saturating_mul(i128::from(share_ppm)) / 1_000_000;
    u64::try_from(target).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> Id {
        Id([n; 16])
    }

    #[test]
    fn who_came_first_is_served_first() {
        let promised = [(id(1), 2), (id(2), 3), (id(3), 1)];
        let stories: [(i128, &[(Id, u64)]); 5] = [
            (6, &[]),
            (5, &[(id(3), 1)]),
            (3, &[(id(2), 2), (id(3), 1)]),
            (0, &[(id(1), 2), (id(2), 3), (id(3), 1)]),
            (-1, &[(id(1), 3), (id(2), 3), (id(3), 1)]),
        ];
        for (on_hand, lacking) in stories {
            assert_eq!(uncovered(on_hand, promised), lacking, "{on_hand} on hand");
        }
    }

    proptest! {
        #[test]
        fn what_is_lacking_adds_up_to_the_exposure(on_hand in -20i128..40, units in prop::collection::vec(1u64..9, 0..6)) {
            let promised = units.iter().zip(1u8..).map(|(units, n)| (id(n), *units));
            let lacking: u64 = uncovered(on_hand, promised).iter().map(|(_, short)| *short).sum();
            let reserved = i128::from(units.iter().sum::<u64>());
            let picture = Picture { on_hand, reserved, ..Picture::default() };
            let expected = if units.is_empty() { 0 } else { picture.exposure() };
            prop_assert_eq!(i128::from(lacking), expected);
        }
    }

    #[test]
    fn a_share_of_what_is_free_is_lent() {
        let picture = Picture { on_hand: 10, available: 10, ..Picture::default() };
        assert_eq!(lending_target(&picture, 500_000, 0), 5);
        assert_eq!(lending_target(&picture, 500_000, 3), 3);
        assert_eq!(lending_target(&picture, 500_000, 30), 0);
        let owed = Picture { on_hand: 8, available: 10, overdraw: 2, ..picture };
        assert_eq!(lending_target(&owed, 1_000_000, 0), 8);
        let shrunk = Picture { on_hand: 7, available: 10, ..Picture::default() };
        assert_eq!(lending_target(&shrunk, 1_000_000, 0), 7);
    }
}
