//! The plainest sale that a replica can write: one line of pieces, free of charge, rung up by the real engine. What a
//! sale does to rights and goods is all that matters here.

use crate::body::{Day, Moved, ReceiptNumber, SaleCommitted};
use crate::event::Head;
use crate::ids::{Id, derived_id};
use tradepost_commerce::calc;
use tradepost_commerce::document::{
    CatalogVersion, LineInput, LineKind, PriceSource, Rules, SaleDocument, SaleInputs, Sku, Tax, TaxPolicy,
};
use tradepost_commerce::money::{Currency, Money, Rounding};
use tradepost_commerce::quantity::{Quantity, Unit};

/// A sale of `units` pieces as the next event of a stream.
///
/// # Errors
/// None for a number of pieces that goods can have; else what the engine refuses, as text.
pub fn plain_sale(
    head: &Head,
    wall: i64,
    n: u64,
    sku: &Sku,
    units: u64,
    moved: Moved,
    reservation: Option<Id>,
) -> Result<SaleCommitted, String> {
    let (seq, hlc) = head.next(wall);
    let inputs = SaleInputs {
        rules: Rules {
            calc: calc::CALC_VERSION,
            settings: 1,
            currency: Currency { code: *b"EUR", exponent: 2 },
            prices_include_tax: true,
            rounding: Rounding::HalfAwayFromZero,
            tax_policy: TaxPolicy::Group,
            cash_step: Money(1),
        },
        catalog: CatalogVersion { epoch: 0, version: 0 },
        lines: vec![LineInput {
            sku: sku.clone(),
            name: sku.0.clone(),
            unit: Unit::piece(),
            quantity: Quantity(i64::try_from(units.saturating_mul(1_000)).map_err(|e| e.to_string())?),
            unit_price: Money(0),
            price_source: PriceSource::List {
                list: String::new(),
                version: CatalogVersion { epoch: 0, version: 0 },
            },
            label_amount: None,
            tax: Tax { category: "none".to_owned(), ppm: 0 },
            discounts: Vec::new(),
            serials: Vec::new(),
            age_check: None,
            kind: LineKind::Goods,
        }],
        promotions: Vec::new(),
        order_discounts: Vec::new(),
        exemption: None,
        tenders: Vec::new(),
    };
    let outcome = calc::ring_up(&inputs).map_err(|refusal| format!("{refusal:?}"))?;
    Ok(SaleCommitted {
        sale_id: derived_id(hlc.ms(), &head.incarnation, seq),
        client_made: false,
        cart: None,
        receipt: ReceiptNumber { till: "1".to_owned(), series: head.incarnation.series(), n },
        business_day: Day(0),
        customer: None,
        document: SaleDocument { inputs, outcome },
        moved: vec![moved],
        exchange: None,
        reservations: reservation.map(|id| (0, id)).into_iter().collect(),
        cart_custody: None,
    })
}
