//! How the codes inside documents are checked and printed.

use crate::document::{Sku, StaffId};
use std::fmt;

/// A code that is empty, too long or holds what can't be typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{code}” is not a code of 1 to {most} printable characters")]
pub struct BadCode {
    /// What was given.
    pub code: String,
    /// Most characters.
    pub most: usize,
}

/// Most characters of a SKU.
pub const SKU_CHARS_MAX: usize = 64;

/// Most characters of a staff id.
pub const STAFF_ID_CHARS_MAX: usize = 32;

fn parse(code: &str, most: usize) -> Result<String, BadCode> {
    let length = code.chars().count();
    let printable = !code.chars().any(char::is_control) && code.trim() == code;
    if (1..=most).contains(&length) && printable {
        return Ok(code.to_owned());
    }
    // A refusal is shown and logged: it repeats no more of a wrong code than could have been right.
    Err(BadCode { code: code.chars().take(most).collect(), most })
}

impl Sku {
    /// A SKU of 1 to 64 characters, none of them a control, no space around it.
    ///
    /// # Errors
    /// [`BadCode`], with the start of what was given.
    pub fn parse(code: &str) -> Result<Sku, BadCode> {
        parse(code, SKU_CHARS_MAX).map(Sku)
    }
}

impl StaffId {
    /// A staff id of 1 to 32 characters, none of them a control, no space around it.
    ///
    /// # Errors
    /// [`BadCode`], with the start of what was given.
    pub fn parse(code: &str) -> Result<StaffId, BadCode> {
        parse(code, STAFF_ID_CHARS_MAX).map(StaffId)
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for StaffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
