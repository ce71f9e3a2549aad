//! Outside words to inside types: parsed once, here.

use super::staff::ApprovalBody;
use crate::app::problem::{Answer, Code, no, no_at};
use crate::app::request::{SaleLine, TEXT_CHARS_MAX, Wish};
use crate::app::voucher;
use serde::Deserialize;
use tradepost_commerce::document::{
    AgeCheck, Discount, DiscountKind, Exemption, Foreign, PoolDraw, Sku, StaffId, Tender, TenderKind,
    TenderState,
};
use tradepost_commerce::money::{Currency, Money};
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::ids::Id;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page where none are asked for, and the most there may be.
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 200;

/// One line that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineBody {
    /// The item's code.
    pub sku: Option<String>,
    /// Whatever a scanner read, or a PLU.
    pub code: Option<String>,
    /// Thousandths of the pricing unit; 1000 where neither it nor a label says.
    pub quantity_milli: Option<i64>,
    /// A price given by hand, in minor units.
    pub unit_price: Option<i64>,
    /// Why that price.
    pub price_reason: Option<String>,
    /// Discounts on the line.
    #[serde(default)]
    pub discounts: Vec<DiscountBody>,
    /// Serial numbers.
    #[serde(default)]
    pub serials: Vec<String>,
    /// The age check.
    pub age_check: Option<AgeCheckBody>,
    /// The reservation that this line hands over; in a sale of one call.
    pub reservation: Option<String>,
    /// A voucher or gift card that is sold, instead of an item.
    pub voucher: Option<VoucherBody>,
    /// Somebody's PIN, for what the one at the till may not do; on a line of a cart.
    pub approval: Option<ApprovalBody>,
}

/// A voucher or gift card that is sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoucherBody {
    /// What is printed on it: letters, digits and hyphens.
    pub code: String,
    /// What is paid for it, in minor units.
    pub amount: i64,
    /// Which of the two.
    #[serde(default)]
    pub kind: VoucherKindBody,
}

/// A voucher or a gift card.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoucherKindBody {
    /// A gift card.
    #[default]
    GiftCard,
    /// A voucher.
    Voucher,
}

/// A discount somebody gives.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscountBody {
    /// How it takes off.
    pub kind: DiscountKindBody,
    /// Parts per million, or minor units.
    pub value: i64,
    /// Reason code.
    pub reason: String,
    /// Who allowed it.
    pub approver: Option<String>,
    /// The coupon behind it; only on the whole order.
    pub coupon: Option<String>,
    /// Somebody's PIN, for what the one at the till may not do; on a discount of a cart.
    pub approval: Option<ApprovalBody>,
}

/// How a discount takes off.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountKindBody {
    /// Parts per million.
    Percent,
    /// Minor units.
    Fixed,
}

/// Proof that an age was checked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeCheckBody {
    /// Years.
    pub min_age: u8,
    /// How, e.g. `id`, `sight`.
    pub method: String,
}

/// Why a sale bears no tax.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExemptionBody {
    /// Reason code.
    pub reason: String,
    /// Number of the certificate.
    pub certificate: String,
}

/// A means of payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenderBody {
    /// What kind of money.
    pub kind: TenderKindBody,
    /// Minor units; for cash what was handed over.
    pub amount: i64,
    /// Reference of the terminal or of the bank.
    pub reference: Option<String>,
    /// The currency of foreign cash; then the amount is in its minor units.
    pub currency: Option<String>,
    /// What is printed on a voucher or gift card.
    pub code: Option<String>,
}

/// What kind of money.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenderKindBody {
    /// Notes and coins.
    Cash,
    /// A card at a terminal.
    Card,
    /// A voucher.
    Voucher,
    /// A gift card.
    GiftCard,
    /// A VietQR transfer that the cashier saw.
    #[serde(rename = "vietqr")]
    VietQr,
    /// A bank transfer.
    BankTransfer,
    /// Notes of another currency.
    ForeignCash,
    /// Anything else.
    Other,
}

impl TenderKindBody {
    /// The kind.
    pub fn kind(self) -> TenderKind {
        match self {
            TenderKindBody::Cash => TenderKind::Cash,
            TenderKindBody::Card => TenderKind::Card,
            TenderKindBody::Voucher => TenderKind::Voucher,
            TenderKindBody::GiftCard => TenderKind::GiftCard,
            TenderKindBody::VietQr => TenderKind::VietQr,
            TenderKindBody::BankTransfer => TenderKind::BankTransfer,
            TenderKindBody::ForeignCash => TenderKind::ForeignCash,
            TenderKindBody::Other => TenderKind::Other("other".to_owned()),
        }
    }
}

/// Paging.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows of a page, 1 to 200.
    pub limit: Option<usize>,
    /// Where to go on: `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// Rows of a page.
    ///
    /// # Errors
    /// `BAD_QUERY`.
    pub fn rows(&self) -> Answer<usize> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            limit => Err(no(Code::BadQuery, format!("limit {limit} is not between 1 and {LIMIT_MAX}"))),
        }
    }

    /// The cursor as a number.
    ///
    /// # Errors
    /// `BAD_QUERY`.
    pub fn place(&self) -> Answer<Option<i64>> {
        let parse =
            |text: &String| text.parse().map_err(|_| no(Code::BadQuery, "the cursor is none of this list's"));
        self.cursor.as_ref().map(parse).transpose()
    }
}

/// A document's id out of the address: a UUID of version 7.
///
/// # Errors
/// `BAD_SALE_ID`.
pub fn document_id(text: &str) -> Answer<Id> {
    let id = Id::parse(text).map_err(|e| no(Code::BadSaleId, e.to_string()))?;
    if id.is_uuid_v7() {
        return Ok(id);
    }
    Err(no(Code::BadSaleId, format!("{id} is no UUID of version 7")))
}

/// Any object's id.
///
/// # Errors
/// `BAD_ID` at `pointer`.
pub fn id(text: &str, pointer: &str) -> Answer<Id> {
    Id::parse(text).map_err(|e| no_at(Code::BadId, pointer, e.to_string()))
}

/// A SKU.
///
/// # Errors
/// `UNKNOWN_SKU` at `pointer`: what is no code names no item.
pub fn sku(text: &str, pointer: &str) -> Answer<Sku> {
    Sku::parse(text).map_err(|e| no_at(Code::UnknownSku, pointer, e.to_string()))
}

/// A person of the staff.
///
/// # Errors
/// `WRONG_TYPE` at `pointer`.
pub fn staff(text: Option<&String>, pointer: &str) -> Answer<Option<StaffId>> {
    let parse =
        |text: &String| StaffId::parse(text).map_err(|e| no_at(Code::WrongType, pointer, e.to_string()));
    text.map(parse).transpose()
}

/// Short printable text.
///
/// # Errors
/// `WRONG_TYPE` at `pointer`.
pub fn short(text: &str, pointer: &str) -> Answer<String> {
    let text = text.trim();
    let fits = text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control);
    if fits {
        return Ok(text.to_owned());
    }
    Err(no_at(Code::WrongType, pointer, format!("at most {TEXT_CHARS_MAX} printable characters")))
}

impl LineBody {
    /// The line; `at` is its own pointer.
    ///
    /// # Errors
    /// What is wrong with it, where.
    pub fn parse(&self, at: &str) -> Answer<SaleLine> {
        let wish = match (&self.sku, &self.code) {
            (None, None) if self.voucher.is_some() => self.voucher_wish(at)?,
            (_, _) if self.voucher.is_some() => {
                let detail = "a voucher is sold on a line of its own";
                return Err(no_at(Code::UnknownField, format!("{at}/voucher"), detail));
            }
            (Some(text), None) => Wish::Sku(sku(text, &format!("{at}/sku"))?),
            (None, Some(code)) => Wish::Code(code.trim().to_owned()),
            (None, None) => {
                return Err(no_at(Code::MissingField, format!("{at}/sku"), "sku or code is missing"));
            }
            (Some(_), Some(_)) => {
                return Err(no_at(
                    Code::UnknownField,
                    format!("{at}/code"),
                    "sku and code exclude each other",
                ));
            }
        };
        let price = match (self.unit_price, &self.price_reason) {
            (None, None) => None,
            (Some(price), Some(reason)) => {
                Some((Money(price), short(reason, &format!("{at}/price_reason"))?))
            }
            (Some(_), None) => {
                return Err(no_at(
                    Code::MissingField,
                    format!("{at}/price_reason"),
                    "a price by hand needs a reason",
                ));
            }
            (None, Some(_)) => {
                return Err(no_at(
                    Code::MissingField,
                    format!("{at}/unit_price"),
                    "a reason without a price",
                ));
            }
        };
        Ok(SaleLine {
            wish,
            quantity: self.quantity_milli.map(Quantity),
            price,
            discounts: discounts(&self.discounts, &format!("{at}/discounts"))?,
            serials: serials(&self.serials, &format!("{at}/serials"))?,
            age_check: self.age_check.as_ref().map(|check| age_check(check, at)).transpose()?,
            reservation: self
                .reservation
                .as_deref()
                .map(|r| id(r, &format!("{at}/reservation")))
                .transpose()?,
        })
    }
}

impl LineBody {
    fn voucher_wish(&self, at: &str) -> Answer<Wish> {
        let Some(voucher) = &self.voucher else {
            return Err(no_at(Code::MissingField, format!("{at}/voucher"), "voucher is missing"));
        };
        let only = self.quantity_milli.is_none() && self.unit_price.is_none() && self.discounts.is_empty();
        if !only {
            let detail = "a voucher is one, at its value, and nothing is taken off it";
            return Err(no_at(Code::UnknownField, format!("{at}/voucher"), detail));
        }
        let code = voucher::parse_code(&voucher.code, &format!("{at}/voucher/code"))?;
        let kind = match voucher.kind {
            VoucherKindBody::GiftCard => TenderKind::GiftCard,
            VoucherKindBody::Voucher => TenderKind::Voucher,
        };
        Ok(Wish::Voucher { kind, code, amount: Money(voucher.amount) })
    }
}

/// Serial numbers; `at` is their list's pointer.
///
/// # Errors
/// `WRONG_TYPE`, where.
pub fn serials(given: &[String], at: &str) -> Answer<Vec<String>> {
    given.iter().enumerate().map(|(i, serial)| short(serial, &format!("{at}/{i}"))).collect()
}

/// The check of an age; `at` is the pointer of what holds it.
///
/// # Errors
/// `WRONG_TYPE`, where.
pub fn age_check(check: &AgeCheckBody, at: &str) -> Answer<AgeCheck> {
    let method = short(&check.method, &format!("{at}/age_check/method"))?;
    Ok(AgeCheck { min_age: check.min_age, method })
}

/// Discounts; `at` is their list's pointer.
///
/// # Errors
/// What is wrong with them, where.
pub fn discounts(given: &[DiscountBody], at: &str) -> Answer<Vec<Discount>> {
    given.iter().enumerate().map(|(i, discount)| discount.parse(&format!("{at}/{i}"))).collect()
}

impl DiscountBody {
    /// The discount; `at` is its own pointer.
    ///
    /// # Errors
    /// What is wrong with it, where.
    pub fn parse(&self, at: &str) -> Answer<Discount> {
        let kind = match self.kind {
            DiscountKindBody::Fixed => DiscountKind::Fixed(Money(self.value)),
            DiscountKindBody::Percent => {
                let ppm = u32::try_from(self.value).map_err(|_| {
                    no_at(Code::BadDiscount, format!("{at}/value"), "a percentage is between nothing and all")
                })?;
                DiscountKind::Percent(ppm)
            }
        };
        Ok(Discount {
            kind,
            reason: short(&self.reason, &format!("{at}/reason"))?,
            approver: staff(self.approver.as_ref(), &format!("{at}/approver"))?,
            coupon: self.coupon.as_deref().map(|c| short(c, &format!("{at}/coupon"))).transpose()?,
            pool: None,
        })
    }
}

impl ExemptionBody {
    /// The exemption.
    ///
    /// # Errors
    /// `WRONG_TYPE`.
    pub fn parse(&self) -> Answer<Exemption> {
        Ok(Exemption {
            reason: short(&self.reason, "/exemption/reason")?,
            certificate: short(&self.certificate, "/exemption/certificate")?,
        })
    }
}

/// Tenders. A card with the terminal's reference is captured; so is what the cashier holds or sees; a bank transfer
/// waits for the bank's list (`facts.md` §4).
///
/// # Errors
/// What is wrong with them, where.
pub fn tenders(given: &[TenderBody]) -> Answer<Vec<Tender>> {
    given.iter().enumerate().map(|(index, tender)| one_tender(tender, index, false)).collect()
}

/// The same, where a card without a reference is taken by the till's own terminal.
///
/// # Errors
/// As [`tenders`].
pub fn tenders_by_terminal(given: &[TenderBody]) -> Answer<Vec<Tender>> {
    given.iter().enumerate().map(|(index, tender)| one_tender(tender, index, true)).collect()
}

fn one_tender(tender: &TenderBody, index: usize, by_terminal: bool) -> Answer<Tender> {
    let reference = tender.reference.as_deref().filter(|r| !r.trim().is_empty());
    let reference = reference.map(|r| short(r, &format!("/tenders/{index}/reference"))).transpose()?;
    let at = |field: &str| format!("/tenders/{index}/{field}");
    let kind = tender.kind.kind();
    if kind == TenderKind::Card && reference.is_none() && !by_terminal {
        let detail = "a card needs the reference of its terminal";
        return Err(no_at(Code::TenderNotTaken, at("reference"), detail));
    }
    let state = match kind {
        TenderKind::BankTransfer | TenderKind::VietQr => TenderState::Unconfirmed,
        _ => TenderState::Captured,
    };
    let currency = tender.currency.as_deref().map(|text| currency(text, &at("currency"))).transpose()?;
    let foreign = match (&kind, currency) {
        (TenderKind::ForeignCash, Some(currency)) => {
            // The node fills in its rate.
            Some(Foreign { currency, amount: Money(tender.amount), rate: 0 })
        }
        (TenderKind::ForeignCash, None) => {
            return Err(no_at(Code::MissingField, at("currency"), "foreign cash needs its currency"));
        }
        (_, Some(_)) => {
            return Err(no_at(Code::UnknownField, at("currency"), "only foreign cash has a currency"));
        }
        (_, None) => None,
    };
    let code = tender.code.as_deref().map(|code| voucher::parse_code(code, &at("code"))).transpose()?;
    let pool = match (&kind, code) {
        (TenderKind::Voucher | TenderKind::GiftCard, Some(pool)) => {
            Some(PoolDraw { pool, used: Money(tender.amount) })
        }
        (TenderKind::GiftCard, None) => {
            return Err(no_at(Code::MissingField, at("code"), "what is printed on it is missing"));
        }
        (_, Some(_)) => {
            return Err(no_at(Code::UnknownField, at("code"), "only vouchers and gift cards have a code"));
        }
        (_, None) => None,
    };
    Ok(Tender {
        key: None,
        kind,
        amount: Money(tender.amount),
        foreign,
        state,
        reference,
        pool,
        original: None,
    })
}

/// A currency's three letters.
///
/// # Errors
/// `WRONG_TYPE` at `pointer`.
pub fn currency(text: &str, pointer: &str) -> Answer<Currency> {
    Currency::parse(text).map_err(|e| no_at(Code::WrongType, pointer, e.to_string()))
}
