//! What the till page needs to begin.

use super::answer::{Reply, ok};
use super::auth::Asking;
use super::products::VersionOut;
use super::state::Shared;
use crate::app::status;
use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// What the till page needs to begin.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bootstrap {
    /// The store; none for a node alone.
    pub store: Option<StoreOut>,
    /// The till the page sells at.
    pub till: String,
    /// ISO 4217.
    pub currency: String,
    /// Decimals of the minor unit.
    pub exponent: u8,
    /// The smallest step cash is paid in.
    pub cash_step: i64,
    /// Whether prices include tax.
    pub prices_include_tax: bool,
    /// The catalog that is held.
    pub catalog_version: VersionOut,
    /// How many products there are.
    pub products: u64,
    /// Belongs to a hub's store.
    pub enrolled: bool,
    /// The paired device that asks.
    pub device: Option<String>,
    /// Other machines are answered without encryption: the page warns of it for as long as that is so.
    pub insecure_lan: bool,
}

/// A store.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreOut {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// Begins a till.
#[utoipa::path(get, path = "/v1/till/bootstrap", operation_id = "bootstrapTill", tag = "till",
    responses((status = 200, description = "What the till page needs", body = Bootstrap)))]
pub async fn bootstrap(State(shared): State<Shared>, asking: Option<Extension<Asking>>) -> Reply {
    let device = asking.map(|Extension(Asking(device))| device);
    let rules = shared.rules()?;
    let standing = shared.read(status::read)?;
    let settings = &rules.settings;
    Ok(ok(&Bootstrap {
        enrolled: standing.hub.is_some(),
        store: standing.hub.map(|hub| StoreOut { code: hub.store_code, name: hub.store_name }),
        till: device.as_ref().map_or_else(|| shared.till.clone(), |device| device.till.clone()),
        currency: settings.currency.code().to_owned(),
        exponent: settings.currency.exponent,
        cash_step: settings.cash_step.0,
        prices_include_tax: settings.prices_include_tax,
        catalog_version: VersionOut { epoch: rules.catalog.epoch, version: rules.catalog.version },
        products: standing.products,
        device: device.map(|device| device.name),
        insecure_lan: shared.insecure_lan,
    }))
}
