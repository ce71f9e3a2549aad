//! The card terminal of a till. The only one there is so far is *simulated*: it approves, declines, takes the money
//! without a word, or forgets, as it is told; what it took it remembers by the tender's key, also when the node dies
//! in between (`facts.md` §4, Stored card).
//!
//! It is asked in transactions of its own, as a real one on a cable would be: nothing here knows whether the node will
//! live to hear the answer.

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no, no_at};
use crate::db::{Fault, tenders};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_commerce::money::Money;
use tradepost_sync::ids::Id;

/// How long a till waits for its terminal where nobody says otherwise.
pub const TIMEOUT_MS: u64 = 2_000;
/// The longest it may be told to wait.
pub const TIMEOUT_MS_MAX: u64 = 120_000;

/// What kind of terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalKind {
    /// No terminal at all, but a program that behaves like one.
    Simulated,
}

/// What the simulated terminal does with a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// It takes the money.
    #[default]
    Approve,
    /// It refuses.
    Decline,
    /// It takes the money, and its answer is lost.
    TimeOut,
    /// It never hears the question.
    Forget,
}

/// What becomes of stored cards once the terminal's bank can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwards {
    /// They are paid.
    #[default]
    Capture,
    /// They are refused.
    Decline,
}

/// The terminal of a till.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// What kind.
    pub kind: TerminalKind,
    /// What it does with a card.
    pub behaviour: Behaviour,
    /// Whether its bank can be reached; else it may keep cards.
    pub online: bool,
    /// What becomes of kept cards.
    pub forwards: Forwards,
    /// How long the till waits for an answer.
    pub timeout_ms: u64,
}

/// What a terminal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "said")]
pub enum Said {
    /// The money is taken.
    Captured {
        /// The terminal's reference.
        reference: String,
    },
    /// The card is kept, to be forwarded.
    Stored {
        /// The terminal's reference.
        reference: String,
    },
    /// It is refused.
    Declined {
        /// Why.
        why: String,
    },
    /// It was undone.
    Voided,
    /// It never heard of that key.
    NeverHeard,
    /// No answer came.
    Nothing,
}

/// A card to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The tender's key: the same key is never taken twice.
    pub key: Id,
    /// The till.
    pub till: String,
    /// How much.
    pub amount: Money,
}

/// The terminal of a till; none where it has none.
///
/// # Errors
/// [`Fault`].
pub fn find(conn: &Connection, till: &str) -> Result<Option<Terminal>, Fault> {
    tenders::terminal(conn, till)
}

/// Puts a terminal at a till.
///
/// # Errors
/// `WRONG_TYPE` at `/timeout_ms`; or a fault.
pub fn put(node: &mut Node, till: &str, terminal: &Terminal) -> Answer<()> {
    if !(1..=TIMEOUT_MS_MAX).contains(&terminal.timeout_ms) {
        let detail = format!("{} ms is not between 1 and {TIMEOUT_MS_MAX}", terminal.timeout_ms);
        return Err(no_at(Code::WrongType, "/timeout_ms", detail));
    }
    tenders::set_terminal(node.conn(), till, terminal)?;
    node.touch();
    Ok(())
}

fn at(node: &Node, till: &str) -> Answer<Terminal> {
    find(node.conn(), till)?.ok_or_else(|| no(Code::NotFound, format!("till {till} has no terminal")))
}

fn reference(key: &Id) -> String {
    let text = key.to_string().replace('-', "");
    format!("SIM-{}", text[text.len() - 10..].to_uppercase())
}

fn remember(node: &mut Node, till: &str, key: &Id, said: Said) -> Answer<Said> {
    tenders::remember(node.conn(), till, key, &said)?;
    node.touch();
    Ok(said)
}

/// Asks the terminal to take a card. Asked again under the same key it says what it did.
///
/// # Errors
/// `NOT_FOUND` where the till has no terminal; or a fault.
pub fn take(node: &mut Node, _now: Now, charge: &Charge) -> Answer<Said> {
    let terminal = at(node, &charge.till)?;
    if let Some(said) = tenders::remembered(node.conn(), &charge.till, &charge.key)? {
        return Ok(said);
    }
    let reference = reference(&charge.key);
    let taken = match terminal.online {
        true => Said::Captured { reference },
        false => Said::Stored { reference },
    };
    match terminal.behaviour {
        Behaviour::Approve => remember(node, &charge.till, &charge.key, taken),
        Behaviour::Decline => {
            let why = "declined by the simulated terminal".to_owned();
            remember(node, &charge.till, &charge.key, Said::Declined { why })
        }
        Behaviour::TimeOut => {
            remember(node, &charge.till, &charge.key, taken)?;
            Ok(Said::Nothing)
        }
        Behaviour::Forget => Ok(Said::Nothing),
    }
}

/// Asks what became of a key.
///
/// # Errors
/// As [`take`].
pub fn inquire(node: &mut Node, till: &str, key: &Id) -> Answer<Said> {
    at(node, till)?;
    Ok(tenders::remembered(node.conn(), till, key)?.unwrap_or(Said::NeverHeard))
}

/// Undoes what was taken under a key; again changes nothing. What the terminal never heard of, or refused, is said so.
///
/// # Errors
/// As [`take`].
pub fn void(node: &mut Node, till: &str, key: &Id) -> Answer<Said> {
    match inquire(node, till, key)? {
        Said::Captured { .. } | Said::Stored { .. } => remember(node, till, key, Said::Voided),
        other => Ok(other),
    }
}

/// Forwards a kept card; none of it where the bank still can't be reached.
///
/// # Errors
/// As [`take`].
pub fn forward(node: &mut Node, till: &str, key: &Id) -> Answer<Said> {
    let terminal = at(node, till)?;
    let said = inquire(node, till, key)?;
    let Said::Stored { reference } = said else { return Ok(said) };
    if !terminal.online {
        return Ok(Said::Stored { reference });
    }
    let outcome = match terminal.forwards {
        Forwards::Capture => Said::Captured { reference },
        Forwards::Decline => Said::Declined { why: "declined when it was forwarded".to_owned() },
    };
    remember(node, till, key, outcome)
}
