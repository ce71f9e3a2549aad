//! Rules 1–3: integers, one rounding function, exact units, currencies, shares.

use tradepost_commerce::currency::{self, BadCurrency};
use tradepost_commerce::money::{
    BadMoney, Currency, Money, Overflow, Rounding, allocate, round_div, round_to_step,
};
use tradepost_commerce::names::{BadCode, SKU_CHARS_MAX};
use tradepost_commerce::quantity::{BadQuantity, BaseUnit, Quantity, Unit, Units};
use tradepost_commerce::{document::Sku, document::StaffId};

#[test]
fn one_rounding_function_with_its_mode_named() {
    let (away, even) = (Rounding::HalfAwayFromZero, Rounding::HalfEven);
    let stories = [
        (5, 2, away, 3),
        (-5, 2, away, -3),
        (5, 2, even, 2),
        (-5, 2, even, -2),
        (7, 2, even, 4),
        (-7, 2, even, -4),
        (23_625, 10, away, 2_363),
        (23_625, 10, even, 2_362),
        (1, 3, away, 0),
        (2, 3, away, 1),
        (-2, 3, even, -1),
        (0, 9, even, 0),
        (-1, 2, away, -1),
        (-1, 2, even, 0),
    ];
    for (num, den, mode, expected) in stories {
        assert_eq!(round_div(num, den, mode), Ok(expected), "{num}/{den} {mode:?}");
    }
}

#[test]
fn what_cannot_be_counted_is_an_error_never_a_panic() {
    assert_eq!(round_div(1, 0, Rounding::HalfEven), Err(Overflow));
    assert_eq!(round_div(1, -1, Rounding::HalfEven), Err(Overflow));
    assert_eq!(round_div(i128::MAX, 1, Rounding::HalfEven), Err(Overflow));
    assert_eq!(round_div(i128::MIN, i128::MAX, Rounding::HalfAwayFromZero), Ok(-1));
    assert_eq!(round_div(i128::from(i64::MIN), 1, Rounding::HalfEven), Ok(i64::MIN));
    assert_eq!(Money(i64::MAX).plus(Money(1)), Err(Overflow));
    assert_eq!(Money(i64::MIN).negated(), Err(Overflow));
    assert_eq!(Money(i64::MIN).minus(Money(1)), Err(Overflow));
    assert_eq!(Money(i64::MAX).times(2), Err(Overflow));
    assert_eq!(Money::sum([Money(i64::MAX), Money(i64::MAX), Money(-i64::MAX)]), Ok(Money(i64::MAX)));
    assert_eq!(round_to_step(Money(i64::MAX), Money(10), Rounding::HalfEven), Err(Overflow));
    assert_eq!(round_to_step(Money(1), Money(0), Rounding::HalfEven), Err(Overflow));
}

#[test]
fn money_is_written_and_read_in_its_own_decimals() {
    let stories = [
        (2_794, Currency::EUR, "27.94"),
        (-1_080, Currency::EUR, "-10.80"),
        (5, Currency::EUR, "0.05"),
        (-5, Currency::EUR, "-0.05"),
        (0, Currency::EUR, "0.00"),
        (45_000, Currency::VND, "45000"),
        (-7, Currency::JPY, "-7"),
        (1_250, Currency::KWD, "1.250"),
        (i64::MIN, Currency::KWD, "-9223372036854775.808"),
    ];
    for (amount, currency, text) in stories {
        assert_eq!(Money(amount).text(currency), text);
        assert_eq!(Money::parse(text, currency), Ok(Money(amount)), "{text}");
    }
    assert_eq!(Money::parse("27.9", Currency::EUR), Ok(Money(2_790)));
    assert_eq!(Money::parse("27", Currency::KWD), Ok(Money(27_000)));
}

#[test]
fn text_that_is_no_amount_is_refused() {
    for text in ["", "-", ".", "1.", ".5", "1,5", "1e3", "+1", "--1", "1.2.3", " 1", "½", "1.-5"] {
        let refused = Money::parse(text, Currency::EUR);
        assert!(matches!(refused, Err(BadMoney::NotANumber { .. })), "{text:?}: {refused:?}");
    }
    let finer = Err(BadMoney::TooManyDecimals { text: "1.5".into(), decimals: 0 });
    assert_eq!(Money::parse("1.5", Currency::VND), finer);
    let large = "99999999999999999999";
    assert_eq!(Money::parse(large, Currency::EUR), Err(BadMoney::TooLarge { text: large.into() }));
}

#[test]
fn currencies_know_their_decimals() {
    for (code, decimals) in
        [("VND", 0), ("JPY", 0), ("EUR", 2), ("USD", 2), ("CHF", 2), ("KWD", 3), ("CLF", 4)]
    {
        assert_eq!(Currency::parse(code).map(|c| c.exponent), Ok(decimals), "{code}");
    }
    assert_eq!(Currency::parse("EUR"), Ok(Currency::EUR));
    assert_eq!(Currency::KWD.scale(), 1_000);
    assert_eq!(Currency::parse("ABC"), Err(BadCurrency::Unknown { code: "ABC".into() }));
    for code in ["eur", "EURO", "", "E€", "€"] {
        assert_eq!(Currency::parse(code), Err(BadCurrency::NotACode { code: code.into() }));
    }
    assert_eq!(Currency::new("XTS", 5), Err(BadCurrency::TooManyDecimals { decimals: 5 }));
    let codes: std::collections::BTreeSet<String> = currency::all().map(|c| c.to_string()).collect();
    assert_eq!(codes.len(), currency::all().count(), "no code stands twice");
    assert!(codes.len() > 160);
}

#[test]
fn a_currency_is_its_code_in_json_and_its_fields_in_bytes() {
    let odd = Currency::new("XTS", 2).unwrap();
    for (currency, json) in [(Currency::KWD, "\"KWD\""), (odd, "\"XTS:2\"")] {
        assert_eq!(serde_json::to_string(&currency).unwrap(), json);
        assert_eq!(serde_json::from_str::<Currency>(json).unwrap(), currency);
        let bytes = postcard::to_stdvec(&currency).unwrap();
        assert_eq!(bytes, [currency.code.as_slice(), &[currency.exponent]].concat());
        assert_eq!(postcard::from_bytes::<Currency>(&bytes).unwrap(), currency);
    }
    assert!(postcard::from_bytes::<Currency>(b"EUR\x09").is_err());
    assert!(serde_json::from_str::<Currency>("\"EURO\"").is_err());
}

#[test]
fn shares_by_largest_remainder_always_add_up() {
    let stories: [(i64, &[i64], &[i64]); 8] = [
        (500, &[795, 698, 1_140, 1_999], &[86, 75, 123, 216]),
        (10, &[1, 1, 1], &[4, 3, 3]),
        (-10, &[1, 1, 1], &[-4, -3, -3]),
        (2, &[1, 1, 1, 1], &[1, 1, 0, 0]),
        (7, &[0, 0], &[0, 0]),
        (0, &[3, 4], &[0, 0]),
        (5, &[], &[]),
        (i64::MAX, &[i64::MAX, 0, -3], &[i64::MAX, 0, 0]),
    ];
    for (total, weights, expected) in stories {
        let weights: Vec<Money> = weights.iter().copied().map(Money).collect();
        assert_eq!(crate::shop::figures(&allocate(Money(total), &weights)), expected);
    }
    assert_eq!(allocate(Money(i64::MIN), &[Money(1)]), [Money(i64::MIN)]);
}

#[test]
fn the_units_conversion_is_exact_or_refused() {
    let six_pack = Unit { base: BaseUnit::Piece, base_per_unit: 6 };
    let stories = [
        (Unit::piece(), 2_000, Ok(Units(2))),
        (Unit::kilogram(), 346, Ok(Units(346))),
        (Unit::kilogram(), 1_250, Ok(Units(1_250))),
        (six_pack.clone(), 1_000, Ok(Units(6))),
        (six_pack, 500, Ok(Units(3))),
        (Unit::piece(), 1_500, Err(BadQuantity::NotWhole { quantity: 1_500, base_per_unit: 1 })),
    ];
    for (unit, quantity, expected) in stories {
        let units = unit.to_base(Quantity(quantity));
        assert_eq!(units, expected);
        if let Ok(units) = units {
            assert_eq!(unit.from_base(units), Ok(Quantity(quantity)));
        }
    }
    let seven = Unit { base: BaseUnit::Piece, base_per_unit: 7 };
    assert_eq!(seven.from_base(Units(1)), Err(BadQuantity::NotWhole { quantity: 1, base_per_unit: 7 }));
    let long = Unit { base: BaseUnit::Millimetre, base_per_unit: 1_000_000 };
    assert_eq!(long.to_base(Quantity(i64::MAX)), Err(BadQuantity::TooLarge { quantity: i64::MAX }));
    assert_eq!(Unit::kilogram().from_base(Units(i64::MAX)), Ok(Quantity(i64::MAX)));
    assert_eq!(Unit::piece().from_base(Units(i64::MAX)), Err(BadQuantity::TooLarge { quantity: i64::MAX }));
    let empty = Unit { base: BaseUnit::Gram, base_per_unit: 0 };
    assert_eq!(empty.to_base(Quantity(1)), Err(BadQuantity::EmptyUnit));
    assert_eq!(empty.from_base(Units(1)), Err(BadQuantity::EmptyUnit));
    assert_eq!(Quantity::whole(i64::MAX), Err(BadQuantity::TooLarge { quantity: i64::MAX }));
}

#[test]
fn quantities_read_as_people_write_them() {
    for (thousandths, text) in [(2_000, "2"), (346, "0.346"), (1_250, "1.25"), (10_000, "10"), (-500, "-0.5")]
    {
        assert_eq!(Quantity(thousandths).to_string(), text);
    }
    let half_kilo = Unit { base: BaseUnit::Gram, base_per_unit: 500 };
    let signs = [(Unit::piece(), ""), (Unit::kilogram(), "kg"), (Unit::litre(), "l"), (half_kilo, "500 g")];
    for (unit, sign) in signs {
        assert_eq!(unit.sign(), sign);
    }
}

#[test]
fn codes_are_parsed_at_the_border() {
    assert_eq!(Sku::parse("MUG-1"), Ok(Sku("MUG-1".into())));
    assert!(Sku::parse(&"Đ".repeat(SKU_CHARS_MAX)).is_ok());
    assert!(StaffId::parse("anna").is_ok());
    for bad in ["", " MUG", "MUG\n", &"x".repeat(SKU_CHARS_MAX + 1)] {
        assert!(matches!(Sku::parse(bad), Err(BadCode { most: SKU_CHARS_MAX, .. })), "{bad:?}");
    }
    assert!(StaffId::parse(&"x".repeat(33)).is_err());
}
