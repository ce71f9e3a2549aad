//! A shop's table of products in the columns of Shopify's product CSV: both dialects are read, the newer one is written.
//!
//! A row is a variant; rows of one handle share what the first of them says (title, category, status). Rows that only
//! bring a picture, and gift cards (here a kind of tender), are left out. Stock, pictures and texts of a web page aren't
//! the catalog's and are passed over by their column.

use super::import::Listing;
use super::{Code, Fault, FieldFault};
use csv::StringRecord;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_commerce::gtin::Gtin;
use tradepost_commerce::money::Currency;
use tradepost_commerce::money::Money;
use tradepost_commerce::product::Product;

/// What a column means here, and its names: the newer one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Handle,
    Title,
    Category,
    Type,
    Status,
    Sku,
    Barcode,
    Option1,
    Option2,
    Option3,
    Price,
    Cost,
    ChargeTax,
    TaxCode,
    GiftCard,
}

const COLUMNS: &[(Column, &str, &str)] = &[
    (Column::Handle, "URL handle", "Handle"),
    (Column::Title, "Title", "Title"),
    (Column::Category, "Product category", "Product Category"),
    (Column::Type, "Type", "Type"),
    (Column::Status, "Status", "Status"),
    (Column::Sku, "SKU", "Variant SKU"),
    (Column::Barcode, "Barcode", "Variant Barcode"),
    (Column::Option1, "Option1 value", "Option1 Value"),
    (Column::Option2, "Option2 value", "Option2 Value"),
    (Column::Option3, "Option3 value", "Option3 Value"),
    (Column::Price, "Price", "Variant Price"),
    (Column::Cost, "Cost per item", "Cost per item"),
    (Column::ChargeTax, "Charge tax", "Variant Taxable"),
    (Column::TaxCode, "Tax code", "Variant Tax Code"),
    (Column::GiftCard, "Gift card", "Gift Card"),
];

/// What a shop without variants has as its only option's value.
const NO_OPTION: &str = "Default Title";

/// How a table is to be understood where it says nothing itself.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What its amounts are in; none where nobody said and the stores don't agree.
    pub currency: Option<Currency>,
    /// Tax category of items new to the catalog.
    pub tax_category: String,
    /// Tax category of items that the table says are not taxed.
    pub untaxed_category: String,
}

/// What one row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An item.
    Item(Box<Listing>),
    /// Nothing of the catalog's: a picture, a gift card, an empty row. The text names it.
    LeftOut(String),
}

/// Reads a table row by row.
pub struct Table {
    terms: Terms,
    /// Where each known column stands, and its name in the table.
    places: Vec<(Column, usize, String)>,
    passed_over: Vec<String>,
    parent: Option<Parent>,
}

/// What rows of one handle share.
struct Parent {
    handle: String,
    title: String,
    category: Option<String>,
    active: Option<bool>,
    gift_card: bool,
}

impl Table {
    /// Reads the first row.
    ///
    /// # Errors
    /// It has no title, or names a column twice.
    pub fn new(header: &StringRecord, terms: Terms) -> Result<Self, Fault> {
        let mut places: Vec<(Column, usize, String)> = Vec::new();
        let mut passed_over = BTreeSet::new();
        for (at, name) in header.iter().enumerate() {
            let name = name.trim_start_matches('\u{feff}').trim();
            let known = COLUMNS
                .iter()
                .find(|(_, new, old)| name.eq_ignore_ascii_case(new) || name.eq_ignore_ascii_case(old));
            match known {
                None if name.is_empty() => {}
                None => {
                    passed_over.insert(name.to_owned());
                }
                Some((column, ..)) if places.iter().any(|(other, ..)| other == column) => {
                    let detail = format!("the first row names “{name}” or its like twice");
                    return Err(Fault::field(pointer(name), Code::BadValue, detail));
                }
                Some((column, ..)) => places.push((*column, at, name.to_owned())),
            }
        }
        if !places.iter().any(|(column, ..)| *column == Column::Title) {
            let detail = "the first row names the columns, and one of them is “Title”";
            return Err(Fault::field("/Title", Code::BadValue, detail));
        }
        Ok(Self { terms, places, passed_over: passed_over.into_iter().collect(), parent: None })
    }

    /// Columns that mean nothing to a catalog, by name.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Reads the next row.
    ///
    /// # Errors
    /// What is wrong with it; the pointer names the column.
    pub fn line(&mut self, row: &StringRecord) -> Result<Line, FieldFault> {
        self.remember(row);
        let Some(parent) = &self.parent else {
            return Ok(Line::LeftOut(String::new()));
        };
        let options = self.options(row);
        let bare = self.get(row, Column::Sku).is_none()
            && self.get(row, Column::Price).is_none()
            && self.get(row, Column::Title).is_none()
            && self.get(row, Column::Option1).is_none();
        if bare || parent.gift_card {
            return Ok(Line::LeftOut(parent.handle.clone()));
        }
        if parent.title.is_empty() {
            return Err(self.fault(Column::Title, Code::BadValue, "a product has a title".to_owned()));
        }
        let name = if options.is_empty() {
            parent.title.clone()
        } else {
            format!("{}, {}", parent.title, options.join(" / "))
        };
        let (category, active) = (parent.category.clone(), parent.active);
        let sku = self.sku(row, &parent.handle, &options)?;
        let listing = Listing {
            sku,
            name,
            gtins: self.gtins(row)?,
            tax_category: self.tax_category(row)?,
            tax_category_of_new: self.terms.tax_category.clone(),
            active,
            cost: self.amount(row, Column::Cost)?,
            category,
            price: self.amount(row, Column::Price)?,
        };
        Ok(Line::Item(Box::new(listing)))
    }

    /// A row of another handle, or with a title of its own, begins a product.
    fn remember(&mut self, row: &StringRecord) {
        let title = self.get(row, Column::Title);
        let handle = self.get(row, Column::Handle);
        let begins = match (&self.parent, handle, title) {
            (_, None, None) => false,
            (Some(parent), Some(handle), None) => parent.handle != handle,
            _ => true,
        };
        if !begins {
            return;
        }
        let title = plain(title.unwrap_or_default()).to_owned();
        let handle = handle.map_or_else(|| slug(&title), str::to_owned);
        let of_parent =
            self.parent.as_ref().filter(|parent| parent.handle == handle && parent.title == title);
        let category = self.category(row).or_else(|| of_parent.and_then(|p| p.category.clone()));
        let status = self.get(row, Column::Status);
        let active = status
            .map(|status| status.eq_ignore_ascii_case("active"))
            .or_else(|| of_parent.and_then(|p| p.active));
        let gift_card = self.get(row, Column::GiftCard).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        self.parent = Some(Parent { handle, title, category, active, gift_card });
    }

    fn get<'r>(&self, row: &'r StringRecord, column: Column) -> Option<&'r str> {
        let at = self.places.iter().find(|(known, ..)| *known == column)?.1;
        row.get(at).map(str::trim).filter(|text| !text.is_empty())
    }

    fn fault(&self, column: Column, code: Code, detail: String) -> FieldFault {
        let name = self.places.iter().find(|(known, ..)| *known == column).map(|(_, _, name)| name.as_str());
        let name =
            name.or_else(|| COLUMNS.iter().find(|(known, ..)| *known == column).map(|(_, new, _)| *new));
        FieldFault { pointer: pointer(name.unwrap_or_default()), code, detail }
    }

    /// What tells a variant from others of its product.
    fn options(&self, row: &StringRecord) -> Vec<String> {
        let wanted = [Column::Option1, Column::Option2, Column::Option3];
        let values = wanted.into_iter().filter_map(|column| self.get(row, column));
        values.filter(|value| *value != NO_OPTION).map(str::to_owned).collect()
    }

    fn sku(&self, row: &StringRecord, handle: &str, options: &[String]) -> Result<Sku, FieldFault> {
        let text = match self.get(row, Column::Sku) {
            Some(sku) => unquoted(sku).to_owned(),
            None if options.is_empty() => handle.to_owned(),
            None => format!("{handle}-{}", slug(&options.join("-"))),
        };
        Sku::parse(&text).map_err(|why| self.fault(Column::Sku, Code::BadValue, format!("{text}: {why}")))?;
        Ok(Sku(text))
    }

    /// `Apparel > Shirts` stands in the range as `Apparel/Shirts`; without a category the type serves.
    fn category(&self, row: &StringRecord) -> Option<String> {
        let text = plain(self.get(row, Column::Category).or_else(|| self.get(row, Column::Type))?);
        Some(text.split('>').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
    }

    fn gtins(&self, row: &StringRecord) -> Result<Option<Vec<Gtin>>, FieldFault> {
        let Some(text) = self.get(row, Column::Barcode) else { return Ok(None) };
        let gtin = Gtin::parse(unquoted(text));
        gtin.map(|gtin| Some(vec![gtin]))
            .map_err(|why| self.fault(Column::Barcode, Code::BadCheckDigit, why.to_string()))
    }

    fn tax_category(&self, row: &StringRecord) -> Result<Option<String>, FieldFault> {
        if let Some(code) = self.get(row, Column::TaxCode) {
            return Ok(Some(plain(code).to_owned()));
        }
        match self.get(row, Column::ChargeTax) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(self.terms.untaxed_category.clone())),
            Some(text) => {
                let detail = format!("“{text}” is neither TRUE nor FALSE");
                Err(self.fault(Column::ChargeTax, Code::BadValue, detail))
            }
        }
    }

    fn amount(&self, row: &StringRecord, column: Column) -> Result<Option<Money>, FieldFault> {
        let Some(text) = self.get(row, column) else { return Ok(None) };
        let Some(currency) = self.terms.currency else {
            let detail = "stores have different currencies: say which one the table is in (`currency`)";
            return Err(FieldFault {
                pointer: "/currency".to_owned(),
                code: Code::BadValue,
                detail: detail.to_owned(),
            });
        };
        let text = unquoted(text);
        let money = Money::parse(without_idle_zeros(text, currency), currency)
            .map_err(|why| self.fault(column, Code::BadMoney, why.to_string()))?;
        if money < Money::ZERO {
            return Err(self.fault(column, Code::BadMoney, format!("{text} is below zero")));
        }
        Ok(Some(money))
    }
}

/// `45000.00` in a currency without decimals is 45000; a decimal that counts stays and is refused.
fn without_idle_zeros(text: &str, currency: Currency) -> &str {
    let Some((whole, decimals)) = text.split_once('.') else { return text };
    let places = usize::from(currency.exponent);
    if decimals.len() <= places || !decimals.as_bytes()[places..].iter().all(|b| *b == b'0') {
        return text;
    }
    if places == 0 { whole } else { &text[..whole.len() + 1 + places] }
}

/// Spreadsheets keep a leading zero, or a formula's sign, behind an apostrophe.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').unwrap_or(text).trim()
}

fn pointer(column: &str) -> String {
    format!("/{}", column.replace('~', "~0").replace('/', "~1"))
}

/// A name as part of an address: letters, digits and single hyphens.
fn slug(text: &str) -> String {
    let plain = super::products::folded(text);
    let parts = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// Columns that are written, in their order.
pub const WRITTEN: &[&str] = &[
    "Title",
    "URL handle",
    "Product category",
    "Status",
    "SKU",
    "Barcode",
    "Price",
    "Cost per item",
    "Charge tax",
    "Tax code",
];

/// A product as a row of [`WRITTEN`]. `price` is the one in force.
pub fn written(product: &Product, price: Option<Money>, currency: Currency) -> Vec<String> {
    let amount = |money: Option<Money>| money.map(|money| money.text(currency)).unwrap_or_default();
    vec![
        harmless(&product.name),
        slug(&product.sku.0),
        harmless(&product.category),
        if product.active { "Active" } else { "Archived" }.to_owned(),
        harmless(&product.sku.0),
        product.gtins.first().map(ToString::to_string).unwrap_or_default(),
        amount(price),
        amount(product.cost),
        "TRUE".to_owned(),
        harmless(&product.tax_category),
    ]
}

/// Signs by which a spreadsheet knows that it is to compute something.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// What a spreadsheet would compute is made plain text (`resilience.md`).
fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

/// The text that [`harmless`] was given.
fn plain(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(currency: &str) -> Terms {
        Terms {
            currency: Currency::parse(currency).ok(),
            tax_category: "standard".to_owned(),
            untaxed_category: "zero".to_owned(),
        }
    }

    fn read(text: &str, terms: Terms) -> Vec<Result<Line, FieldFault>> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().expect("a first row").clone();
        let mut table = Table::new(&header, terms).expect("known columns");
        reader.records().map(|row| table.line(&row.expect("a row"))).collect()
    }

    fn item(line: &Result<Line, FieldFault>) -> Listing {
        match line {
            Ok(Line::Item(listing)) => listing.as_ref().clone(),
            other => panic!("no item: {other:?}"),
        }
    }

    #[test]
    fn both_dialects_say_the_same() {
        let new = "Title,URL handle,Product category,Status,SKU,Barcode,Option1 name,Option1 value,Price,Cost per item,\
            Charge tax,Inventory quantity\n\
            Shirt,shirt,Apparel > Shirts,Active,SH-M,9520202000017,Size,M,19.90,7.00,TRUE,5\n\
            ,shirt,,,SH-L,,Size,L,21,,FALSE,3\n";
        let old = "Handle,Title,Body (HTML),Product Category,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
            Variant Taxable,Variant Barcode,Image Src,Cost per item,Price / United States,Status\n\
            shirt,Shirt,<p>a shirt</p>,Apparel > Shirts,Size,M,SH-M,19.90,true,9520202000017,https://a,7.00,25,active\n\
            shirt,,,,Size,L,SH-L,21,false,,,,,\n\
            shirt,,,,,,,,,,https://b,,,\n";
        let (new, old) = (read(new, terms("EUR")), read(old, terms("EUR")));
        assert_eq!((new.len(), old.len()), (2, 3));
        assert_eq!((item(&new[0]), item(&new[1])), (item(&old[0]), item(&old[1])));
        assert_eq!(old[2], Ok(Line::LeftOut("shirt".to_owned())), "a picture is no item");
        let (m, l) = (item(&new[0]), item(&new[1]));
        assert_eq!(
            (m.name.as_str(), m.category.as_deref(), m.active),
            ("Shirt, M", Some("Apparel/Shirts"), Some(true))
        );
        assert_eq!((m.price, m.cost, m.tax_category), (Some(Money(1_990)), Some(Money(700)), None));
        assert_eq!(
            (l.price, l.tax_category.as_deref(), l.active),
            (Some(Money(2_100)), Some("zero"), Some(true))
        );
    }

    #[test]
    fn a_title_is_enough_and_names_the_item() {
        let lines = read("Title\nĐường cát trắng\n\nTea\n", terms("VND"));
        let skus: Vec<_> = lines.iter().map(|line| item(line).sku.0).collect();
        assert_eq!(skus, ["duong-cat-trang", "tea"]);
    }

    #[test]
    fn what_is_wrong_names_its_column() {
        let text = "Title,SKU,Barcode,Price,Charge tax\n\
            Tea,A,9520202000018,1.00,TRUE\n\
            Tea,B,,1.005,TRUE\n\
            Tea,C,,-1,TRUE\n\
            Tea,D,,1,maybe\n\
            Tea,E,,'2.500,TRUE\n";
        let lines = read(text, terms("EUR"));
        let faults: Vec<_> = lines.iter().filter_map(|line| line.as_ref().err()).collect();
        let told: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
        assert_eq!(
            told,
            [
                ("/Barcode", Code::BadCheckDigit),
                ("/Price", Code::BadMoney),
                ("/Price", Code::BadMoney),
                ("/Charge tax", Code::BadValue),
            ]
        );
        assert_eq!(item(&lines[4]).price, Some(Money(250)), "idle zeros do no harm");
    }

    #[test]
    fn amounts_without_a_currency_and_tables_without_titles_are_refused() {
        let nobody = Terms { currency: None, ..terms("EUR") };
        let lines = read("Title,Price\nTea,1\n", nobody.clone());
        assert_eq!(lines[0].as_ref().map_err(|fault| fault.pointer.as_str()), Err("/currency"));
        for header in [vec!["SKU", "Price"], vec!["Title", "SKU", "Variant SKU"]] {
            assert!(Table::new(&StringRecord::from(header), nobody.clone()).is_err());
        }
    }

    #[test]
    fn gift_cards_are_no_goods() {
        let lines = read("Title,SKU,Price,Gift card\nCard,G,10,TRUE\n", terms("EUR"));
        assert_eq!(lines, [Ok(Line::LeftOut("card".to_owned()))]);
    }

    #[test]
    fn what_is_written_is_read_as_the_same_item() {
        let product: Product = serde_json::from_value(serde_json::json!({
            "sku": "A-1", "name": "=Tea, \"green\"", "gtins": ["9520202000017"], "tax_category": "reduced",
            "category": "drinks/tea", "cost": 120, "active": false
        }))
        .expect("a product");
        let euro = Currency::parse("EUR").expect("a currency");
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(WRITTEN).expect("written");
        writer.write_record(written(&product, Some(Money(299)), euro)).expect("written");
        let text = String::from_utf8(writer.into_inner().expect("written")).expect("text");
        let read = item(&read(&text, terms("EUR"))[0]);
        assert_eq!((read.sku.0.as_str(), read.category.as_deref()), ("A-1", Some("drinks/tea")));
        assert_eq!((read.active, read.cost, read.price), (Some(false), Some(Money(120)), Some(Money(299))));
        assert_eq!((read.name.as_str(), read.tax_category.as_deref()), ("=Tea, \"green\"", Some("reduced")));
    }
}
