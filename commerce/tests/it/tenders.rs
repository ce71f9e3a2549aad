//! The life of a tender: every road that `facts.md` §4 allows, and no other.

use tradepost_commerce::document::{TenderKind, TenderState as S};
use tradepost_commerce::money::Money;
use tradepost_commerce::tender_life::{
    OfflineCaps, TenderRefusal, TenderStep as T, blocks_document, draw, is_unsettled, may_store, step,
};

const STATES: [S; 11] = [
    S::Created,
    S::Requested,
    S::Captured,
    S::Stored,
    S::Unconfirmed,
    S::Unknown,
    S::Declined,
    S::Voided,
    S::Confirmed,
    S::Missing,
    S::Expired,
];

const STEPS: [T; 10] = [
    T::Ask,
    T::Taken,
    T::Kept,
    T::Seen,
    T::Refused,
    T::Silence,
    T::TooLate,
    T::Listed,
    T::NotListed,
    T::Undone,
];

/// Walks the steps; the last state, or the first refusal's name.
fn walk(kind: TenderKind, steps: &[T]) -> Result<S, &'static str> {
    let go = |state, next: &T| step(&kind, state, *next, false).map_err(|refusal| refusal.code());
    steps.iter().try_fold(S::Created, go)
}

#[test]
fn every_road_leads_where_it_should() {
    use TenderKind::{Card, Cash, GiftCard, VietQr};
    type Story = (&'static str, TenderKind, &'static [T], Result<S, &'static str>);
    let stories: [Story; 16] = [
        ("approved", Card, &[T::Ask, T::Taken], Ok(S::Captured)),
        ("declined", Card, &[T::Ask, T::Refused], Ok(S::Declined)),
        ("given up before an answer", Card, &[T::Ask, T::Undone], Ok(S::Voided)),
        ("given up before anybody was asked", Card, &[T::Undone], Ok(S::Voided)),
        ("the cart is undone", Card, &[T::Ask, T::Taken, T::Undone], Ok(S::Voided)),
        ("it timed out, and had been taken", Card, &[T::Ask, T::Silence, T::Taken], Ok(S::Captured)),
        ("it timed out, and was refused", Card, &[T::Ask, T::Silence, T::Refused], Ok(S::Declined)),
        ("it timed out, never heard of", Card, &[T::Ask, T::Silence, T::Undone], Ok(S::Voided)),
        ("stored, forwarded", Card, &[T::Ask, T::Kept, T::Taken], Ok(S::Captured)),
        ("stored, declined", Card, &[T::Ask, T::Kept, T::Refused], Ok(S::Declined)),
        ("stored, too late", Card, &[T::Ask, T::Kept, T::TooLate], Ok(S::Expired)),
        ("transfer on the list", VietQr, &[T::Ask, T::Seen, T::Listed], Ok(S::Confirmed)),
        ("transfer not on the list", VietQr, &[T::Ask, T::Seen, T::NotListed], Ok(S::Missing)),
        ("cash needs nobody", Cash, &[T::Taken], Ok(S::Captured)),
        ("a gift card is no card to keep", GiftCard, &[T::Ask, T::Kept], Err("NOT_FOR_THIS_TENDER")),
        ("a declined one stays so", Card, &[T::Ask, T::Refused, T::Taken], Err("NO_SUCH_TENDER_STEP")),
    ];
    for (story, kind, steps, expected) in stories {
        assert_eq!(walk(kind, steps), expected, "{story}");
    }
}

/// What ended stays ended, whoever calls; a captured one can only be undone, and not under a document.
#[test]
fn an_end_is_an_end() {
    let ends = [S::Declined, S::Voided, S::Confirmed, S::Missing, S::Expired];
    for kind in [TenderKind::Card, TenderKind::VietQr, TenderKind::Cash, TenderKind::GiftCard] {
        for next in STEPS {
            for end in ends {
                assert!(step(&kind, end, next, false).is_err(), "{end:?} {next:?}");
            }
            let captured = step(&kind, S::Captured, next, false);
            assert_eq!(captured.is_ok(), next == T::Undone, "{next:?}");
            assert!(step(&kind, S::Captured, next, true).is_err());
        }
    }
    let claimed = step(&TenderKind::Card, S::Captured, T::Undone, true);
    assert_eq!(claimed, Err(TenderRefusal::ClaimedByDocument));
}

#[test]
fn a_state_either_blocks_waits_or_is_settled() {
    for state in STATES {
        assert!(!(blocks_document(state) && is_unsettled(state)), "{state:?}");
        let paid = tradepost_commerce::tender::is_taken(state);
        assert!(!paid || !blocks_document(state), "{state:?}");
    }
    assert!(blocks_document(S::Unknown) && !blocks_document(S::Declined));
}

#[test]
fn cards_are_stored_within_the_caps() {
    let caps = OfflineCaps { floor_limit: Money(5_000), stored_sum: Some(Money(12_000)) };
    let stories = [
        ("#103", 2_000, 0, Ok(())),
        ("at the floor limit", 5_000, 0, Ok(())),
        ("above it", 5_001, 0, Err("OVER_FLOOR_LIMIT")),
        ("up to the sum", 5_000, 7_000, Ok(())),
        ("beyond the sum", 5_000, 7_001, Err("OVER_STORED_SUM")),
        ("nothing", 0, 0, Err("BAD_TENDER")),
        ("too large to count", 5_000, i64::MAX, Err("OVERFLOW")),
    ];
    for (story, asked, waiting, expected) in stories {
        let told = may_store(Money(asked), Money(waiting), caps).map_err(|refusal| refusal.code());
        assert_eq!(told, expected, "{story}");
    }
    let none = OfflineCaps::default();
    assert!(may_store(Money(1), Money(0), none).is_err(), "without a floor limit nothing is stored");
}

/// However many nodes redeem one card while nobody can talk, their quotas cap the sum.
#[test]
fn a_gift_card_never_pays_more_than_its_quotas() {
    let mut quotas = [3_000, 1_500, 0];
    let mut paid = 0;
    for (node, asked) in [(0, 2_000), (1, 2_000), (0, 1_000), (0, 1), (1, 1_500), (2, 1)] {
        if let Ok(drawn) = draw("card-7", Money(asked), Money(quotas[node])) {
            quotas[node] -= drawn.used.0;
            paid += drawn.used.0;
        }
    }
    assert_eq!((paid, quotas), (4_500, [0, 0, 0]));
}
