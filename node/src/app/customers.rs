//! Customers: an id in the log, the person beside it, erasable (`facts.md` §1).

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use crate::db::meta;
use crate::db::search::fold;
use crate::db::{Fault, customers};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_sync::body::{Body, CustomerChanged, CustomerCreated};
use tradepost_sync::ids::Id;
use tradepost_sync::session::{CustomerRecord, RECORDS_MAX, Records};

/// How many changes were made here, by this name.
const CHANGES: &str = "customer_changes";

/// The person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Phone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
}

/// A customer as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The price list.
    pub price_list: String,
    /// The person; none once erased.
    pub person: Option<Person>,
}

/// A customer.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn read(conn: &Connection, id: &Id) -> Answer<Customer> {
    let row = customers::find(conn, id)?.ok_or_else(|| no(Code::NotFound, format!("no customer {id}")))?;
    let person = row.record.map(|r| serde_json::from_str(&r)).transpose();
    let person = person.map_err(|e| Stop::Fault(Fault::Fatal(format!("a stored customer: {e}"))))?;
    Ok(Customer { price_list: row.list, person })
}

/// Customers by words of their name or e-mail address, or by digits of their phone number; marks and case don't
/// matter. All of them where nothing is asked for. The newest first, only those below `below`, at most `limit`.
///
/// # Errors
/// A fault.
pub fn search(
    conn: &Connection,
    asked: &str,
    below: Option<&Id>,
    limit: usize,
) -> Answer<Vec<(Id, Customer)>> {
    let wanted = Wanted::of(asked);
    let parse = |record: &str| serde_json::from_str::<Person>(record);
    let rows = customers::search(conn, below, limit, |r| parse(r).is_ok_and(|person| wanted.is(&person)))?;
    let show = |(id, row): (Id, customers::Customer)| {
        let person = row.record.as_deref().and_then(|record| parse(record).ok());
        (id, Customer { price_list: row.list, person })
    };
    Ok(rows.into_iter().map(show).collect())
}

/// What was asked for, ready to be compared.
struct Wanted {
    words: Vec<String>,
    /// Digits alone, where nothing else was asked for.
    digits: Option<String>,
}

impl Wanted {
    fn of(asked: &str) -> Self {
        let digits = only_digits(asked);
        let number = !digits.is_empty() && !asked.chars().any(char::is_alphabetic);
        let words = fold(asked).split_whitespace().map(str::to_owned).collect();
        Self { words, digits: number.then_some(digits) }
    }

    fn is(&self, person: &Person) -> bool {
        let phone = person.phone.as_deref().map(only_digits).unwrap_or_default();
        if self.digits.as_ref().is_some_and(|digits| phone.contains(digits)) {
            return true;
        }
        let text = fold(&format!("{} {}", person.name, person.email.as_deref().unwrap_or_default()));
        self.words.iter().all(|word| text.contains(word))
    }
}

fn only_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Writes a customer's record. The log learns the id alone.
///
/// # Errors
/// `CUSTOMER_ERASED`: that is final; or a fault.
pub fn put(node: &mut Node, now: Now, id: &Id, person: &Person, price_list: &str) -> Answer<Customer> {
    let before = customers::find(node.conn(), id)?;
    if before.as_ref().is_some_and(|before| before.erased) {
        return Err(no(Code::CustomerErased, format!("customer {id} was erased")));
    }
    let record = serde_json::to_string(person).map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
    let row = customers::Customer {
        list: price_list.to_owned(),
        version: before.as_ref().map_or(1, |b| b.version + 1),
        record: Some(record),
        erased: false,
        change: Some(next_change(node)?),
    };
    if before.as_ref().is_some_and(|b| b.list == row.list && b.record == row.record) {
        return read(node.conn(), id);
    }
    let body: Body = match before {
        None => CustomerCreated { customer: *id }.into(),
        Some(_) => CustomerChanged { customer: *id }.into(),
    };
    node.write(now, None, None, body)?;
    customers::put(node.conn(), id, &row)?;
    read(node.conn(), id)
}

/// Erases the person; the id, the documents that name it and the chain stay as they are.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn erase(node: &mut Node, now: Now, id: &Id) -> Answer<()> {
    let row =
        customers::find(node.conn(), id)?.ok_or_else(|| no(Code::NotFound, format!("no customer {id}")))?;
    if row.erased {
        return Ok(());
    }
    node.write(now, None, None, CustomerChanged { customer: *id }.into())?;
    let change = Some(next_change(node)?);
    let version = row.version + 1;
    let erased = customers::Customer { list: String::new(), version, record: None, erased: true, change };
    Ok(customers::put(node.conn(), id, &erased)?)
}

fn next_change(node: &Node) -> Result<u64, Fault> {
    let next = meta::get::<u64>(node.conn(), CHANGES)?.unwrap_or(0) + 1;
    meta::set(node.conn(), CHANGES, &next)?;
    Ok(next)
}

/// Notes that the hub holds the changes up to `held`.
///
/// # Errors
/// A fault.
pub fn said(node: &mut Node, held: u64) -> Answer<()> {
    if customers::said(node.conn(), held)? {
        node.touch();
    }
    Ok(())
}

/// What the hub doesn't hold yet; none where it holds all.
///
/// # Errors
/// A fault.
pub fn offer(conn: &Connection) -> Answer<Option<Records>> {
    let unsaid = customers::unsaid(conn, RECORDS_MAX)?;
    let Some(through) = unsaid.last().and_then(|(_, row)| row.change) else { return Ok(None) };
    let records = unsaid.into_iter().map(|(id, row)| record_of(id, row)).collect();
    Ok(Some(Records { through, records }))
}

fn record_of(id: Id, row: customers::Customer) -> CustomerRecord {
    CustomerRecord { id, version: row.version, person: row.record, price_list: row.list }
}

/// Stores what the hub brings, where it replaces what is held; the number to be answered. No event is written: whoever
/// changed the record has written it.
///
/// # Errors
/// A fault.
pub fn take(node: &mut Node, records: &Records) -> Answer<u64> {
    for record in &records.records {
        let held = customers::find(node.conn(), &record.id)?;
        let known = held.filter(|held| held.erased || held.record.is_some());
        if known.is_some_and(|held| !record.replaces(&record_of(record.id, held))) {
            continue;
        }
        let row = customers::Customer {
            list: record.price_list.clone(),
            version: record.version,
            record: record.person.clone(),
            erased: record.person.is_none(),
            change: None,
        };
        customers::put(node.conn(), &record.id, &row)?;
        node.touch();
    }
    Ok(records.through)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_as_they_are_asked_for() {
        let lan = Person {
            name: "Nguyễn Thị Lan".into(),
            phone: Some("0901 234 567".into()),
            email: Some("lan@example.org".into()),
            address: None,
        };
        for (asked, found) in [
            ("", true),
            ("nguyen lan", true),
            ("LAN", true),
            ("Đỗ", false),
            ("234567", true),
            ("0901-234", true),
            ("999", false),
            ("example.org", true),
            ("lan 7", false),
        ] {
            assert_eq!(Wanted::of(asked).is(&lan), found, "{asked:?}");
        }
    }
}
