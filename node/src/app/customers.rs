//! Customers: an id in the log, the person beside it, erasable (`facts.md` §1).

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no};
use crate::db::{Fault, customers};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tradepost_sync::body::{Body, CustomerChanged, CustomerCreated};
use tradepost_sync::ids::Id;

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

/// Writes a customer's record. The log learns the id alone.
///
/// # Errors
/// A fault.
pub fn put(node: &mut Node, now: Now, id: &Id, person: &Person, price_list: &str) -> Answer<Customer> {
    let before = customers::find(node.conn(), id)?;
    let record = serde_json::to_string(person).map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))?;
    let row = customers::Customer {
        list: price_list.to_owned(),
        version: before.as_ref().map_or(1, |b| b.version + 1),
        record: Some(record),
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
    if row.record.is_none() {
        return Ok(());
    }
    node.write(now, None, None, CustomerChanged { customer: *id }.into())?;
    let erased = customers::Customer { list: String::new(), version: row.version + 1, record: None };
    Ok(customers::put(node.conn(), id, &erased)?)
}
