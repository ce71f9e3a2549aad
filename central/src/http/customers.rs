//! Customers' records: read one, erase one.

use super::problem::Problem;
use super::{App, ask, change};
use crate::app::{Fault, customers};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tradepost_sync::ids::Id;
use tradepost_sync::session::CustomerRecord;
use utoipa::ToSchema;

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerView {
    /// The id that documents name.
    id: String,
    /// Grows with every change.
    version: u32,
    /// Whether the person was erased, which is final.
    erased: bool,
    /// The person as the node wrote it: name, phone, e-mail, address; none once erased.
    person: Option<serde_json::Value>,
    /// The price list the customer buys from; empty for the store's own.
    price_list: String,
}

fn view(record: CustomerRecord) -> CustomerView {
    CustomerView {
        id: record.id.to_string(),
        version: record.version,
        erased: record.person.is_none(),
        person: record
            .person
            .map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        price_list: record.price_list,
    }
}

fn id(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| Problem::from(Fault::not_found("customer", text)))
}

/// Shows a customer's record.
#[utoipa::path(get, path = "/v1/customers/{id}", tag = "orders", operation_id = "getCustomer",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 200, body = CustomerView), (status = 404, body = Problem)))]
pub(super) async fn read(
    app: State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Json<CustomerView>, Problem> {
    let id = id(&text)?;
    ask(&app, move |hub, _| customers::get(hub, id)).await.map(view).map(Json)
}

/// Erases the person here and at every node; documents keep the id, and no chain breaks.
#[utoipa::path(delete, path = "/v1/customers/{id}", tag = "orders", operation_id = "eraseCustomer",
    params(("id" = String, Path, description = "Its id, a UUID")),
    responses((status = 204, description = "Erased"), (status = 404, body = Problem)))]
pub(super) async fn erase(app: State<Arc<App>>, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id(&text)?;
    change(&app, move |hub, _| customers::erase(hub, id)).await.map(|()| StatusCode::NO_CONTENT)
}
