//! Customers' erasable records.

use super::answer::{Page, Reply, ok};
use super::body::Json;
use super::parse::{self, Paging};
use super::state::Shared;
use crate::app::customers::{self, Customer, Person};
use crate::app::problem::{Answer, Code, no};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

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

/// Which customers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CustomersQuery {
    /// Words of the name or the e-mail address, or digits of the phone number; all customers without it.
    pub q: Option<String>,
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Searches customers, the newest first; nobody who was erased is found.
#[utoipa::path(get, path = "/v1/customers", operation_id = "listCustomers", tag = "customers", params(CustomersQuery),
    responses((status = 200, description = "A page of customers", body = Page<CustomerOut>), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn list_customers(State(shared): State<Shared>, Query(query): Query<CustomersQuery>) -> Reply {
    let below = query.cursor.as_deref().map(Id::parse).transpose();
    let below = below.map_err(|_| no(Code::BadQuery, "the cursor is none of this list's"))?;
    let limit = Paging { limit: query.limit, cursor: None }.rows()?;
    let asked = query.q.unwrap_or_default();
    let rows =
        shared.read_long(move |conn| customers::search(conn, &asked, below.as_ref(), limit + 1)).await?;
    let page = Page::cut(rows, limit, |(id, _)| id.to_string(), |(id, row)| show(&id.to_string(), row));
    Ok(ok(&page))
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
