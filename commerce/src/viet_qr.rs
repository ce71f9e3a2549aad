//! The text of a VietQR code: a bank transfer by EMVCo's merchant-presented format, made without any network.
//!
//! A field is a two-digit name, a two-digit length and a value; the last one is a CRC over all before it.

use crate::money::{Currency, Money};
use serde::{Deserialize, Serialize};

/// Where a store is paid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BankAccount {
    /// The bank's six digits.
    pub bank: String,
    /// The account, 1 to 19 letters and digits.
    pub account: String,
}

/// What can't be put into a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum BadVietQr {
    /// Not six digits.
    #[error("“{bank}” is not a bank's six digits")]
    Bank { bank: String },
    /// Empty, too long, or with signs.
    #[error("“{account}” is not an account of 1 to 19 letters and digits")]
    Account { account: String },
    /// VietQR moves dong only.
    #[error("VietQR pays in VND, not in {currency}")]
    NotDong { currency: Currency },
    /// Nothing or less, or more than 13 digits.
    #[error("{amount} can't be transferred")]
    Amount { amount: Money },
    /// Too long, or with letters that banks don't take.
    #[error("“{text}” is not a bill number of 1 to 25 plain letters and digits")]
    Bill { text: String },
}

/// Most characters of a bill number or purpose.
pub const BILL_CHARS_MAX: usize = 25;

/// NAPAS's name among all schemes.
const SCHEME: &str = "A000000727";

/// Transfer to an account.
const TO_ACCOUNT: &str = "QRIBFTTA";

/// The code for one payment: so much, for this bill (the tender's short name, by which the bank's list is matched).
///
/// # Errors
/// [`BadVietQr`] for what banks would not read.
pub fn payment(to: &BankAccount, amount: Money, currency: Currency, bill: &str) -> Result<String, BadVietQr> {
    if currency != Currency::VND {
        return Err(BadVietQr::NotDong { currency });
    }
    let digits = amount.0.to_string();
    if amount.0 <= 0 || digits.len() > 13 {
        return Err(BadVietQr::Amount { amount });
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    if bill.trim() != bill || !(1..=BILL_CHARS_MAX).contains(&bill.len()) || !bill.chars().all(plain) {
        return Err(BadVietQr::Bill { text: bill.to_owned() });
    }
    let account = account(to)?;
    let purpose = field("08", bill);
    let head = field("00", "01") + &field("01", "12") + &field("38", &account);
    let tail = field("53", "704") + &field("54", &digits) + &field("58", "VN") + &field("62", &purpose);
    Ok(sealed(head + &tail))
}

fn account(to: &BankAccount) -> Result<String, BadVietQr> {
    if to.bank.len() != 6 || !to.bank.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadVietQr::Bank { bank: to.bank.clone() });
    }
    let length = to.account.len();
    if !(1..=19).contains(&length) || !to.account.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(BadVietQr::Account { account: to.account.clone() });
    }
    let bank = field("00", &to.bank) + &field("01", &to.account);
    Ok(field("00", SCHEME) + &field("01", &bank) + &field("02", TO_ACCOUNT))
}

fn field(name: &str, value: &str) -> String {
    format!("{name}{:02}{value}", value.len())
}

/// The text with its checksum, which covers the checksum's own name and length.
fn sealed(text: String) -> String {
    let text = text + "6304";
    let sum = crc16(text.as_bytes());
    format!("{text}{sum:04X}")
}

/// Whether the checksum at the end of a code is right.
pub fn is_sealed(code: &str) -> bool {
    let Some((text, _)) = code.len().checked_sub(8).and_then(|at| code.split_at_checked(at)) else {
        return false;
    };
    sealed(text.to_owned()) == code
}

/// CRC-16 as ISO/IEC 13239 has it for EMVCo: polynomial 1021, begun with FFFF, not turned round.
pub fn crc16(bytes: &[u8]) -> u16 {
    let step = |sum: u16| if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
    bytes.iter().fold(0xffff, |sum, byte| (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| step(sum)))
}
