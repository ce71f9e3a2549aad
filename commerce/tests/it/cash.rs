//! Rules 10, 11 and 14: the cash part, its rounding, change, short and foreign tenders.

use crate::shop::{card, cash, line, rules, sale, tender};
use tradepost_commerce::document::{Foreign, Rules, SaleInputs, Settlement, Tender, TenderKind, TenderState};
use tradepost_commerce::money::{Currency, Money, Rounding, round_to_step};
use tradepost_commerce::tender::{foreign_worth, still_due};
use tradepost_commerce::{Refusal, ring_up, total_due};

fn due(total: i64, tenders: Vec<Tender>, rules: Rules) -> SaleInputs {
    sale(rules, vec![line("x", 1_000, total, 0)], tenders)
}

fn settle(total: i64, tenders: Vec<Tender>) -> Result<Settlement, Refusal> {
    ring_up(&due(total, tenders, rules())).map(|outcome| outcome.settlement)
}

/// (cash due, change, rounding)
fn figures(s: Settlement) -> [i64; 3] {
    [s.cash_due.0, s.change.0, s.rounding.0]
}

#[test]
fn every_last_digit_rounds_as_the_table_says_both_ways() {
    for (digit, rounded) in [0, 0, 0, 5, 5, 5, 5, 5, 10, 10].into_iter().enumerate() {
        let digit = i64::try_from(digit).unwrap();
        let round = |amount| round_to_step(Money(amount), Money(5), Rounding::HalfAwayFromZero);
        assert_eq!(round(100 + digit), Ok(Money(100 + rounded)));
        assert_eq!(round(-100 - digit), Ok(Money(-100 - rounded)));
    }
}

#[test]
fn with_steps_of_ten_a_tie_goes_by_the_mode() {
    let stories =
        [(25, Rounding::HalfAwayFromZero, 30), (25, Rounding::HalfEven, 20), (35, Rounding::HalfEven, 40)];
    for (amount, mode, expected) in stories {
        for sign in [1, -1] {
            assert_eq!(round_to_step(Money(sign * amount), Money(10), mode), Ok(Money(sign * expected)));
        }
        let rules = Rules { cash_step: Money(10), rounding: mode, ..rules() };
        let outcome = ring_up(&due(amount, vec![cash(100)], rules)).unwrap();
        assert_eq!(figures(outcome.settlement), [expected, 100 - expected, expected - amount]);
    }
}

#[test]
fn the_cash_part_alone_is_rounded() {
    let stories = [
        ("card alone is never rounded", 2_794, vec![card(2_794)], [0, 0, 0]),
        ("cash", 2_453, vec![cash(3_000)], [2_455, 545, 2]),
        ("card, the rest in cash", 4_132, vec![card(2_000), cash(5_000)], [2_130, 2_870, -2]),
        ("two notes", 2_453, vec![cash(2_000), cash(500)], [2_455, 45, 2]),
        (
            "Odoo #218430: a bank overpays",
            1_291,
            vec![tender(TenderKind::BankTransfer, 1_559)],
            [-270, 270, -2],
        ),
        ("exact coins", 231, vec![cash(231)], [231, 0, 0]),
        ("the rounded sum", 231, vec![cash(230)], [230, 0, -1]),
        ("odd coins, change rounded", 231, vec![cash(301)], [231, 70, 0]),
        ("odd coins a little over", 231, vec![cash(233)], [233, 0, 2]),
        ("two cents vanish in cash", 2, vec![cash(0)], [0, 0, -2]),
        ("nothing to pay", 0, vec![], [0, 0, 0]),
        ("cash on top of enough", 100, vec![card(100), cash(20)], [0, 20, 0]),
    ];
    for (story, total, tenders, expected) in stories {
        let settlement = settle(total, tenders).unwrap();
        assert_eq!(figures(settlement), expected, "{story}");
        let kept = settlement.other.0 + settlement.cash_tendered.0 - settlement.change.0;
        assert_eq!(total + settlement.rounding.0, kept, "{story}: I13");
    }
}

#[test]
fn too_little_is_refused_with_its_numbers() {
    let short = |due, rest, tendered| Refusal::ShortTender {
        due: Money(due),
        rest: Money(rest),
        tendered: Money(tendered),
    };
    let stories = [
        ("2.29 for 2.31", 231, vec![cash(229)], short(230, 231, 229)),
        ("2.30 for 2.33", 233, vec![cash(230)], short(235, 233, 230)),
        ("nothing", 231, vec![], short(231, 231, 0)),
        ("a card can't leave cents to cash rounding", 1_002, vec![card(1_000)], short(2, 2, 0)),
        ("card and too little cash", 4_132, vec![card(2_000), cash(2_000)], short(2_130, 2_132, 2_000)),
    ];
    for (story, total, tenders, refusal) in stories {
        assert_eq!(settle(total, tenders), Err(refusal.clone()), "{story}");
        assert_eq!(refusal.code(), "SHORT_TENDER");
        assert_eq!(refusal.pointer().as_deref(), Some("/tenders"));
    }
}

#[test]
fn other_currencies_have_their_own_steps() {
    let stories = [
        (Currency::VND, 500, 45_300, 50_000, [45_500, 4_500, 200]),
        (Currency::VND, 1_000, 45_300, 50_000, [45_000, 5_000, -300]),
        (Currency::VND, 1_000, 45_500, 50_000, [46_000, 4_000, 500]),
        (Currency::KWD, 5, 1_233, 1_250, [1_235, 15, 2]),
        (Currency::KWD, 250, 1_233, 2_000, [1_250, 750, 17]),
        (Currency::JPY, 1, 1_233, 2_000, [1_233, 767, 0]),
    ];
    for (currency, step, total, given, expected) in stories {
        let rules = Rules { currency, cash_step: Money(step), ..rules() };
        let inputs = due(total, vec![cash(given)], rules);
        assert_eq!(figures(ring_up(&inputs).unwrap().settlement), expected, "{currency} {total}");
        assert_eq!(total_due(&inputs).unwrap().cash_due.0, expected[0]);
    }
}

#[test]
fn only_money_that_was_taken_pays() {
    use TenderState::*;
    for state in [Captured, Stored, Unconfirmed, Confirmed] {
        assert!(settle(100, vec![Tender { state, ..card(100) }]).is_ok(), "{state:?}");
    }
    for state in [Created, Requested, Unknown, Declined, Voided, Missing, Expired] {
        let refused = settle(100, vec![Tender { state, ..card(100) }]);
        assert_eq!(refused, Err(Refusal::TenderNotTaken { tender: 0, state }));
    }
    for (tenders, tender, amount) in
        [(vec![cash(-5)], 0, -5), (vec![cash(100), card(0)], 1, 0), (vec![cash(100), card(-1)], 1, -1)]
    {
        assert_eq!(settle(100, tenders), Err(Refusal::BadTender { tender, amount: Money(amount) }));
    }
}

#[test]
fn foreign_cash_keeps_its_amount_and_rate_and_change_is_in_the_base_currency() {
    let dollars = Foreign { currency: Currency::USD, amount: Money(2_000), rate: 921_500 };
    let paid = Tender { foreign: Some(dollars), ..tender(TenderKind::ForeignCash, 1_843) };
    assert_eq!(foreign_worth(&dollars, Rounding::HalfAwayFromZero), Ok(Money(1_843)));
    let settlement = settle(1_291, vec![paid.clone()]).unwrap();
    assert_eq!(figures(settlement), [-550, 550, 2]);
    assert_eq!(settlement.other, Money(1_843));

    let wrong = Tender { amount: Money(1_844), ..paid.clone() };
    let mismatch = Refusal::ForeignMismatch { tender: 0, worth: Money(1_843), given: Money(1_844) };
    assert_eq!(settle(1_291, vec![wrong]), Err(mismatch));
    let home = Foreign { currency: Currency::EUR, ..dollars };
    for bad in [
        Tender { foreign: None, ..paid.clone() },
        Tender { foreign: Some(dollars), ..card(1_843) },
        Tender { foreign: Some(home), ..paid },
    ] {
        assert_eq!(settle(1_291, vec![bad]), Err(Refusal::ForeignSide { tender: 0 }));
    }
}

#[test]
fn a_till_sees_what_is_still_due() {
    let declined = Tender { state: TenderState::Declined, ..card(2_132) };
    let stories = [
        (vec![], 4_132, 4_130),
        (vec![card(2_000)], 2_132, 2_130),
        (vec![card(2_000), declined], 2_132, 2_130),
        (vec![card(2_000), cash(2_000)], 132, 130),
        (vec![card(2_000), cash(5_000)], -2_868, -2_870),
    ];
    for (tenders, rest, cash_due) in stories {
        let left = still_due(Money(4_132), &tenders, &rules()).unwrap();
        assert_eq!((left.rest.0, left.cash_due.0), (rest, cash_due));
    }
}
