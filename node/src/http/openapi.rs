//! All routes, and the OpenAPI 3.1 document that is made of them.

use super::answer::{Refused, Reply, text};
use super::state::Shared;
use super::{
    auth, body, cards, cart_changes, cart_custody, carts, catalog, counts, customers, deliveries, discounts,
    documents, enrolment, events, exports, guard, ops, page, print, products, receipts, receivables, refunds,
    reservations, retirement, sales, shifts, staff, stock, sync, tenders, till, tls, totals, training,
    transfers,
};
use crate::app::problem::{Code, no};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tradepost node",
        description = "The program in a store: it sells with every cable pulled. Money is integer minor units, quantities are integer thousandths of the pricing unit, stock is base units. Every refusal is an RFC 9457 problem with a stable code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:7600", description = "The node on its own machine")),
    tags(
        (name = "sales", description = "Sales and refunds: documents, for good."),
        (name = "carts", description = "Carts, filled step by step and checked out once."),
        (name = "catalog", description = "Products and prices."),
        (name = "documents", description = "Papers as text, HTML and printer's bytes, the print spool and the printers."),
        (name = "stock", description = "Goods and what may be promised."),
        (name = "customers", description = "Erasable records beside the log."),
        (name = "sync", description = "The hub, and how far it is level."),
        (name = "reports", description = "Totals and exports."),
        (name = "till", description = "For the till page: staff, PINs and who stands where."),
        (name = "shifts", description = "A till's day: float, cash in and out, X, count, Z, and the fiscal journal."),
        (name = "operations", description = "Health, metrics, version.")
    )
)]
struct Document;

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sales::put_sale, sales::get_sale))
        .routes(routes!(sales::list_sales))
        .routes(routes!(receipts::get_receipt))
        .routes(routes!(refunds::put_refund, refunds::get_refund))
        .routes(routes!(refunds::quote))
        .routes(routes!(refunds::put_void))
        .routes(routes!(refunds::put_exchange))
        .routes(routes!(refunds::get_policy, refunds::put_policy))
        .routes(routes!(carts::open_cart, carts::list_carts))
        .routes(routes!(carts::get_cart))
        .routes(routes!(carts::add_line))
        .routes(routes!(carts::set_line, carts::remove_line))
        .routes(routes!(carts::discount_line, carts::clear_line_discounts))
        .routes(routes!(carts::discount_cart, carts::clear_cart_discounts))
        .routes(routes!(carts::park))
        .routes(routes!(carts::resume))
        .routes(routes!(carts::void))
        .routes(routes!(cart_custody::take))
        .routes(routes!(cart_custody::clone))
        .routes(routes!(carts::check_out))
        .routes(routes!(cart_changes::set_price))
        .routes(routes!(cart_changes::set_checks))
        .routes(routes!(cart_changes::set_customer))
        .routes(routes!(cart_changes::exempt, cart_changes::clear_exemption))
        .routes(routes!(tenders::give, tenders::get_payment))
        .routes(routes!(tenders::inquire))
        .routes(routes!(tenders::undo))
        .routes(routes!(tenders::seen))
        .routes(routes!(receivables::list))
        .routes(routes!(receivables::collect))
        .routes(routes!(receivables::get_voucher))
        .routes(routes!(tenders::list))
        .routes(routes!(tenders::forward))
        .routes(routes!(cards::get, cards::put))
        .routes(routes!(discounts::get, discounts::put))
        .routes(routes!(tenders::confirm))
        .routes(routes!(tenders::get_terminal, tenders::put_terminal))
        .routes(routes!(tenders::get_account, tenders::put_account))
        .routes(routes!(products::list_products))
        .routes(routes!(products::get_product, catalog::put_product))
        .routes(routes!(products::look_up))
        .routes(routes!(catalog::put_price))
        .routes(routes!(stock::list_stock))
        .routes(routes!(stock::get_stock))
        .routes(routes!(stock::grant))
        .routes(routes!(counts::begin, counts::list_counts))
        .routes(routes!(counts::get_count, counts::abandon))
        .routes(routes!(counts::finish))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::get_delivery, stock::put_delivery))
        .routes(routes!(transfers::list_transfers, transfers::ship))
        .routes(routes!(transfers::get_transfer))
        .routes(routes!(transfers::receive))
        .routes(routes!(reservations::list_reservations))
        .routes(routes!(reservations::get_reservation))
        .routes(routes!(reservations::fulfil))
        .routes(routes!(reservations::cancel))
        .routes(routes!(stock::put_adjustment))
        .routes(routes!(customers::list_customers))
        .routes(routes!(customers::put_customer, customers::get_customer, customers::erase_customer))
        .routes(routes!(totals::get_totals))
        .routes(routes!(totals::get_state_hash))
        .routes(routes!(exports::events))
        .routes(routes!(exports::receipts))
        .routes(routes!(exports::audit))
        .routes(routes!(sync::get_status))
        .routes(routes!(sync::sync_now))
        .routes(routes!(enrolment::enrol, enrolment::get_enrolment))
        .routes(routes!(retirement::retire))
        .routes(routes!(till::bootstrap))
        .routes(routes!(staff::list_staff))
        .routes(routes!(staff::put_staff))
        .routes(routes!(staff::list_tills))
        .routes(routes!(staff::get_till))
        .routes(routes!(staff::sign_on))
        .routes(routes!(staff::sign_off))
        .routes(routes!(staff::get_policy, staff::put_policy))
        .routes(routes!(training::get, training::set))
        .routes(routes!(shifts::open, shifts::get_shift))
        .routes(routes!(shifts::move_cash))
        .routes(routes!(shifts::count))
        .routes(routes!(shifts::close))
        .routes(routes!(shifts::recover))
        .routes(routes!(shifts::open_drawer))
        .routes(routes!(shifts::list_zs))
        .routes(routes!(shifts::get_z))
        .routes(routes!(shifts::list_chains))
        .routes(routes!(shifts::verify))
        .routes(routes!(documents::receipt))
        .routes(routes!(documents::x))
        .routes(routes!(documents::z))
        .routes(routes!(documents::count_sheet))
        .routes(routes!(print::ask, print::list_jobs))
        .routes(routes!(print::retry))
        .routes(routes!(print::give_up))
        .routes(routes!(print::list_printers))
        .routes(routes!(print::put_printer, print::delete_printer))
        .routes(routes!(auth::invite))
        .routes(routes!(auth::list, auth::pair))
        .routes(routes!(auth::unpair))
        .routes(routes!(tls::page))
        .routes(routes!(tls::certificate))
        .routes(routes!(tls::pem))
        .routes(routes!(events::listen))
        .routes(routes!(ops::livez))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::startupz))
        .routes(routes!(ops::metrics))
        .routes(routes!(ops::version))
        .routes(routes!(ops::problems))
        .routes(routes!(ops::problem))
}

/// The document as text.
pub fn document() -> String {
    let (_, document) = routes().split_for_parts();
    // A document made of constants always serialises.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Everything that is served.
pub fn router(shared: Shared) -> Router {
    let (router, document) = routes().split_for_parts();
    let openapi = document.to_json().unwrap_or_default();
    let openapi = move || async move { Reply::Ok(text("application/json", openapi)) };
    router
        .route("/openapi.json", get(openapi))
        .route("/", get(page::page))
        .fallback(missing)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

/// What no route takes may still be a file of the page.
async fn missing(uri: axum::http::Uri, headers: axum::http::HeaderMap) -> Response {
    page::page(uri, headers).await
}

async fn not_this_way() -> Response {
    Refused(no(Code::MethodNotAllowed, "this address is not used this way")).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_the_committed_one() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let made = super::document();
        if std::env::var_os("TRADEPOST_BLESS").is_some() {
            std::fs::write(&golden, &made).unwrap();
        }
        assert!(std::fs::read_to_string(golden).unwrap() == made, "run scripts/goldens and read the diff");
        assert!(made.contains("\"openapi\": \"3.1"));
    }
}
