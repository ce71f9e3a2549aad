//! VietQR codes, against published ones.

use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::viet_qr::{BankAccount, crc16, is_sealed, payment};

fn account() -> BankAccount {
    BankAccount { bank: "970403".into(), account: "0011012345678".into() }
}

#[test]
fn the_checksum_is_the_published_one() {
    assert_eq!(crc16(b"123456789"), 0x29b1);
}

/// Codes of the scheme's own specification.
#[test]
fn published_codes_are_sealed() {
    let published = [
        "00020101021138570010A00000072701270006970403011300110123456780208QRIBFTTA53037045802VN63049E6F",
        "00020101021238570010A00000072701270006970403011300110123456780208QRIBFTTA530370454061800005802VN\
         62340107NPS68690819thanh toan don hang63042E2E",
    ];
    for code in published {
        assert!(is_sealed(code), "{code} {:04X}", crc16(&code.as_bytes()[..code.len() - 4]));
        assert!(!is_sealed(&code.replace("970403", "970404")));
    }
}

#[test]
fn a_payment_holds_amount_account_and_bill() {
    let code = payment(&account(), Money(180_000), Currency::VND, "S1-R1-7").unwrap();
    let body = "00020101021238570010A00000072701270006970403011300110123456780208QRIBFTTA53037045406180000\
                5802VN62110807S1-R1-76304";
    assert_eq!(&code[..code.len() - 4], body);
    assert!(is_sealed(&code));
}

#[test]
fn what_banks_would_not_read_is_refused() {
    let ok = account();
    let bank = BankAccount { bank: "97040".into(), ..account() };
    let number = BankAccount { account: "12 34".into(), ..account() };
    let long = "x".repeat(26);
    let stories = [
        ("another currency", &ok, 1_000, Currency::EUR, "B1"),
        ("nothing", &ok, 0, Currency::VND, "B1"),
        ("too much", &ok, 10_000_000_000_000, Currency::VND, "B1"),
        ("no bank", &bank, 1_000, Currency::VND, "B1"),
        ("no account", &number, 1_000, Currency::VND, "B1"),
        ("no bill", &ok, 1_000, Currency::VND, ""),
        ("marks", &ok, 1_000, Currency::VND, "hóa đơn"),
        ("a long bill", &ok, 1_000, Currency::VND, &long),
    ];
    for (story, to, amount, currency, bill) in stories {
        assert!(payment(to, Money(amount), currency, bill).is_err(), "{story}");
    }
    assert!(!is_sealed("") && !is_sealed("ữữữ6304"));
}
