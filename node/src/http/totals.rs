//! Totals of business days, and the state hash.

use super::answer::{Reply, ok};
use super::state::Shared;
use crate::app::problem::{Answer, Code, no};
use crate::app::{books, state_hash, status, totals};
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_sync::body::Day;
use utoipa::{IntoParams, ToSchema};

/// Which business days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DaysQuery {
    /// First day, e.g. `2026-11-22`; from the beginning where nothing is said.
    pub from: Option<String>,
    /// Last day; to the end where nothing is said.
    pub to: Option<String>,
}

/// What a stretch of business days comes to.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsOut {
    /// Sales.
    pub sales: u64,
    /// Refunds.
    pub refunds: u64,
    /// Σ totals, before cash rounding, refunds subtracted.
    pub takings: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// By rate in parts per million.
    pub tax: BTreeMap<u32, RateOut>,
    /// Base units by item: sold less come back.
    pub units: BTreeMap<String, i64>,
    /// By kind of tender.
    pub tenders: BTreeMap<String, i64>,
    /// Sales and refunds.
    pub documents: u64,
}

/// One rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateOut {
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// The hash of the node's state.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateHashOut {
    /// Over facts and what they add up to.
    pub state_hash: String,
    /// Over the facts alone.
    pub events_hash: String,
    /// At which frontier.
    pub at: Vec<HeadOut>,
    /// Of what programs the hash may be compared.
    pub versions: VersionsOut,
}

/// One stream's end.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadOut {
    /// Whose stream.
    pub incarnation: String,
    /// How far it is held.
    pub seq: u64,
}

/// Hashes are compared between equal versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionsOut {
    /// The engine.
    pub calc: u16,
    /// The event format.
    pub events: u8,
}

/// A day out of a query.
///
/// # Errors
/// `BAD_QUERY`.
pub(super) fn parse_day(text: &str) -> Answer<Day> {
    let date: jiff::civil::Date =
        text.parse().map_err(|_| no(Code::BadQuery, format!("{text:?} is no day like 2026-11-22")))?;
    Ok(books::day_of(date))
}

/// Sums business days.
#[utoipa::path(get, path = "/v1/totals", operation_id = "getTotals", tag = "reports", params(DaysQuery),
    responses((status = 200, description = "The sums", body = TotalsOut)))]
pub async fn get_totals(State(shared): State<Shared>, Query(query): Query<DaysQuery>) -> Reply {
    let from = query.from.as_deref().map(parse_day).transpose()?.unwrap_or(Day(i32::MIN));
    let to = query.to.as_deref().map(parse_day).transpose()?.unwrap_or(Day(i32::MAX));
    let sums = shared.read_long(move |conn| totals::of_days(conn, from, to)).await?;
    let rate = |(ppm, r): (u32, totals::OfRate)| (ppm, RateOut { net: r.net, tax: r.tax, gross: r.gross });
    Ok(ok(&TotalsOut {
        sales: sums.sales,
        refunds: sums.refunds,
        takings: sums.takings,
        rounding: sums.rounding,
        tax: sums.tax.into_iter().map(rate).collect(),
        units: sums.units,
        tenders: sums.tenders,
        documents: sums.sales + sums.refunds,
    }))
}

/// Hashes the state, to be compared with the hub's.
#[utoipa::path(get, path = "/v1/state-hash", operation_id = "getStateHash", tag = "sync",
    responses((status = 200, description = "The hash", body = StateHashOut)))]
pub async fn get_state_hash(State(shared): State<Shared>) -> Reply {
    let out = shared
        .read_long(|conn| {
            let state = state_hash::gather(conn)?;
            let streams = status::read(conn)?.streams;
            let held = streams.iter().filter(|k| k.head.seq > 0);
            Ok(StateHashOut {
                state_hash: state.state_hash().to_string(),
                events_hash: state.events_hash().to_string(),
                at: held.map(|k| HeadOut { incarnation: k.id().to_string(), seq: k.head.seq }).collect(),
                versions: VersionsOut {
                    calc: tradepost_commerce::CALC_VERSION,
                    events: tradepost_sync::event::ENVELOPE_FORMAT,
                },
            })
        })
        .await?;
    Ok(ok(&out))
}
