//! Shifts: a till's time from opening to Z (`facts.md` §2 and §4; `money.md`, Expected Z report).
//!
//! A [`Shift`] is folded from its facts in their order, one call each; a call that refuses changes nothing. What
//! it holds is sums of documents, so X is a look at it at any time and Z the same figures with the count beside.
//!
//! `open → closing → closed`: while the drawer is counted nothing may be sold into it. A shift of a lost
//! incarnation is folded from what is known and closed as `recovered`; documents that turn up later are folded
//! into a [`Shift::supplement`].

use crate::document::{RefundDocument, SaleDocument, Settlement, StaffId, Tender, TenderKind};
use crate::drawer::{BadCash, Cash, CashDirection, CashMove, CountedDrawer, Drawer};
use crate::money::{Currency, Money, Overflow};
use crate::shift_report::{Report, more};
use crate::tender_life::{Settled, is_unsettled};
use serde::{Deserialize, Serialize};

/// How far a shift is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It sells.
    Open,
    /// The drawer is being counted.
    Closing,
    /// The Z is made.
    Closed,
}

/// Why a shift can't do it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum ShiftRefusal {
    /// Nothing goes into a shift that is being counted or is closed.
    #[error("the shift is {phase:?}")]
    NotOpen { phase: Phase },
    /// A shift is counted before it is closed, and closed once.
    #[error("the shift is {phase:?}, so there is nothing to close")]
    NotClosing { phase: Phase },
    /// Nobody said what lies in the drawer of the store's own currency.
    #[error("the float in {currency} is missing")]
    FloatMissing { currency: Currency },
    /// Two floats or counts of one currency.
    #[error("{currency} stands there twice")]
    CurrencyTwice { currency: Currency },
    /// A float or count that can't be what it says.
    #[error("{currency}: {why}")]
    BadCash { currency: Currency, why: BadCash },
    /// A document of another currency than the store's.
    #[error("the shift is in {shift}, the document in {document}")]
    WrongCurrency { shift: Currency, document: Currency },
    /// A number was left out or given twice.
    #[error("the next number of series {series} is {expected}, not {given}")]
    NumberGap { series: String, expected: u64, given: u64 },
    /// Nothing or less was to be moved.
    #[error("{amount} can't be moved")]
    BadAmount { amount: Money },
    /// Cash moves only for a reason.
    #[error("a reason is missing")]
    ReasonMissing,
    /// More was to be taken out than should be there.
    #[error("{asked} was to be taken out, {expected} should be there")]
    NotInDrawer { currency: Currency, expected: Money, asked: Money },
    /// A drawer that nobody counted.
    #[error("the drawer in {currency} was not counted")]
    CountMissing { currency: Currency },
    /// The count strays further than may pass without a manager. Both figures are positive.
    #[error("the drawer in {currency} is off by {off}; more than {most} needs a manager")]
    DifferenceNeedsApproval { currency: Currency, off: Money, most: Money },
    /// A figure too large to be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl ShiftRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ShiftRefusal::NotOpen { .. } => "SHIFT_NOT_OPEN",
            ShiftRefusal::NotClosing { .. } => "SHIFT_NOT_CLOSING",
            ShiftRefusal::FloatMissing { .. } => "FLOAT_MISSING",
            ShiftRefusal::CurrencyTwice { .. } => "CURRENCY_TWICE",
            ShiftRefusal::BadCash { .. } => "BAD_CASH",
            ShiftRefusal::WrongCurrency { .. } => "WRONG_CURRENCY",
            ShiftRefusal::NumberGap { .. } => "NUMBER_GAP",
            ShiftRefusal::BadAmount { .. } => "BAD_AMOUNT",
            ShiftRefusal::ReasonMissing => "REASON_MISSING",
            ShiftRefusal::NotInDrawer { .. } => "NOT_IN_DRAWER",
            ShiftRefusal::CountMissing { .. } => "COUNT_MISSING",
            ShiftRefusal::DifferenceNeedsApproval { .. } => "DIFFERENCE_NEEDS_APPROVAL",
            ShiftRefusal::Overflow(_) => "OVERFLOW",
        }
    }
}

/// Which document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered<'a> {
    /// Its id.
    pub id: [u8; 16],
    /// Its series.
    pub series: &'a str,
    /// Its number in the series.
    pub n: u64,
    /// It was printed on a branch of its stream that was cut off, and is said again: its number may stand there already.
    pub again: bool,
}

/// A tender that waits for its money, or that nobody knows about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTender {
    /// The document or cart it belongs to.
    pub object: [u8; 16],
    /// Its place among that one's tenders.
    pub index: u16,
    /// Its idempotency key; none where it is derived from the document and the index.
    pub key: Option<[u8; 16]>,
    /// What kind.
    pub kind: TenderKind,
    /// How much.
    pub amount: Money,
}

/// What a till carries from Z to Z: totals since it began to sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perpetual {
    /// Gross of all sales.
    pub sales: Money,
    /// Gross of all refunds, negative.
    pub refunds: Money,
    /// All documents.
    pub documents: u64,
}

impl Perpetual {
    /// The totals after a report.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn after(self, report: &Report) -> Result<Perpetual, Overflow> {
        Ok(Perpetual {
            sales: self.sales.plus(report.sales)?,
            refunds: self.refunds.plus(report.refunds)?,
            documents: self.documents.checked_add(documents(report)).ok_or(Overflow)?,
        })
    }
}

/// Documents of a report: its series have no gap, and only where numbers were printed twice are there more documents than
/// numbers.
pub fn documents(report: &Report) -> u64 {
    let numbers = |range: &crate::shift_report::SeriesRange| (range.last - range.first).saturating_add(1);
    let numbers = report.series.iter().map(numbers).fold(0, u64::saturating_add);
    numbers.max(u64::from(report.sales_count) + u64::from(report.refunds_count))
}

/// The last Z a till knows of: its number and totals go on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastZ {
    /// Its number; 0 before the first.
    pub z: u32,
    /// The totals after it.
    pub totals: Perpetual,
}

/// What a store's policy says of closing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosePolicy {
    /// Whether the cashier counts without being told what should be there.
    pub blind: bool,
    /// The most a drawer may be off without a manager; none means any difference passes.
    pub difference_max: Option<Money>,
}

/// What a person brings to the close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// What was counted, one of each drawer's currency.
    pub counts: Vec<Cash>,
    /// Who allowed a difference.
    pub approver: Option<StaffId>,
    /// Tenders of carts that nobody knows about; the sale belongs to the shift that will commit it.
    pub carts: Vec<OpenTender>,
}

/// The Z: what a shift came to, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Z {
    /// Its number at its till.
    pub z: u32,
    /// The shift's number at its till.
    pub shift: u32,
    /// What the documents come to.
    pub report: Report,
    /// The drawers as counted, the store's own currency first.
    pub drawers: Vec<CountedDrawer>,
    /// Tenders still open: of documents, then of carts.
    pub open_tenders: Vec<OpenTender>,
    /// Who allowed a difference.
    pub approver: Option<StaffId>,
    /// Totals before the shift.
    pub before: Perpetual,
    /// Totals after it.
    pub after: Perpetual,
    /// The Z it supplements.
    pub supplement_of: Option<u32>,
}

/// A till's shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    number: u32,
    phase: Phase,
    report: Report,
    drawers: Vec<Drawer>,
    open_tenders: Vec<OpenTender>,
    supplement_of: Option<u32>,
}

/// The business day of a shift: the local date at opening, or the day before where that is earlier than the
/// store's day begins. Days count from 1970-01-01, minutes from local midnight.
pub fn business_day(local_day: i32, local_minute: u16, day_start_minutes: u16) -> i32 {
    if local_minute < day_start_minutes { local_day.saturating_sub(1) } else { local_day }
}

impl Shift {
    /// Opens a shift with what lies in its drawers; the store's own currency must be among them.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a float that is missing, stands there twice or can't be.
    pub fn open(number: u32, currency: Currency, floats: &[Cash]) -> Result<Shift, ShiftRefusal> {
        check_cash(floats)?;
        if !floats.iter().any(|float| float.currency == currency) {
            return Err(ShiftRefusal::FloatMissing { currency });
        }
        let mut drawers: Vec<Drawer> =
            floats.iter().map(|float| Drawer::new(float.currency, float.total)).collect();
        drawers.sort_by_key(|drawer| (drawer.currency != currency, drawer.currency.code));
        Ok(Shift {
            number,
            phase: Phase::Open,
            report: Report::new(currency),
            drawers,
            open_tenders: Vec::new(),
            supplement_of: None,
        })
    }

    /// A shift for documents that turned up after their shift was closed as `recovered`. It has no float, and its
    /// cash was counted then: nothing is counted again, so its difference takes back what was too much there.
    pub fn supplement(number: u32, currency: Currency, of: u32) -> Shift {
        Shift {
            number,
            phase: Phase::Open,
            report: Report::new(currency),
            drawers: vec![Drawer::new(currency, Money::ZERO)],
            open_tenders: Vec::new(),
            supplement_of: Some(of),
        }
    }

    /// Its number at its till.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The X: what it came to so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What went in and out of its drawers, the store's own currency first.
    pub fn drawers(&self) -> &[Drawer] {
        &self.drawers
    }

    /// What should be in the drawers as the person who counts may see it: nothing where the count is blind.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn expected(&self, policy: ClosePolicy) -> Result<Option<Vec<Cash>>, Overflow> {
        if policy.blind && self.phase != Phase::Closed {
            return Ok(None);
        }
        let expected = |drawer: &Drawer| Ok(Cash::sum(drawer.currency, drawer.expected()?));
        self.drawers.iter().map(expected).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// Tenders of its documents that wait for their money.
    pub fn open_tenders(&self) -> &[OpenTender] {
        &self.open_tenders
    }

    /// Takes a sale in.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't open, another currency or a number out of line.
    pub fn sale(&mut self, which: Numbered<'_>, sale: &SaleDocument) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.document(which, sale.inputs.rules.currency)?;
            shift.report.add_sale(sale)?;
            shift.cash_of(&sale.outcome.settlement, &sale.inputs.tenders, |drawer| &mut drawer.sales)?;
            shift.waiting(which.id, &sale.inputs.tenders)
        })
    }

    /// Takes a refund in; a void is one too.
    ///
    /// # Errors
    /// As [`Shift::sale`].
    pub fn refund(&mut self, which: Numbered<'_>, refund: &RefundDocument) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.document(which, refund.inputs.rules.currency)?;
            shift.report.add_refund(refund)?;
            let (paid, tenders) = (&refund.outcome.settlement, &refund.inputs.tenders);
            shift.cash_of(paid, tenders, |drawer| &mut drawer.refunds)?;
            shift.waiting(which.id, tenders)
        })
    }

    /// Takes in what a customer owed and pays now.
    ///
    /// # Errors
    /// As [`Shift::sale`].
    pub fn receivable(
        &mut self,
        which: Numbered<'_>,
        paid: &Settlement,
        tenders: &[Tender],
    ) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.document(which, shift.report.currency)?;
            shift.report.add_receivable(paid, tenders)?;
            shift.cash_of(paid, tenders, |drawer| &mut drawer.receivables)?;
            shift.waiting(which.id, tenders)
        })
    }

    /// Moves cash in or out without a document.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't open, nothing to move, no reason, or more than should be there.
    pub fn cash(&mut self, moved: &CashMove) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            let CashMove { direction, currency, amount, .. } = *moved;
            if amount.0 <= 0 {
                return Err(ShiftRefusal::BadAmount { amount });
            }
            if moved.reason.trim().is_empty() {
                return Err(ShiftRefusal::ReasonMissing);
            }
            let drawer = shift.drawer(currency);
            let expected = drawer.expected()?;
            if direction != CashDirection::In && amount > expected {
                return Err(ShiftRefusal::NotInDrawer { currency, expected, asked: amount });
            }
            Ok(drawer.book(direction, amount)?)
        })
    }

    /// Counts a drawer opening without a sale.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't open.
    pub fn drawer_opened(&mut self) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.report.drawer_openings = more(shift.report.drawer_openings)?;
            Ok(())
        })
    }

    /// Counts a printed copy.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't open.
    pub fn copy_printed(&mut self) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.report.copies = more(shift.report.copies)?;
            Ok(())
        })
    }

    /// Notes a prepaid order that was handed out; its money isn't the till's.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't open.
    pub fn handed_out(&mut self, amount: Money) -> Result<(), ShiftRefusal> {
        self.change(|shift| Ok(shift.report.add_handed_out(amount)?))
    }

    /// Notes how a stored or unconfirmed tender ended. Answers whether it is one of this shift's; another shift's
    /// changes nothing here, and a closed shift's Z stands whatever happens.
    ///
    /// # Errors
    /// [`ShiftRefusal::NotOpen`] for a closed shift, [`ShiftRefusal::Overflow`].
    pub fn settled(&mut self, object: [u8; 16], index: u16, how: Settled) -> Result<bool, ShiftRefusal> {
        if self.phase == Phase::Closed {
            return Err(ShiftRefusal::NotOpen { phase: self.phase });
        }
        let waits = |tender: &OpenTender| tender.object == object && tender.index == index;
        let Some(at) = self.open_tenders.iter().position(waits) else { return Ok(false) };
        let OpenTender { kind, amount, .. } = &self.open_tenders[at];
        let row = self.report.tender_row(kind);
        let unsettled = row.unsettled.minus(*amount)?;
        if !how.is_paid() {
            row.failed = row.failed.plus(*amount)?;
        }
        row.unsettled = unsettled;
        self.open_tenders.remove(at);
        Ok(true)
    }

    /// Begins the count: from now on nothing goes into the shift.
    ///
    /// # Errors
    /// [`ShiftRefusal::NotOpen`].
    pub fn begin_closing(&mut self) -> Result<(), ShiftRefusal> {
        self.change(|shift| {
            shift.phase = Phase::Closing;
            Ok(())
        })
    }

    /// Closes the shift: the Z. Tenders that are open don't keep it from closing.
    ///
    /// # Errors
    /// [`ShiftRefusal`] for a shift that isn't being counted, a drawer without a count, or a difference that
    /// needs a manager.
    pub fn close(&mut self, close: Close, policy: ClosePolicy, last: LastZ) -> Result<Z, ShiftRefusal> {
        if self.phase != Phase::Closing {
            return Err(ShiftRefusal::NotClosing { phase: self.phase });
        }
        let drawers = self.counted(&close.counts)?;
        if self.supplement_of.is_none() && close.approver.is_none() {
            drawers.iter().try_for_each(|drawer| check_difference(drawer, policy))?;
        }
        let after = last.totals.after(&self.report)?;
        let z = more(last.z)?;
        self.phase = Phase::Closed;
        Ok(Z {
            z,
            shift: self.number,
            report: self.report.clone(),
            drawers,
            open_tenders: self.open_tenders.iter().cloned().chain(close.carts).collect(),
            approver: close.approver,
            before: last.totals,
            after,
            supplement_of: self.supplement_of,
        })
    }

    /// Each drawer with its count; a currency that was found though nobody took it gets a drawer of its own.
    fn counted(&self, counts: &[Cash]) -> Result<Vec<CountedDrawer>, ShiftRefusal> {
        check_cash(counts)?;
        let nothing = |drawer: &Drawer| Cash::sum(drawer.currency, Money::ZERO);
        let mut counted = Vec::with_capacity(self.drawers.len());
        for drawer in &self.drawers {
            let count = counts.iter().find(|count| count.currency == drawer.currency).cloned();
            let count = count.or_else(|| self.supplement_of.map(|_| nothing(drawer)));
            let count = count.ok_or(ShiftRefusal::CountMissing { currency: drawer.currency })?;
            counted.push(CountedDrawer::new(*drawer, &count)?);
        }
        let known = |count: &&Cash| self.drawers.iter().any(|drawer| drawer.currency == count.currency);
        for count in counts.iter().filter(|count| !known(count)) {
            counted.push(CountedDrawer::new(Drawer::new(count.currency, Money::ZERO), count)?);
        }
        Ok(counted)
    }

    /// Runs a change of an open shift on a copy, so that a refusal leaves no half of it behind.
    fn change(
        &mut self,
        how: impl FnOnce(&mut Shift) -> Result<(), ShiftRefusal>,
    ) -> Result<(), ShiftRefusal> {
        if self.phase != Phase::Open {
            return Err(ShiftRefusal::NotOpen { phase: self.phase });
        }
        let mut next = self.clone();
        how(&mut next)?;
        *self = next;
        Ok(())
    }

    fn document(&mut self, which: Numbered<'_>, currency: Currency) -> Result<(), ShiftRefusal> {
        if currency != self.report.currency {
            return Err(ShiftRefusal::WrongCurrency { shift: self.report.currency, document: currency });
        }
        let Numbered { series, n, again, .. } = which;
        if again {
            self.report.add_number_again(series, n);
            return Ok(());
        }
        self.report.add_number(series, n).map_err(|expected| ShiftRefusal::NumberGap {
            series: series.to_owned(),
            expected,
            given: n,
        })
    }

    /// Books the cash of a document: the store's own currency as the drawer kept it, foreign notes as they are.
    fn cash_of(
        &mut self,
        paid: &Settlement,
        tenders: &[Tender],
        field: fn(&mut Drawer) -> &mut Money,
    ) -> Result<(), ShiftRefusal> {
        let own = self.report.currency;
        let foreign = tenders.iter().filter_map(|tender| tender.foreign);
        let moves = foreign.map(|foreign| (foreign.currency, foreign.amount)).chain([(own, paid.cash_due)]);
        for (currency, amount) in moves {
            let sum = field(self.drawer(currency));
            *sum = sum.plus(amount)?;
        }
        Ok(())
    }

    fn drawer(&mut self, currency: Currency) -> &mut Drawer {
        let at = self.drawers.iter().position(|drawer| drawer.currency == currency);
        let at = at.unwrap_or_else(|| {
            self.drawers.push(Drawer::new(currency, Money::ZERO));
            self.drawers.len() - 1
        });
        &mut self.drawers[at]
    }

    fn waiting(&mut self, object: [u8; 16], tenders: &[Tender]) -> Result<(), ShiftRefusal> {
        for (index, tender) in (0..).zip(tenders).filter(|(_, tender)| is_unsettled(tender.state)) {
            let (kind, amount) = (tender.kind.clone(), tender.amount);
            let row = self.report.tender_row(&kind);
            row.unsettled = row.unsettled.plus(amount)?;
            self.open_tenders.push(OpenTender { object, index, key: tender.key, kind, amount });
        }
        Ok(())
    }
}

fn check_cash(cash: &[Cash]) -> Result<(), ShiftRefusal> {
    for (index, one) in cash.iter().enumerate() {
        let currency = one.currency;
        one.check().map_err(|why| ShiftRefusal::BadCash { currency, why })?;
        if cash[..index].iter().any(|other| other.currency == currency) {
            return Err(ShiftRefusal::CurrencyTwice { currency });
        }
    }
    Ok(())
}

fn check_difference(drawer: &CountedDrawer, policy: ClosePolicy) -> Result<(), ShiftRefusal> {
    let off = if drawer.difference.0 < 0 { drawer.difference.negated()? } else { drawer.difference };
    match policy.difference_max {
        Some(most) if off > most => {
            Err(ShiftRefusal::DifferenceNeedsApproval { currency: drawer.drawer.currency, off, most })
        }
        _ => Ok(()),
    }
}
