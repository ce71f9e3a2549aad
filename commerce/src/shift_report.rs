//! What a shift's documents come to: the figures that X and Z share (`money.md` rule 13).
//!
//! Every figure is a sum of what the documents stored; no tax is ever computed from a sum.

use crate::document::{
    LineInput, LineKind, LineOutcome, RefundDocument, RefundLineInput, SaleDocument, Settlement, Tax,
    TaxGroup, Tender, TenderKind,
};
use crate::money::{Currency, Money, Overflow};
use crate::quantity::{BaseUnit, Quantity, Unit};
use crate::tax::charged;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The documents of one series in a shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRange {
    /// The series.
    pub series: String,
    /// First number of the shift.
    pub first: u64,
    /// Last number of the shift; all between are there.
    pub last: u64,
}

/// One tax rate of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateTotals {
    /// Category and rate.
    pub tax: Tax,
    /// Gross of the sales.
    pub sales_gross: Money,
    /// Tax of the sales.
    pub sales_tax: Money,
    /// Gross of the refunds, negative.
    pub refunds_gross: Money,
    /// Tax of the refunds, negative.
    pub refunds_tax: Money,
}

/// One kind of tender of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenderTotal {
    /// What kind.
    pub kind: TenderKind,
    /// Net of change and refunds, as the documents have it: captured and unsettled (`facts.md` §4).
    pub amount: Money,
    /// How many.
    pub count: u32,
    /// Of the amount, what is stored or unconfirmed still.
    pub unsettled: Money,
    /// Of the amount, what was declined, expired or is missing: the sale stands, and it is owed.
    pub failed: Money,
}

/// The figures of a shift so far. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The store's currency.
    pub currency: Currency,
    /// First and last number per series.
    pub series: Vec<SeriesRange>,
    /// Sales.
    pub sales_count: u32,
    /// Refunds.
    pub refunds_count: u32,
    /// Pieces sold, returns not subtracted.
    pub units_sold: u64,
    /// Pieces that came back.
    pub units_returned: u64,
    /// Weighed or measured lines sold.
    pub weighed_lines: u32,
    /// Their base units.
    pub weighed_units: u64,
    /// Before any discount, in the prices' own sense (with tax where prices include it).
    pub gross_before_discounts: Money,
    /// Line discounts.
    pub line_discounts: Money,
    /// Promotions.
    pub promotions: Money,
    /// Order discounts.
    pub order_discounts: Money,
    /// Gross of the sales, without liabilities.
    pub sales: Money,
    /// Gross of the refunds, negative.
    pub refunds: Money,
    /// Per rate, ascending.
    pub taxes: Vec<RateTotals>,
    /// Turnover without tax, refunds taken off.
    pub net: Money,
    /// Tax, refunds taken off.
    pub tax: Money,
    /// Cash rounding.
    pub rounding: Money,
    /// Per kind of tender, ascending.
    pub tenders: Vec<TenderTotal>,
    /// Vouchers and gift cards sold: outside turnover.
    pub liabilities_sold: Money,
    /// Receivables collected: outside turnover.
    pub receivables_collected: Money,
    /// Prepaid orders handed out; information only.
    pub prepaid_count: u32,
    /// Their value.
    pub prepaid_amount: Money,
    /// Drawer openings without a sale.
    pub drawer_openings: u32,
    /// Copies printed.
    pub copies: u32,
}

/// What a till says a kind of tender came to, beside what somebody else says (a terminal's own report).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenderDifference {
    /// What kind.
    pub kind: TenderKind,
    /// What the documents say.
    pub expected: Money,
    /// What was told.
    pub told: Money,
    /// Told − expected.
    pub difference: Money,
}

impl Report {
    /// A report of nothing.
    pub fn new(currency: Currency) -> Report {
        let none = Money::ZERO;
        Report {
            currency,
            series: Vec::new(),
            sales_count: 0,
            refunds_count: 0,
            units_sold: 0,
            units_returned: 0,
            weighed_lines: 0,
            weighed_units: 0,
            gross_before_discounts: none,
            line_discounts: none,
            promotions: none,
            order_discounts: none,
            sales: none,
            refunds: none,
            taxes: Vec::new(),
            net: none,
            tax: none,
            rounding: none,
            tenders: Vec::new(),
            liabilities_sold: none,
            receivables_collected: none,
            prepaid_count: 0,
            prepaid_amount: none,
            drawer_openings: 0,
            copies: 0,
        }
    }

    /// Sales and refunds, before cash rounding.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn takings(&self) -> Result<Money, Overflow> {
        self.sales.plus(self.refunds)
    }

    /// Whether what was due is what was paid: takings, liabilities and receivables with the cash rounding are the
    /// sum of the tenders (`model.md` I13). Always so for documents that an engine made.
    pub fn balances(&self) -> bool {
        let due =
            [self.sales, self.refunds, self.liabilities_sold, self.receivables_collected, self.rounding];
        let paid = Money::sum(self.tenders.iter().map(|tender| tender.amount));
        Money::sum(due) == paid && paid.is_ok()
    }

    /// What a kind of tender came to.
    pub fn tender(&self, kind: &TenderKind) -> Option<&TenderTotal> {
        self.tenders.iter().find(|tender| tender.kind == *kind)
    }

    /// Compares with what others say of a kind of tender, e.g. the card terminal's own totals.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn against(&self, told: &[(TenderKind, Money)]) -> Result<Vec<TenderDifference>, Overflow> {
        let compare = |(kind, told): &(TenderKind, Money)| {
            let expected = self.tender(kind).map_or(Money::ZERO, |tender| tender.amount);
            Ok(TenderDifference {
                kind: kind.clone(),
                expected,
                told: *told,
                difference: told.minus(expected)?,
            })
        };
        told.iter().map(compare).collect()
    }

    pub(crate) fn add_sale(&mut self, sale: &SaleDocument) -> Result<(), Overflow> {
        let outcome = &sale.outcome;
        let mut liabilities: BTreeMap<Tax, Money> = BTreeMap::new();
        for (input, line) in sale.inputs.lines.iter().zip(&outcome.lines) {
            if let LineKind::Liability { .. } = input.kind {
                let sum = liabilities.entry(charged(&input.tax, &sale.inputs)).or_default();
                *sum = sum.plus(line.net.plus(line.tax)?)?;
            } else {
                self.add_line(input, line)?;
            }
        }
        let sold = self
            .add_groups(&outcome.groups, &liabilities, |rate| (&mut rate.sales_gross, &mut rate.sales_tax))?;
        self.sales = self.sales.plus(sold)?;
        self.sales_count = more(self.sales_count)?;
        self.add_payment(&outcome.settlement, &sale.inputs.tenders)
    }

    pub(crate) fn add_refund(&mut self, refund: &RefundDocument) -> Result<(), Overflow> {
        let outcome = &refund.outcome;
        let mut liabilities: BTreeMap<Tax, Money> = BTreeMap::new();
        for (input, line) in refund.inputs.lines.iter().zip(&outcome.lines) {
            if let LineKind::Liability { .. } = input.kind {
                let sum = liabilities.entry(input.tax.clone()).or_default();
                *sum = sum.plus(line.net.plus(line.tax)?)?;
            }
            self.units_returned = counted(self.units_returned, pieces_back(input)?)?;
        }
        let back = self.add_groups(&outcome.groups, &liabilities, |rate| {
            (&mut rate.refunds_gross, &mut rate.refunds_tax)
        })?;
        self.refunds = self.refunds.plus(back)?;
        self.refunds_count = more(self.refunds_count)?;
        self.add_payment(&outcome.settlement, &refund.inputs.tenders)
    }

    pub(crate) fn add_receivable(&mut self, paid: &Settlement, tenders: &[Tender]) -> Result<(), Overflow> {
        self.receivables_collected = self.receivables_collected.plus(paid.total)?;
        self.add_payment(paid, tenders)
    }

    pub(crate) fn add_handed_out(&mut self, amount: Money) -> Result<(), Overflow> {
        self.prepaid_count = more(self.prepaid_count)?;
        self.prepaid_amount = self.prepaid_amount.plus(amount)?;
        Ok(())
    }

    /// The series' range with one more number, or the number that should have come.
    pub(crate) fn add_number(&mut self, series: &str, n: u64) -> Result<(), u64> {
        let Some(range) = self.series.iter_mut().find(|range| range.series == series) else {
            self.series.push(SeriesRange { series: series.to_owned(), first: n, last: n });
            return Ok(());
        };
        let expected = range.last.checked_add(1).ok_or(range.last)?;
        if n != expected {
            return Err(expected);
        }
        range.last = n;
        Ok(())
    }

    /// The series' range with a number that was printed on a branch: it may lie in the range already, or leave some out.
    pub(crate) fn add_number_again(&mut self, series: &str, n: u64) {
        match self.series.iter_mut().find(|range| range.series == series) {
            Some(range) => (range.first, range.last) = (range.first.min(n), range.last.max(n)),
            None => self.series.push(SeriesRange { series: series.to_owned(), first: n, last: n }),
        }
    }

    /// The row of a kind of tender.
    pub(crate) fn tender_row(&mut self, kind: &TenderKind) -> &mut TenderTotal {
        let at = self.tenders.binary_search_by(|row| row.kind.cmp(kind)).unwrap_or_else(|at| {
            let none = Money::ZERO;
            let row =
                TenderTotal { kind: kind.clone(), amount: none, count: 0, unsettled: none, failed: none };
            self.tenders.insert(at, row);
            at
        });
        &mut self.tenders[at]
    }

    fn add_line(&mut self, input: &LineInput, line: &LineOutcome) -> Result<(), Overflow> {
        let discounts = Money::sum(line.discounts.iter().copied())?;
        let promotions = Money::sum(line.promotions.iter().map(|(_, off)| *off))?;
        let shares = Money::sum(line.order_shares.iter().copied())?;
        self.gross_before_discounts = self.gross_before_discounts.plus(line.base)?;
        self.line_discounts = self.line_discounts.plus(discounts)?;
        self.promotions = self.promotions.plus(promotions)?;
        self.order_discounts = self.order_discounts.plus(shares)?;
        if input.kind != LineKind::Goods {
            return Ok(());
        }
        let units = base_units(&input.unit, input.quantity)?;
        if input.unit.base == BaseUnit::Piece {
            self.units_sold = counted(self.units_sold, units)?;
        } else {
            self.weighed_lines = more(self.weighed_lines)?;
            self.weighed_units = counted(self.weighed_units, units)?;
        }
        Ok(())
    }

    /// Books a document's groups without their liabilities, on the side that `side` picks; answers their gross.
    fn add_groups(
        &mut self,
        groups: &[TaxGroup],
        liabilities: &BTreeMap<Tax, Money>,
        side: fn(&mut RateTotals) -> (&mut Money, &mut Money),
    ) -> Result<Money, Overflow> {
        let mut sum = Money::ZERO;
        for group in groups {
            let liability = liabilities.get(&group.tax);
            let gross = group.gross.minus(liability.copied().unwrap_or_default())?;
            self.liabilities_sold = self.liabilities_sold.plus(group.gross.minus(gross)?)?;
            if liability.is_some() && gross.is_zero() && group.amount.is_zero() {
                continue;
            }
            let (gross_sum, tax_sum) = side(self.rate_row(&group.tax));
            *gross_sum = gross_sum.plus(gross)?;
            *tax_sum = tax_sum.plus(group.amount)?;
            self.tax = self.tax.plus(group.amount)?;
            self.net = self.net.plus(gross.minus(group.amount)?)?;
            sum = sum.plus(gross)?;
        }
        Ok(sum)
    }

    fn rate_row(&mut self, tax: &Tax) -> &mut RateTotals {
        let at = self.taxes.binary_search_by(|row| row.tax.cmp(tax)).unwrap_or_else(|at| {
            let none = Money::ZERO;
            let row = RateTotals {
                tax: tax.clone(),
                sales_gross: none,
                sales_tax: none,
                refunds_gross: none,
                refunds_tax: none,
            };
            self.taxes.insert(at, row);
            at
        });
        &mut self.taxes[at]
    }

    /// Cash counts as what the drawer kept, everything else as what was given.
    fn add_payment(&mut self, paid: &Settlement, tenders: &[Tender]) -> Result<(), Overflow> {
        self.rounding = self.rounding.plus(paid.rounding)?;
        for tender in tenders {
            let row = self.tender_row(&tender.kind);
            row.count = more(row.count)?;
            if tender.kind != TenderKind::Cash {
                row.amount = row.amount.plus(tender.amount)?;
            }
        }
        if !paid.cash_due.is_zero() {
            let row = self.tender_row(&TenderKind::Cash);
            row.amount = row.amount.plus(paid.cash_due)?;
        }
        Ok(())
    }
}

fn pieces_back(line: &RefundLineInput) -> Result<u64, Overflow> {
    if line.kind != LineKind::Goods || line.unit.base != BaseUnit::Piece {
        return Ok(0);
    }
    base_units(&line.unit, line.quantity)
}

fn base_units(unit: &Unit, quantity: Quantity) -> Result<u64, Overflow> {
    let units = unit.to_base(quantity).map_err(|_| Overflow)?;
    u64::try_from(units.0).map_err(|_| Overflow)
}

pub(crate) fn more(count: u32) -> Result<u32, Overflow> {
    count.checked_add(1).ok_or(Overflow)
}

fn counted(sum: u64, units: u64) -> Result<u64, Overflow> {
    sum.checked_add(units).ok_or(Overflow)
}
