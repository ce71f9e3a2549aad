//! Every "no" a caller can get, by its stable code (RFC 9457 over HTTP; `resilience.md`).

use crate::db::Fault;
use tradepost_commerce::refusal::{RefundRefusal, Refusal};
use tradepost_commerce::tender_life::TenderRefusal;

/// Why something did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A business "no", or a request that makes no sense. Nothing was changed.
    No(Box<Problem>),
    /// The disk or the file.
    Fault(Fault),
}

/// What `app` answers.
pub type Answer<T> = Result<T, Stop>;

/// A "no" with its name and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub code: Code,
    /// The sentence, with the numbers.
    pub detail: String,
    /// Where it sits, in parts.
    pub errors: Vec<FieldError>,
}

/// Trouble in one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// RFC 6901 pointer into the request.
    pub pointer: String,
    /// The finer name.
    pub code: String,
    /// The sentence.
    pub detail: String,
}

macro_rules! codes {
    ($( $name:ident = $text:literal, $status:literal, $retryable:literal, $title:literal, $help:literal; )*) => {
        /// The stable names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "title and help of each are beside it, and served under /problems")]
        pub enum Code { $( $name, )* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$( Code::$name, )*];

            /// SCREAMING_SNAKE, as programs compare it.
            pub fn name(self) -> &'static str {
                match self { $( Code::$name => $text, )* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $( Code::$name => $status, )* }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $( Code::$name => $retryable, )* }
            }

            /// A few words.
            pub fn title(self) -> &'static str {
                match self { $( Code::$name => $title, )* }
            }

            /// What to do about it.
            pub fn help(self) -> &'static str {
                match self { $( Code::$name => $help, )* }
            }
        }
    };
}

codes! {
    UnknownSku = "UNKNOWN_SKU", 422, false, "No such item", "Check the SKU; the catalog has no item of that code.";
    UnknownBarcode = "UNKNOWN_BARCODE", 422, false, "No item has this barcode", "Search for the item by name, or add the barcode to its product.";
    NoSuchCode = "UNKNOWN_BARCODE", 404, false, "No item has this code", "Search for the item by name, or add the code to its product.";
    BadCheckDigit = "BAD_CHECK_DIGIT", 422, false, "The check digit is wrong", "The code was misread: scan it again.";
    BadCode = "BAD_CODE", 422, false, "The code can't be read", "Scan it again or type it.";
    BadQuantity = "BAD_QUANTITY", 422, false, "The quantity can't be sold", "Quantities are thousandths of the pricing unit, above zero, whole in what the shelf counts, and within the settings' limit.";
    BadMoney = "BAD_MONEY", 422, false, "The amount makes no sense", "Amounts are whole minor units, not below zero.";
    ShortTender = "SHORT_TENDER", 422, false, "Not enough was paid", "Take what is still due; the detail says how much.";
    TenderNotTaken = "TENDER_NOT_TAKEN", 422, false, "A tender was not taken", "Only money that was taken pays.";
    EmptyBasket = "EMPTY_BASKET", 422, false, "Nothing to sell", "Name at least one line.";
    TooManyLines = "TOO_MANY_LINES", 422, false, "Too many lines", "Split it into two documents.";
    SaleIdReused = "SALE_ID_REUSED", 422, false, "This id belongs to another request", "Make a new id for a new sale. The same id is only for the very same request.";
    BadSaleId = "BAD_SALE_ID", 422, false, "Not a usable id", "Ids of sales and refunds are UUIDs of version 7.";
    BadId = "BAD_ID", 422, false, "Not a usable id", "Ids are UUIDs.";
    BadTill = "BAD_TILL", 422, false, "Not a usable till", "A till is named by 1 to 8 letters and digits.";
    NotForSale = "NOT_FOR_SALE", 422, false, "The item is not for sale", "It is not, or no longer, in the range.";
    NoPrice = "NO_PRICE", 422, false, "The item has no price", "Publish a price, or give one by hand with a reason.";
    NoTaxRate = "NO_TAX_RATE", 422, false, "No tax rate is in force", "Add a rate for the item's tax category to the settings.";
    BadDiscount = "BAD_DISCOUNT", 422, false, "The discount makes no sense", "A percentage is between nothing and all, a fixed amount not below zero; coupons go on the whole order.";
    SerialsMissing = "SERIALS_MISSING", 422, false, "Serial numbers are missing", "Scan the serial number of every piece.";
    AgeCheckRequired = "AGE_CHECK_REQUIRED", 422, false, "The customer's age must be checked", "Check it and say how, in age_check of the line.";
    StrictStockShort = "STRICT_STOCK_SHORT", 409, true, "Not enough may be promised", "The item is sold only within the rights held here; receive goods or ask the hub for rights.";
    LeaseExpired = "LEASE_EXPIRED", 409, true, "The node's lease does not hold", "Reach the hub: it renews the lease by itself. Goods in the customer's hand are sold meanwhile; goods that are sold only within rights are not.";
    RightsShort = "RIGHTS_SHORT", 409, true, "Too few rights here", "The detail says how many are free; take fewer, or let somebody allow it where that is possible.";
    ReservationEnded = "RESERVATION_ENDED", 409, false, "The reservation has ended", "It was handed out, cancelled or ran out; the detail says which.";
    ReservationPayment = "RESERVATION_PAYMENT", 409, false, "Paid another way", "A prepaid reservation is handed out with fulfil; any other one is sold on a line of a sale.";
    AlreadyClosed = "ALREADY_CLOSED", 409, false, "It was closed before", "Read it again to see how it ended.";
    UnknownIncarnation = "UNKNOWN_INCARNATION", 422, false, "Nobody to give to", "Name the hub, or a node of the store's roster that is neither fenced nor retired.";
    UnknownStore = "UNKNOWN_STORE", 422, false, "No such store", "Name another store of the chain by its code.";
    TotalChanged = "TOTAL_CHANGED", 409, true, "The total is another one now", "Show the new total to the customer and ask again.";
    CartClosed = "CART_CLOSED", 409, false, "The cart is closed", "It is parked, paid or voided; resume it or open a new one.";
    CartEmpty = "CART_EMPTY", 422, false, "The cart is empty", "Scan something first.";
    NoSuchLine = "NO_SUCH_LINE", 404, false, "No such line", "Read the cart again.";
    NotOwner = "NOT_OWNER", 409, false, "Another till is the cart's custodian", "Ask to be handed it, or clone it where that till can't be reached.";
    NotCustodian = "NOT_CUSTODIAN", 409, false, "Another one holds it", "Only its custodian may finish it.";
    MoreThanSold = "MORE_THAN_SOLD", 422, false, "More than was sold", "The detail says what was sold and what came back before.";
    BadRefund = "BAD_REFUND", 422, false, "The refund makes no sense", "The detail says why.";
    NotFound = "NOT_FOUND", 404, false, "Not here", "Check the address.";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, false, "Not this way", "The Allow header names the methods there are.";
    UnknownField = "UNKNOWN_FIELD", 422, false, "A field nobody knows", "Take it out, or check its spelling.";
    MissingField = "MISSING_FIELD", 422, false, "A field is missing", "Add it.";
    WrongType = "WRONG_TYPE", 422, false, "A value of the wrong kind", "Numbers are JSON numbers without quotes, ids are text.";
    BadJson = "BAD_JSON", 400, false, "Not JSON", "Send one JSON document.";
    BadQuery = "BAD_QUERY", 400, false, "The query makes no sense", "Check the parameters after the question mark.";
    BodyTooLarge = "BODY_TOO_LARGE", 413, false, "Too much at once", "A body may have 1 MB.";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, false, "Only JSON is taken", "Send content-type: application/json.";
    MisdirectedHost = "MISDIRECTED_HOST", 421, false, "Not the host you mean", "Use an address this node was told to answer for.";
    BadOrigin = "BAD_ORIGIN", 403, false, "Another site's page", "Only the node's own pages may write.";
    Closing = "CLOSING", 503, true, "The node is closing", "Try again in a moment.";
    DiskFull = "DISK_FULL", 507, true, "The disk is full", "Make room; nothing was written, and it resumes by itself.";
    EnrolledCatalog = "ENROLLED_CATALOG", 409, false, "The hub keeps the catalog", "Change it at the hub.";
    NotEnrolled = "NOT_ENROLLED", 409, false, "Not enrolled", "Enrol the node with a code from the hub first.";
    CustomerErased = "CUSTOMER_ERASED", 409, false, "The customer was erased", "That is final: a customer who comes back gets a new id.";
    NotReadyToRetire = "NOT_READY_TO_RETIRE", 409, false, "Not ready to retire", "Finish what the detail names, or say force.";
    NodeRetired = "NODE_RETIRED", 409, false, "The node has retired", "Enrol it with a new code from the hub.";
    AlreadyEnrolled = "ALREADY_ENROLLED", 409, false, "Enrolled already", "A node belongs to one store.";
    EnrolmentRefused = "ENROLMENT_REFUSED", 403, false, "The hub refused the code", "Make a new code at the hub; each is good once and for ten minutes.";
    HubUnreachable = "HUB_UNREACHABLE", 503, true, "The hub can't be reached", "Selling goes on; check the cable and the address.";
    ApprovalRequired = "APPROVAL_REQUIRED", 403, false, "Somebody must allow it", "Send approval with the staff and PIN of somebody whose role is enough; the detail says which.";
    BadPin = "BAD_PIN", 403, false, "The PIN is wrong", "Type it again; after five wrong ones it is locked for a while.";
    PinLocked = "PIN_LOCKED", 429, true, "Too many wrong PINs", "Wait as long as the detail says, or ask somebody else.";
    BadPinFormat = "BAD_PIN_FORMAT", 422, false, "Not a usable PIN", "A PIN has 4 to 12 digits.";
    KeptByHub = "KEPT_BY_HUB", 409, false, "The hub keeps this", "Change it at the hub; it comes here with the next sync.";
    UnknownStaff = "UNKNOWN_STAFF", 422, false, "Nobody of that name", "Check the id; who left can't sign on.";
    FirstStaff = "FIRST_STAFF", 422, false, "A manager comes first", "The first record of staff is an active manager with a PIN.";
    LastManager = "LAST_MANAGER", 409, false, "The last manager", "Make another manager first.";
    SignOnRequired = "SIGN_ON_REQUIRED", 403, false, "Nobody is signed on", "Sign on at the till with your PIN.";
    ShiftRequired = "SHIFT_REQUIRED", 409, false, "No shift is open", "Open a shift at the till first.";
    ShiftClosing = "SHIFT_CLOSING", 409, false, "The drawer is being counted", "Close the shift and open the next one.";
    ShiftOpen = "SHIFT_OPEN", 409, false, "A shift is open", "Close it first.";
    NoShift = "NO_SHIFT", 404, false, "No such shift", "Open a shift first, or read the till again.";
    OrphanShift = "ORPHAN_SHIFT", 409, false, "A lost shift waits", "Close the shift of the lost node first, with a count of the drawer.";
    TillElsewhere = "TILL_ELSEWHERE", 409, false, "The till is another node's", "Close its shift there, or use another till.";
    CountMissing = "COUNT_MISSING", 422, false, "A drawer was not counted", "Give what lies in the drawer, one of each currency.";
    BadCash = "BAD_CASH", 422, false, "The cash makes no sense", "Name each currency and each note once; their sum is the sum.";
    ReasonMissing = "REASON_MISSING", 422, false, "A reason is missing", "Say why.";
    NotInDrawer = "NOT_IN_DRAWER", 409, false, "Not that much in the drawer", "The detail says what should be there.";
    DifferenceNeedsApproval = "DIFFERENCE_NEEDS_APPROVAL", 403, false, "The drawer is off", "Count again, or let a manager allow it.";
    NoPrinter = "NO_PRINTER", 409, false, "The till has no printer", "Set one, or show the paper on the screen.";
    BadPrinter = "BAD_PRINTER", 422, false, "Not a usable printer", "Name it as tcp://HOST:PORT or file:/PATH.";
    TenderUnsettled = "TENDER_UNSETTLED", 409, true, "A tender is still open", "Ask the terminal again, or undo the tender; the detail says which.";
    TenderClaimed = "TENDER_CLAIMED", 409, false, "A document claims it", "Only a refund gives the money back.";
    NoSuchTenderStep = "NO_SUCH_TENDER_STEP", 409, false, "The tender can't go that way", "Read it again; the detail says where it stands.";
    NotForThisTender = "NOT_FOR_THIS_TENDER", 422, false, "Not for this kind of money", "The detail says what it can't do.";
    OverFloorLimit = "OVER_FLOOR_LIMIT", 422, false, "Too much for a card offline", "Take less on this card, another means, or wait until the terminal is online.";
    OverStoredSum = "OVER_STORED_SUM", 422, false, "Too many cards wait", "Take another means, or wait until stored cards were forwarded.";
    OverQuota = "OVER_QUOTA", 422, false, "More than may be used here", "The detail says what is left of it here.";
    NoBankAccount = "NO_BANK_ACCOUNT", 409, false, "No account to pay to", "Set the store's bank account first.";
    VoidOtherShift = "VOID_OTHER_SHIFT", 409, false, "The sale is of another shift", "Refund it.";
    VoidRefundedBefore = "VOID_REFUNDED_BEFORE", 409, false, "Something of it came back", "Refund the rest.";
    VoidChangeGiven = "VOID_CHANGE_GIVEN", 409, false, "Change was given", "Refund it.";
    TrainingMode = "TRAINING_MODE", 409, false, "Practising and selling don't mix", "End the training of the till first, or begin it; the detail says which of both is practised.";
    UnverifiedQuota = "UNVERIFIED_QUOTA", 422, false, "Too much without proof today", "Refund it where it was sold, or once this node is linked; the hub sets the quota.";
    NoReceiptCap = "NO_RECEIPT_CAP", 422, false, "Too much without a receipt", "The detail says how much may be given back.";
    Unauthorized = "UNAUTHORIZED", 401, false, "Who are you?", "Sign in.";
    Forbidden = "FORBIDDEN", 403, false, "Not allowed", "Ask somebody who may.";
    EngineNotReady = "ENGINE_NOT_READY", 501, false, "Not built yet", "This part comes with a later version.";
    Internal = "INTERNAL", 500, true, "Something broke", "It is in the log, under the trace id.";
}

impl Problem {
    /// A problem of the whole request.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// A problem of one field.
    pub fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let error =
            FieldError { pointer: pointer.into(), code: code.name().to_owned(), detail: detail.clone() };
        Self { code, detail, errors: vec![error] }
    }
}

/// Refuses a whole request.
pub fn no(code: Code, detail: impl Into<String>) -> Stop {
    Stop::No(Box::new(Problem::new(code, detail)))
}

/// Refuses because of one field.
pub fn no_at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Stop {
    Stop::No(Box::new(Problem::at(code, pointer, detail)))
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Stop::Fault(error.into())
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::No(Box::new(problem))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::No(Box::new(refusal.into()))
    }
}

impl From<RefundRefusal> for Stop {
    fn from(refusal: RefundRefusal) -> Self {
        Stop::No(Box::new(refusal.into()))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = code_of(&refusal);
        pointed(code, refusal.code(), refusal.pointer(), refusal.to_string())
    }
}

impl From<RefundRefusal> for Problem {
    fn from(refusal: RefundRefusal) -> Self {
        let code = match &refusal {
            RefundRefusal::BadQuantity { .. } | RefundRefusal::NotWhole { .. } => Code::BadQuantity,
            RefundRefusal::MoreThanSold { .. } | RefundRefusal::MoreThanPaid { .. } => Code::MoreThanSold,
            RefundRefusal::EmptyRefund => Code::EmptyBasket,
            RefundRefusal::TooManyLines { .. } => Code::TooManyLines,
            RefundRefusal::Overflow(_) | RefundRefusal::BadTender { .. } => Code::BadMoney,
            RefundRefusal::ShortPayout { .. } => Code::ShortTender,
            RefundRefusal::TenderNotTaken { .. } => Code::TenderNotTaken,
            RefundRefusal::UnknownSerial { .. } => Code::SerialsMissing,
            _ => Code::BadRefund,
        };
        pointed(code, refusal.code(), refusal.pointer(), refusal.to_string())
    }
}

impl From<TenderRefusal> for Stop {
    fn from(refusal: TenderRefusal) -> Self {
        let code = match &refusal {
            TenderRefusal::NoSuchStep { .. } => Code::NoSuchTenderStep,
            TenderRefusal::ClaimedByDocument => Code::TenderClaimed,
            TenderRefusal::NotForThisKind { .. } => Code::NotForThisTender,
            TenderRefusal::OverFloorLimit { .. } => Code::OverFloorLimit,
            TenderRefusal::OverStoredSum { .. } => Code::OverStoredSum,
            TenderRefusal::OverQuota { .. } => Code::OverQuota,
            TenderRefusal::BadAmount { .. } | TenderRefusal::Overflow(_) => Code::BadMoney,
        };
        let amount = matches!(code, Code::NoSuchTenderStep | Code::TenderClaimed | Code::NotForThisTender);
        match amount {
            true => no(code, refusal.to_string()),
            false => no_at(code, "/amount", refusal.to_string()),
        }
    }
}

fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::EmptySale => Code::EmptyBasket,
        Refusal::TooManyLines { .. } => Code::TooManyLines,
        Refusal::BadQuantity { .. } | Refusal::QuantityTooLarge { .. } | Refusal::NotWhole { .. } => {
            Code::BadQuantity
        }
        Refusal::BadDiscount { .. }
        | Refusal::BadOrderDiscount { .. }
        | Refusal::CouponOnLine { .. }
        | Refusal::CouponNotLast { .. } => Code::BadDiscount,
        Refusal::NotForSale { .. } => Code::NotForSale,
        Refusal::NoPrice { .. } => Code::NoPrice,
        Refusal::NoTaxRate { .. } => Code::NoTaxRate,
        Refusal::NoSuchLine { .. } => Code::NoSuchLine,
        Refusal::AgeCheckMissing { .. } => Code::AgeCheckRequired,
        Refusal::SerialsMissing { .. } => Code::SerialsMissing,
        Refusal::TenderNotTaken { .. } => Code::TenderNotTaken,
        Refusal::ShortTender { .. } => Code::ShortTender,
        Refusal::BadPromotion { .. } | Refusal::BadCashStep { .. } | Refusal::UnknownCalc { .. } => {
            Code::Internal
        }
        Refusal::BadPrice { .. }
        | Refusal::TaxedLiability { .. }
        | Refusal::BadTender { .. }
        | Refusal::ForeignSide { .. }
        | Refusal::ForeignMismatch { .. }
        | Refusal::Overflow(_) => Code::BadMoney,
    }
}

/// The engine's field names are the documents'; a request's are a little different.
fn pointed(code: Code, fine: &str, pointer: Option<String>, detail: String) -> Problem {
    let pointer =
        pointer.map(|p| p.replace("/order_discounts", "/discounts").replace("/quantity", "/quantity_milli"));
    let errors = pointer
        .map(|pointer| FieldError { pointer, code: fine.to_owned(), detail: detail.clone() })
        .into_iter();
    Problem { code, errors: errors.collect(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_named_and_explained() {
        for code in Code::ALL {
            assert!(code.name().chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{code:?}");
            assert!((400..=599).contains(&code.status()), "{code:?}");
            assert!(code.help().ends_with('.') || code.help().ends_with('?'), "{code:?}");
        }
    }

    #[test]
    fn a_refusal_points_into_the_request() {
        use tradepost_commerce::quantity::Quantity;
        let problem = Problem::from(Refusal::BadQuantity { line: 2, quantity: Quantity(-5) });
        assert_eq!(problem.code, Code::BadQuantity);
        assert_eq!(problem.errors[0].pointer, "/lines/2/quantity_milli");
    }
}
