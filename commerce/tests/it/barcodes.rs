//! Codes: check digits, the one form of a GTIN, label layouts both ways, PLUs.

use tradepost_commerce::barcode::*;
use tradepost_commerce::money::{Money, Overflow, Rounding};
use tradepost_commerce::quantity::{Quantity, Unit, Units};

fn layout(pattern: &str) -> BarcodeLayout {
    BarcodeLayout { name: String::new(), pattern: pattern.into(), multiplier: 1 }
}

#[test]
fn gtins_of_every_length_have_one_form() {
    let stories = [
        ("96385074", "00000096385074", "96385074"),
        ("036000291452", "00036000291452", "036000291452"),
        ("0036000291452", "00036000291452", "036000291452"),
        ("5391234500011", "05391234500011", "5391234500011"),
        ("5391234500028", "05391234500028", "5391234500028"),
        ("5391234500035", "05391234500035", "5391234500035"),
        ("5391234500059", "05391234500059", "5391234500059"),
        ("10036000291459", "10036000291459", "10036000291459"),
    ];
    for (code, normal, shortest) in stories {
        let gtin = Gtin::parse(code).unwrap();
        assert_eq!((gtin.to_string().as_str(), gtin.shortest().as_str()), (normal, shortest));
        assert_eq!(read_code(&format!(" {code}\n"), &[]), Ok(Scan::Item(gtin)));
        assert_eq!(serde_json::to_value(gtin).unwrap(), normal);
        assert_eq!(postcard::from_bytes::<Gtin>(&postcard::to_stdvec(&gtin).unwrap()), Ok(gtin));
    }
}

#[test]
fn a_wrong_digit_is_refused_never_another_item() {
    let bad = BadGtin::CheckDigit { code: "5391234500012".into(), found: 2, right: 1 };
    assert_eq!(Gtin::parse("5391234500012"), Err(bad.clone()));
    assert_eq!(read_code("5391234500012", &[]), Err(BadCode::Gtin(bad)));
    assert_eq!(Gtin::parse("123"), Err(BadGtin::Length { digits: 3 }));
    assert_eq!(Gtin::parse("53912345000I1"), Err(BadGtin::NotDigits { code: "53912345000I1".into() }));
    assert!(serde_json::from_str::<Gtin>("\"5391234500012\"").is_err());
}

#[test]
fn every_single_misread_digit_is_caught() {
    let code = "5391234500011";
    for place in 0..code.len() {
        for digit in '0'..='9' {
            let mut misread: Vec<char> = code.chars().collect();
            misread[place] = digit;
            let misread: String = misread.into_iter().collect();
            assert_eq!(Gtin::parse(&misread).is_ok(), misread == code, "{misread}");
        }
    }
}

#[test]
fn a_sku_of_eleven_digits_makes_a_upc_a() {
    assert_eq!(upc_a_from_sku("03600029145").as_deref(), Ok("036000291452"));
    assert_eq!(upc_a_from_sku("3600029145").as_deref(), Ok("036000291452"));
    assert!(Gtin::parse(&upc_a_from_sku("90748583674").unwrap()).is_ok());
    assert_eq!(upc_a_from_sku("123456789012"), Err(BadGtin::Length { digits: 12 }));
    for bad in ["", "A1"] {
        assert_eq!(upc_a_from_sku(bad), Err(BadGtin::NotDigits { code: bad.into() }));
    }
}

#[test]
fn labels_are_read_and_written_by_their_layout() {
    let weight = |plu, grams| Label { plu, content: Content::Quantity(Units(grams)) };
    let price = |plu, amount| Label { plu, content: Content::Amount(Money(amount)) };
    let thousands = BarcodeLayout { multiplier: 1_000, ..layout("26PPPPPAAAAAC") };
    let stories = [
        (layout("21PPPPPGGGGGC"), weight(10_004, 346), "2110004003469"),
        (layout("21PPPPPGGGGGC"), weight(10_004, 1_250), "2110004012508"),
        (layout("20PPPPPVAAAAC"), price(12_345, 2_875), "2012345928754"),
        (layout("2PPPPPVAAAAAC"), price(12_345, 14_685), "2123456146857"),
        (layout("2PPPPPAAAAAC"), price(12_345, 999), "212345009990"),
        (thousands, price(7, 45_000), "2600007000455"),
    ];
    for (layout, label, code) in stories {
        let body = &code[..code.len() - 1];
        let code = format!("{body}{}", check_digit(body));
        assert_eq!(layout.write(label).as_deref(), Ok(code.as_str()), "{}", layout.pattern);
        assert_eq!(read_code(&code, &[layout]), Ok(Scan::Label(label)));
    }
    assert_eq!(check_digit("211000400346"), 9);
    assert_eq!(check_digit("211000401250"), 8);
}

#[test]
fn a_misread_label_is_refused() {
    let weight = [layout("21PPPPPGGGGGC")];
    assert!(matches!(read_code("2110004003468", &weight), Err(BadCode::Gtin(BadGtin::CheckDigit { .. }))));
    let nothing = format!("211000400000{}", check_digit("211000400000"));
    assert_eq!(read_code(&nothing, &weight), Err(BadCode::NothingOnLabel { code: nothing.clone() }));
    let body = "201234582875";
    let code = format!("{body}{}", check_digit(body));
    let bad = BadCode::Verifier { code: code.clone(), found: 8, right: 9 };
    assert_eq!(read_code(&code, &[layout("20PPPPPVAAAAC")]), Err(bad));
}

#[test]
fn the_first_layout_that_matches_wins() {
    let layouts = [layout("21PPPPPGGGGGC"), layout("2PPPPPPGGGGGC")];
    let plu = |code: &str| match read_code(code, &layouts).unwrap() {
        Scan::Label(label) => label.plu,
        other => panic!("{other:?}"),
    };
    assert_eq!(plu("2110004003469"), 10_004);
    assert_eq!(plu(&format!("221000400346{}", check_digit("221000400346"))), 210_004);
}

#[test]
fn what_is_no_trade_item_is_a_plu_or_text() {
    assert_eq!(read_code("10004", &[]), Ok(Scan::Plu(10_004)));
    assert_eq!(read_code("007", &[]), Ok(Scan::Plu(7)));
    assert_eq!(read_code("90748583674", &[]), Ok(Scan::Text("90748583674".into())));
    assert_eq!(read_code("MUG", &[]), Ok(Scan::Text("MUG".into())));
    assert_eq!(read_code(" \r\n", &[]), Err(BadCode::Empty));
    assert_eq!(read_code("A\u{0}B", &[]), Err(BadCode::Unreadable));
    assert_eq!(read_code("\u{fffd}", &[]), Err(BadCode::Unreadable));
    assert_eq!(read_code(&"9".repeat(129), &[]), Err(BadCode::TooLong { chars: 129 }));
    assert_eq!(BadCode::TooLong { chars: 129 }.code(), "CODE_TOO_LONG");
}

#[test]
fn layouts_that_cannot_be_used_are_named() {
    let stories = [
        ("21PPPPPGGGGC", None),
        ("21PPPGGGGGC", Some(BadLayout::Length { chars: 11 })),
        ("21PPPPPZZZZZC", Some(BadLayout::Letter { letter: 'Z' })),
        ("PPPPPPPGGGGGC", Some(BadLayout::Fields)),
        ("21PPPPPXXXXXC", Some(BadLayout::Fields)),
        ("21PPPGGGAAAXC", Some(BadLayout::Fields)),
        ("21PPGGGGGGPPC", Some(BadLayout::Fields)),
        ("21PPPPPGGGGGX", Some(BadLayout::Fields)),
        ("20PPPPPVAAACX", Some(BadLayout::Fields)),
        ("20PPPPPXVAAAC", Some(BadLayout::Verifier)),
    ];
    for (pattern, expected) in stories {
        assert_eq!(layout(pattern).check().err(), expected, "{pattern}");
    }
    let none = BarcodeLayout { multiplier: 0, ..layout("21PPPPPGGGGGC") };
    assert_eq!(none.check(), Err(BadLayout::Multiplier));
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let weight = |plu, grams| Label { plu, content: Content::Quantity(Units(grams)) };
    let scale = layout("21PPPPPGGGGGC");
    let fit = |value, digits, multiplier| Err(BadLabel::DoesNotFit { value, digits, multiplier });
    assert_eq!(scale.write(weight(10_004, 100_000)), fit(100_000, 5, 1));
    assert_eq!(scale.write(weight(10_004, -1)), fit(-1, 5, 1));
    assert_eq!(scale.write(weight(100_000, 1)), fit(100_000, 5, 1));
    let coarse = BarcodeLayout { multiplier: 10, ..scale.clone() };
    assert_eq!(coarse.write(weight(1, 15)), fit(15, 5, 10));
    let amount = Label { plu: 1, content: Content::Amount(Money(1)) };
    assert_eq!(scale.write(amount), Err(BadLabel::OtherContent));
}

#[test]
fn a_price_label_tells_how_much_was_bought() {
    let quantity = |amount, price, unit: &Unit| {
        quantity_for(Money(amount), Money(price), unit, Rounding::HalfAwayFromZero)
    };
    assert_eq!(quantity(654, 1_890, &Unit::kilogram()), Ok(Quantity(346)));
    assert_eq!(quantity(1, 1_000_000, &Unit::kilogram()), Ok(Quantity(1)));
    assert_eq!(quantity(654, 1_890, &Unit::piece()), Ok(Quantity(1_000)));
    assert_eq!(quantity(654, 0, &Unit::kilogram()), Err(Overflow));
}
