//! The node on its one writing thread: load, decide, save in one transaction for a group of requests.
//!
//! What is read again and again (items, settings, stock, numbers) is kept in memory; nothing else writes the file,
//! so what is kept is right until a group is given up. It runs without its thread too: `begin`, requests, `commit`.

mod rulebook;
mod writing;

pub use rulebook::{Rulebook, ShelfItem, catalog_version};

use super::clock::{Clock, Now};
use super::count;
use super::lease::Tenure;
use super::problem::{Answer, Code, no};
use super::shift_desk::Desks;
use crate::db::directory::Directory;
use crate::db::incarnations::{self, Part};
use crate::db::sidecar::Sidecar;
use crate::db::stock::Stock;
use crate::db::{Db, Fault, catalog, documents, events, meta, stock};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tradepost_commerce::checkout::Counter;
use tradepost_commerce::document::Sku;
use tradepost_commerce::time::UtcMs;
use tradepost_sync::body::{Body, ReceiptNumber};
use tradepost_sync::count::Count;
use tradepost_sync::event::{Event, Head};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::Clocks;
use tradepost_sync::rights::Standing;
use tradepost_sync::signing::Device;

/// Items kept in memory; when there are more, all are let go.
const ITEMS_MAX: usize = 16_384;
/// Stock rows kept in memory.
const STOCK_MAX: usize = 131_072;

/// As many pages as SQLite can have.
const PAGES_MAX: u32 = 4_294_967_294;

/// Where random bytes come from.
pub type Luck = Box<dyn FnMut() -> [u8; 32] + Send>;

/// The incarnation that writes now.
#[derive(Clone, Copy, Debug)]
pub struct Me {
    /// Its small number.
    pub no: i64,
    /// In the signed roster, or alone.
    pub registered: bool,
    /// Belongs to a hub's store.
    pub enrolled: bool,
    /// Its stream has ended by its own word.
    pub retired: bool,
}

/// A fact that was written in this group, not yet durable.
#[derive(Clone, Debug)]
pub struct Written {
    /// Where it stands.
    pub place: i64,
    /// The event.
    pub event: Event,
    /// Its body.
    pub body: Body,
}

/// The node. See the module.
pub struct Node {
    pub(crate) directory: Directory,
    /// The ballast lies in the directory: else only what ends a till's day may write.
    has_ballast: bool,
    pub(crate) db: Db,
    pub(crate) sidecar: Sidecar,
    pub(crate) device: Device,
    pub(crate) luck: Luck,
    pub(crate) clock: Clock,
    pub(crate) me: Me,
    pub(crate) head: Head,
    pub(crate) rulebook: Arc<Rulebook>,
    committed: Head,
    touched: bool,
    items: HashMap<Sku, Arc<ShelfItem>>,
    stock: HashMap<i64, Stock>,
    /// Rows that memory has changed and the table has not.
    changed: BTreeSet<i64>,
    series: HashMap<String, u64>,
    /// Ends of all streams but the own one, as they are durable or about to be.
    others: Arc<Others>,
    /// The counts that items stand on.
    counts: count::Standing,
    /// What stands at each till.
    pub(crate) desks: Desks,
    /// Branches that were cut off since the start.
    cuts: u64,
    /// Number of the last change of a cart that came from elsewhere.
    merged_carts: u64,
    /// One unbroken run of this program: what is in no log may have been forgotten before it.
    life: Incarnation,
    /// The lease and what goes with it.
    pub(super) tenure: Tenure,
}

/// Ends of streams that somebody else writes.
pub type Others = BTreeMap<Incarnation, HeadMark>;

/// What [`super::start`] found, for [`Node::assemble`].
pub(crate) struct Parts {
    pub(crate) directory: Directory,
    pub(crate) has_ballast: bool,
    pub(crate) db: Db,
    pub(crate) sidecar: Sidecar,
    pub(crate) device: Device,
    pub(crate) luck: Luck,
    pub(crate) clock: Clock,
}

impl Node {
    pub(crate) fn assemble(parts: Parts) -> Result<Self, Fault> {
        let Parts { directory, has_ballast, db, sidecar, device, luck, clock } = parts;
        let rulebook = Arc::new(Rulebook::load(db.conn())?);
        let (me, head) = load_me(db.conn())?;
        let others = Arc::new(load_others(db.conn())?);
        let counts = count::load(db.conn())?;
        Ok(Self {
            directory,
            has_ballast,
            db,
            sidecar,
            device,
            luck,
            clock,
            me,
            head,
            rulebook,
            committed: head,
            touched: false,
            items: HashMap::new(),
            stock: HashMap::new(),
            changed: BTreeSet::new(),
            series: HashMap::new(),
            others,
            counts,
            desks: Desks::default(),
            cuts: 0,
            merged_carts: 0,
            life: head.incarnation,
            tenure: Tenure::begin(&head),
        })
    }

    /// Begins a group.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn begin(&mut self) -> Result<(), Fault> {
        self.touched = false;
        self.committed = self.head;
        self.db.begin()
    }

    /// Makes a group durable: projections and the signed head in the same transaction, then the sidecar. Only
    /// after it may anybody be answered. Answers whether anything was written.
    ///
    /// # Errors
    /// [`Fault`]. After [`Fault::Full`] nothing of the group happened; call [`Self::give_up`].
    pub fn commit(&mut self) -> Result<bool, Fault> {
        if !self.touched {
            self.db.rollback()?;
            return Ok(false);
        }
        self.flush()?;
        let moved = self.head != self.committed;
        if moved {
            incarnations::set_head(self.conn(), self.me.no, &self.head)?;
            let signature = self.device.sign_head(&self.mark());
            events::sign(self.conn(), events::place(self.me.no, self.head.seq), &signature)?;
        }
        self.db.commit()?;
        if moved {
            // The commit stands, so a sidecar that can't follow is no refusal any more: the process must end.
            let mark = self.mark();
            self.sidecar.note(&mark).map_err(|e| Fault::Fatal(format!("the sidecar: {e}")))?;
        }
        self.committed = self.head;
        Ok(true)
    }

    /// Forgets a group that could not be made durable.
    ///
    /// # Errors
    /// [`Fault`]: then the process must end.
    pub fn give_up(&mut self) -> Result<(), Fault> {
        self.db.rollback()?;
        self.reload()
    }

    /// Reads everything that is kept in memory again.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn reload(&mut self) -> Result<(), Fault> {
        self.items.clear();
        self.forget_stock();
        self.drop_desks();
        self.series.clear();
        self.rulebook = Arc::new(Rulebook::load(self.db.conn())?);
        (self.me, self.head) = load_me(self.db.conn())?;
        self.tenure.goes_on_as(&self.head);
        self.others = Arc::new(load_others(self.db.conn())?);
        self.counts = count::load(self.db.conn())?;
        Ok(())
    }

    /// Writes what only memory knows of the present incarnation, so that tables can be changed behind it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.keep_desks()?;
        for sku in std::mem::take(&mut self.changed) {
            if let Some(row) = self.stock.get(&sku) {
                stock::store(self.db.conn(), sku, row)?;
            }
        }
        if self.stock.len() > STOCK_MAX {
            self.stock.clear();
        }
        Ok(())
    }

    /// Reads stock rows anew: the table was changed behind the rows that memory holds, once they were flushed.
    pub(crate) fn forget_stock(&mut self) {
        self.stock.clear();
        self.changed.clear();
    }

    /// Says that the group wrote something that is no event.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// The write connection.
    pub(crate) fn conn(&self) -> &Connection {
        self.db.conn()
    }

    /// The end of the own stream.
    pub fn mark(&self) -> HeadMark {
        HeadMark { incarnation: self.head.incarnation, seq: self.head.seq, hash: self.head.hash }
    }

    /// Who writes now.
    pub fn me(&self) -> (Incarnation, Me) {
        (self.head.incarnation, self.me)
    }

    /// Ends of the streams that others write, and of those that were written here under another name.
    pub fn others(&self) -> &Arc<Others> {
        &self.others
    }

    /// Somebody else's stream was cut back to where it parts from the hub's branch.
    pub(crate) fn other_is_cut(&mut self, head: HeadMark) {
        let others = Arc::make_mut(&mut self.others);
        if head.seq > 0 {
            others.insert(head.incarnation, head);
        } else {
            others.remove(&head.incarnation);
        }
    }

    /// A branch was cut off: whoever talks with this node begins anew, for ends of streams have gone back.
    pub(crate) fn cut_once_more(&mut self) {
        self.cuts += 1;
        self.touched = true;
    }

    /// How many branches were cut off since the start.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Carts were changed otherwise than by a request here, up to a change's number: pages that show them are told.
    pub(crate) fn carts_are_merged(&mut self, last: u64) {
        self.merged_carts = last;
    }

    /// The number of the last change of a cart that was no request's here; 0 where there was none since the start.
    pub fn merged_carts(&self) -> u64 {
        self.merged_carts
    }

    /// A name of this run of the program that no other run has (`incarnation.started`): words about carts are counted
    /// under it, because their states are in no log, and a file that was put back may have forgotten some.
    pub(crate) fn life(&self) -> Incarnation {
        self.life
    }

    /// Another run has begun.
    pub(crate) fn begin_life(&mut self, random: [u8; 16]) {
        self.life = Incarnation(random);
    }

    /// Somebody else's stream has grown.
    pub(crate) fn other_has_grown(&mut self, head: HeadMark) {
        Arc::make_mut(&mut self.others).insert(head.incarnation, head);
    }

    /// The rules of the counter.
    pub fn rulebook(&self) -> &Arc<Rulebook> {
        &self.rulebook
    }

    /// All clocks at a reading of the machine's.
    pub fn now(&self, wall: i64, boot: i64) -> Now {
        self.tenure.look_at(Clocks { boot, wall });
        self.clock.read(wall, boot)
    }

    /// The device's keys.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Where the database lies.
    pub fn db_path(&self) -> std::path::PathBuf {
        self.directory.db()
    }

    /// The clocks, to tell them something.
    pub fn clock_mut(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Bounds the file's size, in pages: what needs more finds the disk full. None takes the bound away.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn bound_file(&self, pages: Option<u32>) -> Result<(), Fault> {
        self.db.bound(pages.unwrap_or(PAGES_MAX))
    }

    /// Whether the ballast lies beside the database: without it only what ends a till's day may write (`resilience.md`).
    pub fn has_ballast(&self) -> bool {
        self.has_ballast
    }

    /// Gives the ballast's room to what ends a till's day.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn free_ballast(&mut self) -> Result<(), Fault> {
        self.directory.free_ballast()?;
        self.has_ballast = false;
        Ok(())
    }

    /// Lays the ballast again where there is room for more than it. Answers whether it lies there.
    pub fn lay_ballast_again(&mut self) -> bool {
        self.has_ballast = self.has_ballast || self.directory.lay_ballast_again();
        self.has_ballast
    }

    /// Notes how far the hub holds a stream that was written here; of others' streams nobody asks.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn note_acked(&mut self, head: &HeadMark) -> Result<(), Fault> {
        let known = incarnations::find(self.conn(), &head.incarnation)?;
        let own = |part| matches!(part, Part::Present | Part::Lone | Part::Lost);
        let Some(known) = known.filter(|known| own(known.part)) else { return Ok(()) };
        // Another branch of it says nothing of what was written here.
        if super::stretch::holds(self.conn(), head)? {
            incarnations::set_acked(self.conn(), known.no, head.seq)?;
            self.touch();
            super::lease::acknowledged(self, head)?;
        }
        Ok(())
    }

    /// Writes the WAL back when it has grown.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn rest(&self) -> Result<bool, Fault> {
        self.db.checkpoint_if_due()
    }

    /// Leaves the file tidy behind a program that ends.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn close(self) -> Result<(), Fault> {
        self.db.checkpoint_fully()?;
        self.db.shrink_if_due()
    }

    /// An item with its prices.
    ///
    /// # Errors
    /// `UNKNOWN_SKU`, or a fault.
    pub(crate) fn item(&mut self, sku: &Sku) -> Answer<Arc<ShelfItem>> {
        if let Some(item) = self.items.get(sku) {
            return Ok(Arc::clone(item));
        }
        let found = match catalog::by_sku(self.conn(), sku)? {
            Some(item) => Some(item),
            None => match catalog::alias(self.conn(), sku)? {
                Some(stands) => catalog::by_sku(self.conn(), &stands)?,
                None => None,
            },
        };
        let Some(item) = found else {
            return Err(no(Code::UnknownSku, format!("the catalog has no item {}", sku.0)));
        };
        let item = Arc::new(ShelfItem::load(self.conn(), item, self.rulebook.catalog)?);
        if self.items.len() >= ITEMS_MAX {
            self.items.clear();
        }
        self.items.insert(sku.clone(), Arc::clone(&item));
        Ok(item)
    }

    /// The catalog has changed: what was kept of it is let go.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn catalog_changed(&mut self) -> Result<(), Fault> {
        self.items.clear();
        self.rulebook = Arc::new(Rulebook::load(self.db.conn())?);
        self.touch();
        Ok(())
    }

    /// An item's stock as this group sees it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn stock(&mut self, sku: i64) -> Result<Stock, Fault> {
        if let Some(row) = self.stock.get(&sku) {
            return Ok(*row);
        }
        let row = stock::load(self.db.conn(), sku)?;
        self.stock.insert(sku, row);
        Ok(row)
    }

    /// What may be promised of an item.
    pub(crate) fn standing(&self, row: &Stock) -> Standing {
        let locked = self.lock().is_err();
        Standing { rights: row.rights(), held: 0, registered: self.me.registered, locked }
    }

    /// The number the next document of a till will have.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn next_number(&mut self, till: &str) -> Result<ReceiptNumber, Fault> {
        let series = self.head.incarnation.series();
        let name = documents::series_name(till, &series);
        let last = match self.series.get(&name) {
            Some(last) => *last,
            None => documents::last_number(self.db.conn(), &name)?,
        };
        Ok(ReceiptNumber { till: till.to_owned(), series, n: last + 1 })
    }

    /// Gives that number out.
    pub(crate) fn take_number(&mut self, number: &ReceiptNumber) {
        let name = documents::series_name(&number.till, &number.series);
        self.series.insert(name, number.n);
    }

    /// What is in force at the counter.
    pub(crate) fn counter(rulebook: &Rulebook, now: Now) -> Counter<'_> {
        Counter {
            settings: &rulebook.settings,
            promotions: &rulebook.promotions,
            catalog: rulebook.catalog,
            now: UtcMs(now.trading),
        }
    }

    /// Whether an item stands on a count.
    pub(crate) fn counted_on(&self, sku: i64) -> bool {
        self.counts.contains_key(&sku)
    }

    /// An item stands on another count from now on.
    pub(crate) fn stands_on(&mut self, sku: i64, count: Count) {
        self.counts.insert(sku, Arc::new(count));
    }

    /// Whether an item stands on another count than this one, or on the same with another cut.
    pub(crate) fn stands_on_other(&self, sku: i64, count: Option<&Count>) -> bool {
        self.counts.get(&sku).map(Arc::as_ref) != count
    }

    /// An item stands on no count any more.
    pub(crate) fn stands_on_none(&mut self, sku: i64) {
        self.counts.remove(&sku);
    }

    /// Reads anew on which counts items stand.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn reload_counts(&mut self) -> Result<(), Fault> {
        self.counts = count::load(self.db.conn())?;
        Ok(())
    }

    pub(crate) fn set_stock(&mut self, sku: i64, row: Stock) {
        self.touched = true;
        self.stock.insert(sku, row);
        self.changed.insert(sku);
    }

    pub(crate) fn sku_no(&mut self, sku: &Sku) -> Result<i64, Fault> {
        match self.items.get(sku) {
            Some(item) if item.item.product.sku == *sku => Ok(item.item.sku_no),
            _ => catalog::intern(self.conn(), sku),
        }
    }
}

fn load_others(conn: &Connection) -> Result<Others, Fault> {
    let others = incarnations::all(conn)?.into_iter().filter(|k| k.part != Part::Present && k.head.seq > 0);
    Ok(others.map(|known| (known.id(), known.mark())).collect())
}

fn load_me(conn: &Connection) -> Result<(Me, Head), Fault> {
    let me =
        incarnations::present(conn)?.ok_or_else(|| Fault::Fatal("no incarnation writes here".to_owned()))?;
    let enrolled = meta::get::<bool>(conn, "enrolled")?.unwrap_or(false);
    let registered = me.registered && !me.fenced && !me.retired;
    Ok((Me { no: me.no, registered, enrolled, retired: me.retired }, me.head))
}
