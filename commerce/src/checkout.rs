//! Checkout: from a basket to a document. All refusals come here, before any money is taken (`facts.md` §4).

use crate::basket::Basket;
use crate::calc::{Due, ring_up, total_due};
use crate::document::{CatalogVersion, SaleDocument, SaleInputs, Tender};
use crate::promotion::{Promotion, judge};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::time::UtcMs;

/// What is in force at the counter when a basket is paid.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    /// The store's settings.
    pub settings: &'a Settings,
    /// Promotions of the catalog; those that aren't in force or don't fit do no harm.
    pub promotions: &'a [Promotion],
    /// The catalog version they come from.
    pub catalog: CatalogVersion,
    /// Now.
    pub now: UtcMs,
}

/// The inputs of a basket with its promotions judged and no tenders, and what they come to: a cart's preview, and
/// what the first tender freezes.
///
/// # Errors
/// As [`total_due`].
pub fn quote(basket: &Basket, counter: Counter<'_>) -> Result<(SaleInputs, Due), Refusal> {
    let mut inputs = basket.inputs(counter.settings.rules(), counter.catalog);
    inputs.promotions = judge(&inputs, counter.promotions, counter.now)?;
    let due = total_due(&inputs)?;
    Ok((inputs, due))
}

/// As [`quote`], once everything that the items ask for is there: whatever this lets through, only a tender can
/// still be refused.
///
/// # Errors
/// As [`quote`] and [`Basket::check`].
pub fn ready(basket: &Basket, counter: Counter<'_>) -> Result<(SaleInputs, Due), Refusal> {
    basket.check(counter.settings)?;
    quote(basket, counter)
}

/// Makes the document of a basket that is paid with these tenders.
///
/// # Errors
/// [`Refusal`], by name and with its numbers; then nothing happened.
pub fn check_out(
    basket: &Basket,
    counter: Counter<'_>,
    tenders: Vec<Tender>,
) -> Result<SaleDocument, Refusal> {
    let (inputs, _) = ready(basket, counter)?;
    let inputs = SaleInputs { tenders, ..inputs };
    let outcome = ring_up(&inputs)?;
    Ok(SaleDocument { inputs, outcome })
}
