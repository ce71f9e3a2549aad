//! ESC/POS bytes, against captured ones and by command. The emulator `emupos` (PyPI) needs Python 3.13, which the machines
//! that run these tests don't have: no emulated printer has seen them.

use crate::golden_day::sale_102;
use tradepost_commerce::esc_pos::{BadPrint, Job, Picture, QR_BYTES_MAX, drawer_kick, render};
use tradepost_commerce::receipt::{Head, Receipt, of_sale};

fn paper(header: &str) -> Receipt {
    let head = Head {
        header: vec![header.into()],
        number: "S1-R1-102".into(),
        when: "2026-03-02 09:20".into(),
        till: "R1".into(),
        ..Head::default()
    };
    of_sale(&head, &sale_102()).unwrap()
}

fn job() -> Job {
    Job { columns: 32, qr: None, kick: false, cut: false }
}

/// Two rows of one byte, whatever the line.
fn dots(_: &str) -> Option<Picture> {
    Some(Picture { row_bytes: 1, dots: vec![0xaa, 0x55] })
}

fn hex(bytes: &[u8]) -> String {
    let rows = bytes.chunks(32).map(|row| row.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n");
    rows.collect()
}

/// A Vietnamese header goes out as a picture, all other lines as text.
#[test]
fn receipt_102_is_these_bytes() {
    let job = Job { qr: Some("S1-R1-102".into()), kick: true, cut: true, ..job() };
    let bytes = render(&paper("Cửa hàng Phở"), &job, &dots).unwrap();
    assert_eq!(hex(&bytes), include_str!("../golden/receipt_102.escpos.hex"));
}

#[test]
fn text_where_the_printer_has_the_letters_else_a_picture() {
    let stories = [
        ("Café Señor €", &b"Caf\xe9 Se\xf1or \x80\n"[..], true),
        ("Corner – Shop", &b"Corner \x96 Shop\n"[..], true),
        ("Phở", &[0x1d, b'v', b'0', 0, 1, 0, 2, 0, 0xaa, 0x55][..], true),
        ("Phở", &b"Ph?\n"[..], false),
    ];
    for (header, expected, can_draw) in stories {
        let draw = |text: &str| if can_draw { dots(text) } else { None };
        let bytes = render(&paper(header), &job(), &draw).unwrap();
        let found = bytes.windows(expected.len()).any(|window| window == expected);
        assert!(found, "{header}: {}", hex(&bytes));
    }
}

#[test]
fn a_name_cant_smuggle_commands() {
    let plain = render(&paper("Shop"), &job(), &dots).unwrap();
    let bytes = render(&paper("Shop\u{1b}p\0\u{1d}V"), &job(), &dots).unwrap();
    let commands = |bytes: &[u8]| bytes.iter().filter(|b| matches!(b, 0x1b | 0x1d | 0)).count();
    assert_eq!(commands(&bytes), commands(&plain));
    assert!(!bytes.windows(5).any(|window| window == drawer_kick()));
}

#[test]
fn what_no_printer_takes_is_refused() {
    let long = Job { qr: Some("x".repeat(QR_BYTES_MAX + 1)), ..job() };
    assert_eq!(render(&paper("S"), &long, &dots), Err(BadPrint::Qr { bytes: QR_BYTES_MAX + 1 }));
    let empty = Job { qr: Some(String::new()), ..job() };
    assert_eq!(render(&paper("S"), &empty, &dots), Err(BadPrint::Qr { bytes: 0 }));
    let ragged = |_: &str| Some(Picture { row_bytes: 2, dots: vec![0; 3] });
    let refused = render(&paper("Phở"), &job(), &ragged);
    assert_eq!(refused, Err(BadPrint::Picture { bytes: 3, row_bytes: 2 }));
}
