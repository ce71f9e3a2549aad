//! What is printed of a shift: X, Z and the sheet a drawer or shelf is counted on, in the model of receipts.
//!
//! Every figure is the report's own; nothing is computed but the differences that the paper shows.

use crate::document::TenderKind;
use crate::drawer::{CountedDrawer, Denomination, Drawer};
use crate::money::{Currency, Money, Overflow};
use crate::receipt::{Head, Receipt, Row, percent, tender_name};
use crate::settings::Language;
use crate::shift::{ClosePolicy, OpenTender, Shift, Z, documents};
use crate::shift_report::{Report, TenderTotal};

/// The words of one language.
struct Words {
    x: &'static str,
    z: &'static str,
    supplement: &'static str,
    sheet: &'static str,
    till: &'static str,
    shift: &'static str,
    documents: &'static str,
    sales_count: &'static str,
    refunds_count: &'static str,
    pieces: &'static str,
    returned: &'static str,
    weighed: &'static str,
    gross: &'static str,
    line_discounts: &'static str,
    promotions: &'static str,
    order_discounts: &'static str,
    sales: &'static str,
    refunds: &'static str,
    takings: &'static str,
    tax: &'static str,
    net: &'static str,
    with_tax: &'static str,
    turnover: &'static str,
    rounding: &'static str,
    unsettled: &'static str,
    failed: &'static str,
    liabilities: &'static str,
    receivables: &'static str,
    prepaid: &'static str,
    drawer: &'static str,
    float: &'static str,
    paid_in: &'static str,
    paid_out: &'static str,
    safe: &'static str,
    expected: &'static str,
    counted: &'static str,
    difference: &'static str,
    blind: &'static str,
    openings: &'static str,
    copies: &'static str,
    open: &'static str,
    allowed: &'static str,
    before: &'static str,
    after: &'static str,
    item: &'static str,
    found: &'static str,
    copy: &'static str,
}

const EN: Words = Words {
    x: "X report",
    z: "Z report",
    supplement: "Supplement of Z",
    sheet: "Count sheet",
    till: "Till",
    shift: "Shift",
    documents: "Documents",
    sales_count: "Sales",
    refunds_count: "Refunds",
    pieces: "Pieces sold",
    returned: "Pieces returned",
    weighed: "Weighed lines",
    gross: "Gross before discounts",
    line_discounts: "Line discounts",
    promotions: "Promotions",
    order_discounts: "Order discounts",
    sales: "Sales",
    refunds: "Refunds",
    takings: "TAKINGS",
    tax: "Tax",
    net: "Net",
    with_tax: "Gross",
    turnover: "Turnover without tax",
    rounding: "Cash rounding",
    unsettled: "of it unsettled",
    failed: "of it not paid",
    liabilities: "Vouchers sold",
    receivables: "Receivables collected",
    prepaid: "Prepaid, handed out",
    drawer: "Drawer",
    float: "Float",
    paid_in: "Paid in",
    paid_out: "Paid out",
    safe: "Into the safe",
    expected: "Expected",
    counted: "Counted",
    difference: "Difference",
    blind: "The count is blind.",
    openings: "Drawer opened without a sale",
    copies: "Copies printed",
    open: "Open",
    allowed: "Allowed by",
    before: "All sales before",
    after: "All sales after",
    item: "Item",
    found: "Found",
    copy: "COPY",
};

const VI: Words = Words {
    x: "Báo cáo X",
    z: "Báo cáo Z",
    supplement: "Bổ sung cho Z",
    sheet: "Phiếu kiểm đếm",
    till: "Quầy",
    shift: "Ca",
    documents: "Chứng từ",
    sales_count: "Số đơn bán",
    refunds_count: "Số phiếu trả",
    pieces: "Số món đã bán",
    returned: "Số món trả lại",
    weighed: "Số dòng cân",
    gross: "Trước giảm giá",
    line_discounts: "Giảm theo dòng",
    promotions: "Khuyến mãi",
    order_discounts: "Giảm theo đơn",
    sales: "Bán hàng",
    refunds: "Trả hàng",
    takings: "DOANH THU",
    tax: "Thuế",
    net: "Chưa thuế",
    with_tax: "Có thuế",
    turnover: "Doanh thu chưa thuế",
    rounding: "Làm tròn tiền mặt",
    unsettled: "chưa quyết toán",
    failed: "không thu được",
    liabilities: "Phiếu quà tặng đã bán",
    receivables: "Công nợ đã thu",
    prepaid: "Trả trước, đã giao",
    drawer: "Ngăn tiền",
    float: "Đầu ca",
    paid_in: "Nộp vào",
    paid_out: "Chi ra",
    safe: "Vào két",
    expected: "Dự kiến",
    counted: "Đếm được",
    difference: "Chênh lệch",
    blind: "Đếm mù.",
    openings: "Mở ngăn tiền không bán",
    copies: "Bản sao đã in",
    open: "Chưa xong",
    allowed: "Người duyệt",
    before: "Tổng bán trước ca",
    after: "Tổng bán sau ca",
    item: "Mặt hàng",
    found: "Đếm được",
    copy: "BẢN SAO",
};

/// The X of a shift: what it came to so far. What should be in the drawer is left out where the count is blind.
///
/// # Errors
/// [`Overflow`] only for documents that no engine made.
pub fn of_x(head: &Head, shift: &Shift, policy: ClosePolicy) -> Result<Receipt, Overflow> {
    let paper = Paper::new(head.language, shift.report().currency);
    let mut rows = vec![paper.count(paper.words.shift, shift.number())];
    paper.report(shift.report(), &mut rows)?;
    rows.push(Row::Rule);
    if shift.expected(policy)?.is_none() {
        rows.push(Row::Note { text: paper.words.blind.to_owned() });
    } else {
        for drawer in shift.drawers() {
            paper.drawer(drawer, &mut rows)?;
        }
    }
    paper.open(shift.open_tenders(), &mut rows);
    Ok(paper.finish(head, paper.words.x.to_owned(), rows))
}

/// A Z as it was made.
///
/// # Errors
/// [`Overflow`] only for documents that no engine made.
pub fn of_z(head: &Head, z: &Z) -> Result<Receipt, Overflow> {
    let paper = Paper::new(head.language, z.report.currency);
    let words = paper.words;
    let mut rows = vec![paper.count(words.shift, z.shift)];
    rows.extend(z.supplement_of.map(|of| paper.count(words.supplement, of)));
    paper.report(&z.report, &mut rows)?;
    rows.push(Row::Rule);
    for counted in &z.drawers {
        paper.counted(counted, &mut rows)?;
    }
    rows.extend(z.approver.iter().map(|who| Row::Note { text: format!("{}: {}", words.allowed, who.0) }));
    paper.open(&z.open_tenders, &mut rows);
    rows.push(Row::Rule);
    rows.push(paper.pair(words.before, z.before.sales));
    rows.push(paper.pair(words.after, z.after.sales));
    Ok(paper.finish(head, format!("{} {}", words.z, z.z), rows))
}

/// The sheet that notes and coins are counted on: a row a denomination, nothing of what should be there.
pub fn drawer_sheet(head: &Head, currency: Currency, values: &[Money]) -> Receipt {
    let paper = Paper::new(head.language, currency);
    let row = |value: &Money| Row::Pair {
        label: format!("{} {} x", value.text(currency), currency.code()),
        amount: "________".to_owned(),
    };
    let mut rows: Vec<Row> = values.iter().map(row).collect();
    rows.push(Row::Rule);
    rows.push(Row::Total { label: paper.words.counted.to_owned(), amount: "________".to_owned() });
    paper.finish(head, paper.words.sheet.to_owned(), rows)
}

/// The sheet that a shelf is counted on, by name and code; blind, like the drawer's.
pub fn shelf_sheet(head: &Head, currency: Currency, items: &[(String, String)]) -> Receipt {
    let paper = Paper::new(head.language, currency);
    let words = paper.words;
    let mut rows = vec![Row::Pair { label: words.item.to_owned(), amount: words.found.to_owned() }];
    rows.extend(items.iter().map(|(name, code)| Row::Item {
        name: name.clone(),
        detail: Some(code.clone()),
        amount: "________".to_owned(),
    }));
    paper.finish(head, words.sheet.to_owned(), rows)
}

/// What denominations come to, for a sheet that is filled in.
pub fn filled(currency: Currency, by: &[Denomination]) -> Vec<Row> {
    let row = |one: &Denomination| Row::Pair {
        label: format!("{} {} x {}", one.value.text(currency), currency.code(), one.count),
        amount: one
            .value
            .times(i64::from(one.count))
            .map_or_else(|_| "?".to_owned(), |sum| sum.text(currency)),
    };
    by.iter().map(row).collect()
}

/// How one shift is put into words.
#[derive(Clone, Copy)]
struct Paper {
    words: &'static Words,
    language: Language,
    currency: Currency,
}

impl Paper {
    fn new(language: Language, currency: Currency) -> Paper {
        let words = match language {
            Language::En => &EN,
            Language::Vi => &VI,
        };
        Paper { words, language, currency }
    }

    fn finish(self, head: &Head, title: String, rows: Vec<Row>) -> Receipt {
        let cashier = head.cashier.iter().map(|who| format!(" · {who}"));
        Receipt {
            header: head.header.clone(),
            title,
            copy: head.copy.map(|n| format!("*** {} {n} ***", self.words.copy)),
            number: head.number.clone(),
            when: head.when.clone(),
            served: format!("{} {}{}", self.words.till, head.till, cashier.collect::<String>()),
            currency: self.currency.code().to_owned(),
            rows,
            footer: Vec::new(),
        }
    }

    fn pair(self, label: &str, amount: Money) -> Row {
        Row::Pair { label: label.to_owned(), amount: amount.text(self.currency) }
    }

    fn count(self, label: &str, n: impl ToString) -> Row {
        Row::Pair { label: label.to_owned(), amount: n.to_string() }
    }

    /// A pair, unless it is nothing.
    fn some(self, label: &str, amount: Money) -> Option<Row> {
        (!amount.is_zero()).then(|| self.pair(label, amount))
    }

    fn report(self, report: &Report, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        let words = self.words;
        rows.push(self.count(words.documents, documents(report)));
        rows.extend(report.series.iter().map(|range| Row::Under {
            label: format!("{} {} – {}", range.series, range.first, range.last),
            amount: String::new(),
        }));
        rows.push(self.count(words.sales_count, report.sales_count));
        rows.push(self.count(words.refunds_count, report.refunds_count));
        rows.push(self.count(words.pieces, report.units_sold));
        rows.push(self.count(words.returned, report.units_returned));
        rows.push(self.count(words.weighed, report.weighed_lines));
        rows.push(Row::Rule);
        rows.push(self.pair(words.gross, report.gross_before_discounts));
        rows.push(self.pair(words.line_discounts, report.line_discounts.negated()?));
        rows.push(self.pair(words.promotions, report.promotions.negated()?));
        rows.push(self.pair(words.order_discounts, report.order_discounts.negated()?));
        rows.push(self.pair(words.sales, report.sales));
        rows.push(self.pair(words.refunds, report.refunds));
        let label = format!("{} {}", words.takings, self.currency.code());
        rows.push(Row::Total { label, amount: report.takings()?.text(self.currency) });
        self.taxes(report, rows)?;
        self.money(report, rows);
        Ok(())
    }

    fn taxes(self, report: &Report, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        let words = self.words;
        rows.push(Row::Rule);
        rows.push(Row::Tax {
            label: words.tax.to_owned(),
            net: words.net.to_owned(),
            tax: words.tax.to_owned(),
            gross: words.with_tax.to_owned(),
        });
        for rate in &report.taxes {
            let gross = rate.sales_gross.plus(rate.refunds_gross)?;
            let tax = rate.sales_tax.plus(rate.refunds_tax)?;
            rows.push(Row::Tax {
                label: percent(rate.tax.ppm),
                net: gross.minus(tax)?.text(self.currency),
                tax: tax.text(self.currency),
                gross: gross.text(self.currency),
            });
        }
        rows.push(self.pair(words.turnover, report.net));
        rows.push(self.pair(words.tax, report.tax));
        Ok(())
    }

    fn money(self, report: &Report, rows: &mut Vec<Row>) {
        let words = self.words;
        rows.push(Row::Rule);
        for tender in &report.tenders {
            self.tender(tender, rows);
        }
        rows.push(self.pair(words.rounding, report.rounding));
        rows.extend(self.some(words.liabilities, report.liabilities_sold));
        rows.extend(self.some(words.receivables, report.receivables_collected));
        if report.prepaid_count > 0 {
            let label = format!("{} ({})", words.prepaid, report.prepaid_count);
            rows.push(self.pair(&label, report.prepaid_amount));
        }
        for (label, n) in [(words.openings, report.drawer_openings), (words.copies, report.copies)] {
            rows.extend((n > 0).then(|| self.count(label, n)));
        }
    }

    fn tender(self, tender: &TenderTotal, rows: &mut Vec<Row>) {
        let label = format!("{} ({})", self.kind(&tender.kind), tender.count);
        rows.push(self.pair(&label, tender.amount));
        for (label, part) in [(self.words.unsettled, tender.unsettled), (self.words.failed, tender.failed)] {
            rows.extend(
                (!part.is_zero())
                    .then(|| Row::Under { label: label.to_owned(), amount: part.text(self.currency) }),
            );
        }
    }

    fn kind(self, kind: &TenderKind) -> String {
        tender_name(kind, self.language)
    }

    /// A drawer's movements and what should be there, in its own currency.
    fn drawer(self, drawer: &Drawer, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        let own = Paper { currency: drawer.currency, ..self };
        let words = self.words;
        rows.push(Row::Note { text: format!("{} {}", words.drawer, drawer.currency.code()) });
        rows.push(own.pair(words.float, drawer.float));
        let moved = [
            (words.sales, drawer.sales),
            (words.refunds, drawer.refunds),
            (words.paid_in, drawer.paid_in),
            (words.paid_out, drawer.paid_out),
            (words.safe, drawer.safe_drops),
            (words.receivables, drawer.receivables),
        ];
        rows.extend(moved.into_iter().filter_map(|(label, amount)| own.some(label, amount)));
        rows.push(own.pair(words.expected, drawer.expected()?));
        Ok(())
    }

    fn counted(self, counted: &CountedDrawer, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        let own = Paper { currency: counted.drawer.currency, ..self };
        self.drawer(&counted.drawer, rows)?;
        rows.extend(filled(counted.drawer.currency, &counted.counted_by).into_iter().map(|row| match row {
            Row::Pair { label, amount } => Row::Under { label, amount },
            other => other,
        }));
        rows.push(own.pair(self.words.counted, counted.counted));
        rows.push(own.pair(self.words.difference, counted.difference));
        Ok(())
    }

    fn open(self, tenders: &[OpenTender], rows: &mut Vec<Row>) {
        rows.extend(tenders.iter().map(|tender| {
            self.pair(&format!("{}: {}", self.words.open, self.kind(&tender.kind)), tender.amount)
        }));
    }
}
