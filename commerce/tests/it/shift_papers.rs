//! X, Z and count sheets as printed.

use crate::store_day::{close_the_day, papers, take};
use tradepost_commerce::drawer::Cash;
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::receipt::{COLUMNS, Head, render_html, render_text};
use tradepost_commerce::settings::Language;
use tradepost_commerce::shift::{ClosePolicy, Shift};
use tradepost_commerce::shift_paper::{drawer_sheet, of_x, of_z, shelf_sheet};

fn head(language: Language) -> Head {
    Head {
        header: vec!["Corner Shop".into()],
        number: "S1-R1".into(),
        when: "2026-03-02 18:00".into(),
        till: "R1".into(),
        language,
        ..Head::default()
    }
}

#[test]
fn z_42_prints_as_the_day_went() {
    let z = of_z(&head(Language::En), &close_the_day()).unwrap();
    let expected = include_str!("../golden/z42.txt");
    assert_eq!(render_text(&z, COLUMNS), expected);
}

#[test]
fn every_figure_is_on_every_rendering() {
    let figures = ["180.51", "170.66", "-10.80", "159.86", "133.63", "26.23", "100.55", "59.34", "138.15"];
    for language in [Language::En, Language::Vi] {
        let z = of_z(&head(language), &close_the_day()).unwrap();
        for print in [render_text(&z, 32), render_text(&z, 48), render_html(&z)] {
            for figure in figures {
                assert!(print.contains(figure), "{figure} is missing in {print}");
            }
        }
    }
}

#[test]
fn an_x_shows_what_is_unsettled_and_a_blind_one_no_drawer() {
    let mut shift = Shift::open(7, Currency::EUR, &[Cash::sum(Currency::EUR, Money(15_000))]).unwrap();
    for (n, paper) in papers().iter().take(3) {
        take(&mut shift, *n, paper);
    }
    let print = |blind| {
        let policy = ClosePolicy { blind, ..ClosePolicy::default() };
        render_text(&of_x(&head(Language::En), &shift, policy).unwrap(), COLUMNS)
    };
    let (seen, blind) = (print(false), print(true));
    assert!(seen.contains("  of it unsettled                    20.00\n"), "{seen}");
    assert!(seen.contains("Expected                            195.85\n"), "{seen}");
    assert!(!blind.contains("195.85") && blind.contains("The count is blind."), "{blind}");
}

#[test]
fn sheets_tell_nothing_of_what_should_be_there() {
    let values = [500_000, 200_000, 1_000].map(Money);
    let sheet = render_text(&drawer_sheet(&head(Language::Vi), Currency::VND, &values), 32);
    assert!(sheet.contains("500000 VND x            ________\n"), "{sheet}");
    let items = [("Trà xanh".to_owned(), "TEA".to_owned())];
    let sheet = render_text(&shelf_sheet(&head(Language::Vi), Currency::VND, &items), 32);
    assert!(sheet.contains("Trà xanh\n  TEA                   ________\n"), "{sheet}");
}
