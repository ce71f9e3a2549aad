//! Customers' erasable records.

use super::answer::{Reply, ok};
use super::body::Json;
use super::parse;
use super::state::Shared;
use crate::app::customers::{self, Customer, Person};
use crate::app::problem::Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerBody {
    /// Name.
    pub name: String,
    /// Phone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// The price list; the store's own where nothing is said.
    pub price_list: Option<String>,
}

/// A customer as read.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerOut {
    /// The id that documents name.
    pub id: String,
    /// Whether the person was erased.
    pub erased: bool,
    /// Name.
    pub name: Option<String>,
    /// Phone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// The price list.
    pub price_list: String,
}

/// Writes a customer's record.
#[utoipa::path(put, path = "/v1/customers/{id}", operation_id = "putCustomer", tag = "customers", params(("id" = String, Path, description = "UUID, made by the client")), request_body = CustomerBody,
    responses((status = 200, description = "The customer", body = CustomerOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn put_customer(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CustomerBody>,
) -> Reply {
    let customer = parse::id(&id, "/id")?;
    let field = |text: &Option<String>, at: &str| -> Answer<Option<String>> {
        text.as_deref().map(|t| parse::short(t, at)).transpose()
    };
    let person = Person {
        name: parse::short(&body.name, "/name")?,
        phone: field(&body.phone, "/phone")?,
        email: field(&body.email, "/email")?,
        address: field(&body.address, "/address")?,
    };
    let list = field(&body.price_list, "/price_list")?.unwrap_or_default();
    let put =
        shared.writer.ask(move |node, now| customers::put(node, now, &customer, &person, &list)).await?;
    Ok(ok(&show(&id, put)))
}

/// Reads a customer.
#[utoipa::path(get, path = "/v1/customers/{id}", operation_id = "getCustomer", tag = "customers", params(("id" = String, Path, description = "UUID")),
    responses((status = 200, description = "The customer", body = CustomerOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_customer(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let customer = parse::id(&id, "/id")?;
    let read = shared.read(|conn| customers::read(conn, &customer))?;
    Ok(ok(&show(&id, read)))
}

/// Erases the person; documents keep the id, and no chain breaks.
#[utoipa::path(delete, path = "/v1/customers/{id}", operation_id = "eraseCustomer", tag = "customers", params(("id" = String, Path, description = "UUID")),
    responses((status = 204, description = "Erased"), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn erase_customer(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let customer = parse::id(&id, "/id")?;
    shared.writer.ask(move |node, now| customers::erase(node, now, &customer)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn show(id: &str, customer: Customer) -> CustomerOut {
    let erased = customer.person.is_none();
    let person = customer.person.unwrap_or_default();
    CustomerOut {
        id: id.to_owned(),
        erased,
        name: Some(person.name).filter(|_| !erased),
        phone: person.phone,
        email: person.email,
        address: person.address,
        price_list: customer.price_list,
    }
}
