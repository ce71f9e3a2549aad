//! The enrolment code: what a person carries from the hub to a node.
//!
//! `TP1-` and base-32 text of the hub's address, a one-time secret of 64 bits, the fingerprint by which the hub's
//! certificate is pinned, and a check sum, so that a slip of the finger is named before anything is asked.

use std::fmt;

const PREFIX: &str = "TP1-";
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHECK_LEN: usize = 2;
const ADDRESS_LEN_MAX: usize = 200;

/// What an enrolment code says.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Host and port of the hub's sync address.
    pub address: String,
    /// The one-time secret.
    pub secret: [u8; 8],
    /// SHA-256 of the hub's certificate (DER).
    pub fingerprint: [u8; 32],
}

/// Why a text is no enrolment code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// It doesn't begin with `TP1-`.
    #[error("an enrolment code begins with TP1-")]
    Prefix,
    /// A character that no code holds, or a wrong length.
    #[error("the enrolment code has a character or a length that no code has")]
    Malformed,
    /// The check sum doesn't fit: something was mistyped.
    #[error("the enrolment code was mistyped: its check sum doesn't fit")]
    CheckSum,
}

impl Code {
    /// Reads a code; spaces, hyphens and small letters are forgiven.
    ///
    /// # Errors
    /// [`BadCode`].
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        let text = text.trim().to_ascii_uppercase();
        let body = text.strip_prefix(PREFIX).ok_or(BadCode::Prefix)?;
        let bytes = from_base32(body)?;
        let split = bytes.len().checked_sub(CHECK_LEN).ok_or(BadCode::Malformed)?;
        let (content, check) = bytes.split_at(split);
        if check != check_sum(content) {
            return Err(BadCode::CheckSum);
        }
        let (secret, rest) = content.split_first_chunk::<8>().ok_or(BadCode::Malformed)?;
        let (fingerprint, address) = rest.split_first_chunk::<32>().ok_or(BadCode::Malformed)?;
        let address = String::from_utf8(address.to_vec()).map_err(|_| BadCode::Malformed)?;
        if address.is_empty() || address.len() > ADDRESS_LEN_MAX || !address.contains(':') {
            return Err(BadCode::Malformed);
        }
        Ok(Self { address, secret: *secret, fingerprint: *fingerprint })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [self.secret.as_slice(), &self.fingerprint, self.address.as_bytes()].concat();
        let check = check_sum(&bytes);
        bytes.extend_from_slice(&check);
        write!(f, "{PREFIX}{}", to_base32(&bytes))
    }
}

/// The secret isn't shown.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("address", &self.address).finish_non_exhaustive()
    }
}

fn check_sum(content: &[u8]) -> [u8; CHECK_LEN] {
    // Fletcher's sum: it sees a wrong character and two swapped ones.
    let (low, high) = content.iter().fold((1u16, 0u16), |(low, high), byte| {
        let low = (low + u16::from(*byte)) % 255;
        (low, (high + low) % 255)
    });
    [low.to_le_bytes()[0], high.to_le_bytes()[0]]
}

fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(digit(held << (5 - bits)));
    }
    text
}

fn digit(value: u32) -> char {
    char::from(ALPHABET[usize::try_from(value & 31).unwrap_or(0)])
}

fn from_base32(text: &str) -> Result<Vec<u8>, BadCode> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for c in text.bytes().filter(|c| !matches!(c, b'-' | b' ')) {
        let value = ALPHABET.iter().position(|a| *a == c).ok_or(BadCode::Malformed)?;
        held = (held << 5) | u32::try_from(value).map_err(|_| BadCode::Malformed)?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
            held &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code { address: "192.0.2.7:7643".to_owned(), secret: [1, 2, 3, 4, 5, 6, 7, 8], fingerprint: [9; 32] }
    }

    #[test]
    fn a_code_survives_being_typed_in_small_letters_and_groups() {
        let text = code().to_string();
        let (prefix, body) = text.split_at(PREFIX.len());
        let groups: Vec<_> =
            body.as_bytes().chunks(5).map(|g| String::from_utf8_lossy(g).to_lowercase()).collect();
        assert_eq!(Code::parse(&format!(" {prefix}{} ", groups.join("-"))), Ok(code()));
    }

    #[test]
    fn one_wrong_character_is_named_as_a_slip() {
        let text = code().to_string();
        for at in PREFIX.len()..text.len() - 1 {
            let mut typed: Vec<char> = text.chars().collect();
            typed[at] = if typed[at] == 'A' { 'B' } else { 'A' };
            assert!(Code::parse(&typed.iter().collect::<String>()).is_err(), "at {at}");
        }
    }

    #[test]
    fn other_texts_are_no_codes() {
        assert_eq!(Code::parse("hello"), Err(BadCode::Prefix));
        assert_eq!(Code::parse("TP1-"), Err(BadCode::Malformed));
        assert_eq!(Code::parse("TP1-0189"), Err(BadCode::Malformed));
    }
}
