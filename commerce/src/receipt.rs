//! Receipts: one model of what is printed, made from the stored document alone, and its two renderings.
//!
//! Nothing is computed again: every figure is the document's own or a sum of its lines' stored figures.

use crate::document::{
    DiscountKind, LineInput, LineOutcome, RefundDocument, RefundLineInput, SaleDocument, SaleInputs,
    Settlement, TaxGroup, Tender, TenderKind, TenderState,
};
use crate::money::{Currency, Money, Overflow, plain};
use crate::quantity::{Quantity, THOUSAND, Unit};
use crate::settings::Language;
use serde::Serialize;

pub use crate::receipt_html::render as render_html;
pub use crate::receipt_text::render as render_text;

/// Columns of a usual 80 mm printer.
pub const COLUMNS: usize = 42;

/// What a receipt says beside its document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The store's header, by the settings version of the document.
    pub header: Vec<String>,
    /// The store's footer.
    pub footer: Vec<String>,
    /// In which language.
    pub language: Language,
    /// The receipt's number as printed, e.g. `S1-R1-101`.
    pub number: String,
    /// Date and time as printed, in the store's time zone.
    pub when: String,
    /// The till.
    pub till: String,
    /// Who served.
    pub cashier: Option<String>,
    /// Which copy it is; none for the first print. Every copy bears a mark.
    pub copy: Option<u32>,
}

/// One row of a receipt. Amounts are plain decimal text in the document's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum Row {
    /// An item.
    Item {
        /// Its name.
        name: String,
        /// How much at what price, where that isn't one piece.
        detail: Option<String>,
        /// Its amount before anything came off.
        amount: String,
    },
    /// Something that belongs to the item above it: a discount, a promotion, a serial number.
    Under {
        /// What.
        label: String,
        /// How much; empty where it costs nothing.
        amount: String,
    },
    /// A label and an amount.
    Pair {
        /// What.
        label: String,
        /// How much.
        amount: String,
    },
    /// What is to pay.
    Total {
        /// What.
        label: String,
        /// How much.
        amount: String,
    },
    /// One tax rate, or the heading over them.
    Tax {
        /// The rate.
        label: String,
        /// Without tax.
        net: String,
        /// The tax.
        tax: String,
        /// With tax.
        gross: String,
    },
    /// A line of text.
    Note {
        /// The text.
        text: String,
    },
    /// A line across.
    Rule,
}

/// A receipt, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The store.
    pub header: Vec<String>,
    /// What it is; a copy says so here.
    pub title: String,
    /// The mark of a copy.
    pub copy: Option<String>,
    /// Its number.
    pub number: String,
    /// Date and time.
    pub when: String,
    /// Till and cashier.
    pub served: String,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// The body.
    pub rows: Vec<Row>,
    /// The store's last words.
    pub footer: Vec<String>,
}

/// The words of one language.
struct Words {
    sale: &'static str,
    refund: &'static str,
    copy: &'static str,
    till: &'static str,
    subtotal: &'static str,
    discount: &'static str,
    coupon: &'static str,
    exempt: &'static str,
    total: &'static str,
    refunded: &'static str,
    tax: &'static str,
    net: &'static str,
    gross: &'static str,
    rounding: &'static str,
    change: &'static str,
    original: &'static str,
    age: &'static str,
    serial: &'static str,
    unsettled: &'static str,
}

const EN: Words = Words {
    sale: "Receipt",
    refund: "Refund",
    copy: "COPY",
    till: "Till",
    subtotal: "Subtotal",
    discount: "Discount",
    coupon: "Coupon",
    exempt: "Tax exempt",
    total: "TOTAL",
    refunded: "REFUND",
    tax: "Tax",
    net: "Net",
    gross: "Gross",
    rounding: "Cash rounding",
    change: "Change",
    original: "For receipt",
    age: "Age checked",
    serial: "Serial",
    unsettled: "unsettled",
};

const VI: Words = Words {
    sale: "Hóa đơn bán hàng",
    refund: "Phiếu trả hàng",
    copy: "BẢN SAO",
    till: "Quầy",
    subtotal: "Tạm tính",
    discount: "Giảm giá",
    coupon: "Phiếu giảm giá",
    exempt: "Miễn thuế",
    total: "TỔNG CỘNG",
    refunded: "HOÀN TIỀN",
    tax: "Thuế",
    net: "Chưa thuế",
    gross: "Có thuế",
    rounding: "Làm tròn tiền mặt",
    change: "Tiền thối",
    original: "Cho hóa đơn",
    age: "Đã kiểm tra tuổi",
    serial: "Số sê-ri",
    unsettled: "chưa quyết toán",
};

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::Vi => &VI,
    }
}

pub(crate) fn tender_name(kind: &TenderKind, language: Language) -> String {
    let (en, vi) = match kind {
        TenderKind::Cash => ("Cash", "Tiền mặt"),
        TenderKind::Card => ("Card", "Thẻ"),
        TenderKind::VietQr => ("VietQR", "VietQR"),
        TenderKind::BankTransfer => ("Bank transfer", "Chuyển khoản"),
        TenderKind::Voucher => ("Voucher", "Phiếu quà tặng"),
        TenderKind::GiftCard => ("Gift card", "Thẻ quà tặng"),
        TenderKind::OnAccount => ("On account", "Ghi nợ"),
        TenderKind::ForeignCash => ("Foreign cash", "Ngoại tệ"),
        TenderKind::Exchange => ("Exchange", "Đổi hàng"),
        TenderKind::Prepaid => ("Prepaid", "Trả trước"),
        TenderKind::Other(code) => (code.as_str(), code.as_str()),
    };
    match language {
        Language::En => en.to_owned(),
        Language::Vi => vi.to_owned(),
    }
}

/// A rate in percent: `23 %`, `8.875 %`.
pub fn percent(ppm: u32) -> String {
    let text = plain(i64::from(ppm), 4);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The receipt of a sale.
///
/// # Errors
/// [`Overflow`] only for a document that no engine made.
pub fn of_sale(head: &Head, sale: &SaleDocument) -> Result<Receipt, Overflow> {
    let words = words(head.language);
    let print = Print { words, language: head.language, currency: sale.inputs.rules.currency };
    let mut rows = Vec::new();
    for (input, outcome) in sale.inputs.lines.iter().zip(&sale.outcome.lines) {
        print.line(input, outcome, &sale.inputs, &mut rows)?;
    }
    rows.push(Row::Rule);
    print.order_discounts(sale, &mut rows)?;
    print.exemption(sale, &mut rows)?;
    if !sale.inputs.rules.prices_include_tax {
        rows.push(print.pair(words.net, sale.outcome.net));
        rows.push(print.pair(words.tax, sale.outcome.tax));
    }
    print.paid(words.total, &sale.outcome.settlement, &sale.inputs.tenders, &mut rows);
    print.taxes(&sale.outcome.groups, &mut rows);
    Ok(print.receipt(head, words.sale, rows))
}

/// The receipt of a refund.
///
/// # Errors
/// [`Overflow`] only for a document that no engine made.
pub fn of_refund(head: &Head, refund: &RefundDocument) -> Result<Receipt, Overflow> {
    let words = words(head.language);
    let print = Print { words, language: head.language, currency: refund.inputs.rules.currency };
    let mut rows = Vec::new();
    if let Some(original) = &refund.inputs.original {
        let number = format!("{}-{}", original.series, original.n);
        rows.push(Row::Note { text: format!("{}: {number}", words.original) });
    }
    for (input, outcome) in refund.inputs.lines.iter().zip(&refund.outcome.lines) {
        rows.push(print.returned(input, outcome.net.plus(outcome.tax)?));
        print.serials(&input.serials, &mut rows);
    }
    rows.push(Row::Rule);
    print.paid(words.refunded, &refund.outcome.settlement, &refund.inputs.tenders, &mut rows);
    print.taxes(&refund.outcome.groups, &mut rows);
    Ok(print.receipt(head, words.refund, rows))
}

/// How one document is put into words.
#[derive(Clone, Copy)]
struct Print {
    words: &'static Words,
    language: Language,
    currency: Currency,
}

impl Print {
    fn receipt(self, head: &Head, title: &str, rows: Vec<Row>) -> Receipt {
        let cashier = head.cashier.iter().map(|who| format!(" · {who}"));
        Receipt {
            header: head.header.clone(),
            title: title.to_owned(),
            copy: head.copy.map(|n| format!("*** {} {n} ***", self.words.copy)),
            number: head.number.clone(),
            when: head.when.clone(),
            served: format!("{} {}{}", self.words.till, head.till, cashier.collect::<String>()),
            currency: self.currency.code().to_owned(),
            rows,
            footer: head.footer.clone(),
        }
    }

    fn text(self, amount: Money) -> String {
        amount.text(self.currency)
    }

    /// An amount that comes off.
    fn minus(self, amount: Money) -> Result<String, Overflow> {
        Ok(self.text(amount.negated()?))
    }

    fn pair(self, label: &str, amount: Money) -> Row {
        Row::Pair { label: label.to_owned(), amount: self.text(amount) }
    }

    fn line(
        self,
        input: &LineInput,
        outcome: &LineOutcome,
        inputs: &SaleInputs,
        rows: &mut Vec<Row>,
    ) -> Result<(), Overflow> {
        let detail = self.detail(input.quantity, &input.unit, input.label_amount.is_none(), input.unit_price);
        rows.push(Row::Item { name: input.name.clone(), detail, amount: self.text(outcome.base) });
        for (discount, off) in input.discounts.iter().zip(&outcome.discounts) {
            let label = self.discount_label(self.words.discount, discount.kind);
            rows.push(Row::Under { label, amount: self.minus(*off)? });
        }
        for (index, off) in &outcome.promotions {
            let name = inputs.promotions.get(usize::from(*index)).map_or("", |promotion| &promotion.name);
            rows.push(Row::Under { label: name.to_owned(), amount: self.minus(*off)? });
        }
        self.serials(&input.serials, rows);
        if let Some(check) = &input.age_check {
            let label = format!("{} ({}+)", self.words.age, check.min_age);
            rows.push(Row::Under { label, amount: String::new() });
        }
        Ok(())
    }

    /// `2 x 7.95`, `0.346 kg x 18.90`; nothing for one piece.
    fn detail(self, quantity: Quantity, unit: &Unit, priced: bool, price: Money) -> Option<String> {
        let sign = unit.sign();
        if quantity == Quantity(THOUSAND) && sign.is_empty() {
            return None;
        }
        let amount = format!("{quantity} {sign}");
        let price = if priced { format!(" x {}", self.text(price)) } else { String::new() };
        Some(format!("{}{price}", amount.trim_end()))
    }

    fn returned(self, line: &RefundLineInput, amount: Money) -> Row {
        let detail = self.detail(line.quantity, &line.unit, false, Money::ZERO);
        Row::Item { name: line.name.clone(), detail, amount: self.text(amount) }
    }

    fn serials(self, serials: &[String], rows: &mut Vec<Row>) {
        rows.extend(serials.iter().map(|serial| Row::Under {
            label: format!("{}: {serial}", self.words.serial),
            amount: String::new(),
        }));
    }

    fn discount_label(self, what: &str, kind: DiscountKind) -> String {
        match kind {
            DiscountKind::Percent(ppm) => format!("{what} {}", percent(ppm)),
            DiscountKind::Fixed(_) => what.to_owned(),
        }
    }

    /// The subtotal and what came off the whole order; nothing where nothing did.
    fn order_discounts(self, sale: &SaleDocument, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        if sale.inputs.order_discounts.is_empty() {
            return Ok(());
        }
        let shares = |k: usize| {
            Money::sum(sale.outcome.lines.iter().filter_map(|line| line.order_shares.get(k).copied()))
        };
        let left = Money::sum(sale.outcome.lines.iter().map(|line| line.amount))?;
        let off: Vec<Money> = (0..sale.inputs.order_discounts.len()).map(shares).collect::<Result<_, _>>()?;
        rows.push(self.pair(self.words.subtotal, left.plus(Money::sum(off.iter().copied())?)?));
        for (discount, off) in sale.inputs.order_discounts.iter().zip(off) {
            let label = match &discount.coupon {
                Some(code) => format!("{} {code}", self.words.coupon),
                None => self.discount_label(self.words.discount, discount.kind),
            };
            rows.push(Row::Pair { label, amount: self.minus(off)? });
        }
        Ok(())
    }

    /// The tax that an exempt customer doesn't pay.
    fn exemption(self, sale: &SaleDocument, rows: &mut Vec<Row>) -> Result<(), Overflow> {
        let Some(exemption) = &sale.inputs.exemption else { return Ok(()) };
        let amounts = Money::sum(sale.outcome.lines.iter().map(|line| line.amount))?;
        let label = format!("{} ({} {})", self.words.exempt, exemption.reason, exemption.certificate);
        rows.push(Row::Pair { label, amount: self.text(sale.outcome.net.minus(amounts)?) });
        Ok(())
    }

    fn paid(self, label: &str, paid: &Settlement, tenders: &[Tender], rows: &mut Vec<Row>) {
        rows.push(Row::Total {
            label: format!("{label} {}", self.currency.code()),
            amount: self.text(paid.total),
        });
        if !paid.rounding.is_zero() {
            rows.push(self.pair(self.words.rounding, paid.rounding));
        }
        rows.extend(tenders.iter().map(|tender| self.tender(tender)));
        if !paid.change.is_zero() {
            rows.push(self.pair(self.words.change, paid.change));
        }
    }

    fn tender(self, tender: &Tender) -> Row {
        let mut label = tender_name(&tender.kind, self.language);
        if let Some(foreign) = &tender.foreign {
            let amount = foreign.amount.text(foreign.currency);
            label = format!("{label} {amount} {}", foreign.currency.code());
        }
        if matches!(tender.state, TenderState::Stored | TenderState::Unconfirmed) {
            label = format!("{label} ({})", self.words.unsettled);
        }
        self.pair(&label, tender.amount)
    }

    fn taxes(self, groups: &[TaxGroup], rows: &mut Vec<Row>) {
        let words = self.words;
        rows.push(Row::Rule);
        rows.push(Row::Tax {
            label: words.tax.to_owned(),
            net: words.net.to_owned(),
            tax: words.tax.to_owned(),
            gross: words.gross.to_owned(),
        });
        rows.extend(groups.iter().map(|group| Row::Tax {
            label: percent(group.tax.ppm),
            net: self.text(group.net),
            tax: self.text(group.amount),
            gross: self.text(group.gross),
        }));
    }
}
