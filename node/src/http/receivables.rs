//! What is owed of sales whose money never came, and what is left on vouchers.

use super::answer::{Page, Reply, created, ok};
use super::body::Json;
use super::parse::{self, TenderBody};
use super::state::Shared;
use crate::app::export::number;
use crate::app::problem::{Code, no};
use crate::app::receivable::{self, Owed};
use crate::app::request::{ReceivableRequest, Till};
use crate::app::totals::kind_name;
use crate::app::voucher;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tradepost_sync::body::ReceiptNumber;
use utoipa::ToSchema;

/// Something that is owed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivableOut {
    /// The sale.
    pub sale_id: String,
    /// Its number as printed.
    pub receipt: String,
    /// The tender that failed.
    pub tender: String,
    /// What kind of money it was.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// `declined`, `expired` or `missing`.
    pub outcome: &'static str,
    /// Paid since.
    pub collected: bool,
}

/// Paying what is owed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectBody {
    /// The till.
    pub till: String,
    /// The sale.
    pub sale_id: String,
    /// The tender that failed.
    pub tender: String,
    /// What is paid.
    pub tenders: Vec<TenderBody>,
}

/// A receivable that was paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectedOut {
    /// The document's id.
    pub id: String,
    /// Its number as printed.
    pub receipt: String,
    /// What was owed, in minor units.
    pub amount: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// Given back.
    pub change: i64,
}

/// What is known of a voucher.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoucherOut {
    /// What is printed on it.
    pub code: String,
    /// What may be redeemed here now, in minor units.
    pub left: i64,
    /// What was paid for it, as far as this node knows.
    pub sold: i64,
    /// What was paid with it, as far as this node knows.
    pub redeemed: i64,
}

/// Lists what is owed, and what was.
#[utoipa::path(get, path = "/v1/receivables", operation_id = "listReceivables", tag = "sales",
    responses((status = 200, description = "What is owed", body = Page<ReceivableOut>)))]
pub async fn list(State(shared): State<Shared>) -> Reply {
    let owed = shared.read(receivable::all)?;
    Ok(ok(&Page { data: owed.iter().map(show).collect(), next_cursor: None, has_more: false }))
}

/// Takes the money of a receivable. The client makes the id; the same request again is answered the same.
#[utoipa::path(put, path = "/v1/receivables/{id}", operation_id = "collectReceivable", tag = "sales", params(("id" = String, Path, description = "UUID of version 7, made by the client")),
    request_body = CollectBody, responses((status = 201, description = "The document", body = CollectedOut), (status = "4XX", description = "A problem", body = super::answer::ProblemBody)))]
pub async fn collect(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<CollectBody>,
) -> Reply {
    let request = ReceivableRequest {
        id: parse::document_id(&id)?,
        till: Till::parse(&body.till)?,
        sale: parse::id(&body.sale_id, "/sale_id")?,
        key: parse::id(&body.tender, "/tender")?,
        tenders: parse::tenders(&body.tenders)?,
    };
    let id = request.id;
    let done = shared.writer.ask(move |node, now| receivable::collect(node, now, &request)).await?;
    Ok(created(&CollectedOut {
        id: id.to_string(),
        receipt: printed(&done.receipt),
        amount: done.amount.0,
        rounding: done.rounding.0,
        change: done.change.0,
    }))
}

/// Says what is left on a voucher or gift card.
#[utoipa::path(get, path = "/v1/vouchers/{code}", operation_id = "getVoucher", tag = "sales", params(("code" = String, Path, description = "What is printed on it")),
    responses((status = 200, description = "The voucher", body = VoucherOut), (status = 404, description = "A problem", body = super::answer::ProblemBody)))]
pub async fn get_voucher(State(shared): State<Shared>, Path(code): Path<String>) -> Reply {
    let code = voucher::parse_code(&code, "/code")?;
    let enrolled = shared.writer.pulse().borrow().enrolled;
    let found = shared.read(|conn| voucher::find(conn, enrolled, &code))?;
    let found = found.ok_or_else(|| no(Code::NotFound, format!("nobody here knows a voucher {code}")))?;
    let (left, sold, redeemed) = (found.left.0, found.sold.0, found.redeemed.0);
    Ok(ok(&VoucherOut { code, left, sold, redeemed }))
}

fn printed(receipt: &ReceiptNumber) -> String {
    number(&receipt.till, &receipt.series, receipt.n)
}

fn show(owed: &Owed) -> ReceivableOut {
    ReceivableOut {
        sale_id: owed.sale.to_string(),
        receipt: printed(&owed.receipt),
        tender: owed.key.to_string(),
        kind: kind_name(&owed.kind).to_owned(),
        amount: owed.amount.0,
        outcome: match owed.outcome {
            2 => "declined",
            3 => "expired",
            _ => "missing",
        },
        collected: owed.collected,
    }
}
