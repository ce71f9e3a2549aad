//! The one place where a fact meets the log: appended to the own stream with all its effects, in the group's transaction.

use super::{Node, Written};
use crate::app::clock::Now;
use crate::app::problem::{Answer, Code, no};
use crate::app::{count, custody, shift_desk};
use crate::db::incarnations::{self, Part};
use crate::db::stock::Stock;
use crate::db::{Fault, events, stock};
use tradepost_commerce::document::{Sku, StaffId};
use tradepost_sync::body::{Body, RightsSettled};
use tradepost_sync::count::Movement;
use tradepost_sync::effects::{self, Cell, Effects, LedgerEffect};
use tradepost_sync::event::{Envelope, Reissue, Stamp};
use tradepost_sync::rights;

impl Node {
    /// Writes a fact into the own log with all its effects. After this nothing may refuse.
    ///
    /// # Errors
    /// `BAD_QUANTITY` before anything is written, where the fact can't be true; `NODE_RETIRED` behind the stream's end; or
    /// a fault.
    pub(crate) fn write(
        &mut self,
        now: Now,
        till: Option<&str>,
        staff: Option<StaffId>,
        body: Body,
    ) -> Answer<Written> {
        if self.me.retired {
            return Err(no(Code::NodeRetired, "this node has retired: enrol it with a new code"));
        }
        crate::app::training::keep_out(self, till, &body)?;
        let folded = shift_desk::fold(self, till, &body)?;
        let (shift, signed_on) = match till {
            Some(till) => self.desk(till)?.stamp(),
            None => (None, None),
        };
        let stamp = Stamp {
            wall: now.wall,
            tau: now.tau,
            trading: now.trading,
            till: till.map(str::to_owned),
            shift,
            staff: staff.or(signed_on),
        };
        let mut head = self.head;
        let event = head.append(stamp, &body).map_err(|e| no(Code::BadQuantity, e.to_string()))?;
        let effects =
            effects::of(&event.envelope, &body).map_err(|e| no(Code::BadQuantity, e.to_string()))?;
        self.touched = true;
        let place = events::insert(self.conn(), self.me.no, &event)?;
        self.apply_own(&event.envelope, &effects)?;
        custody::note(self, &body, &effects)?;
        count::note(self, place, &body)?;
        self.head = head;
        shift_desk::book(self, place, &event, &body, folded)?;
        Ok(Written { place, event, body })
    }

    /// Says a fact of a branch that was cut off again, with the till, shift and staff it bore: goods and overdraw move, and
    /// no shift of today takes it in. A shift is noted as the one that its first author opened.
    ///
    /// # Errors
    /// `BAD_QUANTITY` before anything is written, where the fact can't be true; or a fault.
    pub(crate) fn say_again(
        &mut self,
        now: Now,
        original: &Envelope,
        body: Body,
        mark: Reissue,
    ) -> Answer<Written> {
        let stamp = Stamp {
            wall: now.wall,
            tau: now.tau,
            trading: now.trading,
            till: original.till.clone(),
            shift: original.shift,
            staff: original.staff.clone(),
        };
        let mut head = self.head;
        let event = head
            .append_with(stamp, &body, None, Some(mark))
            .map_err(|e| no(Code::BadQuantity, e.to_string()))?;
        let effects =
            effects::of(&event.envelope, &body).map_err(|e| no(Code::BadQuantity, e.to_string()))?;
        self.touched = true;
        let place = events::insert(self.conn(), self.me.no, &event)?;
        crate::db::branches::say(self.conn(), &mark.hash, &(event.envelope.incarnation, event.envelope.seq))?;
        self.apply_own(&event.envelope, &effects)?;
        custody::note(self, &body, &effects)?;
        count::note(self, place, &body)?;
        shift_desk::hear(self, place, &event, &body)?;
        self.head = head;
        Ok(Written { place, event, body })
    }

    /// The present incarnation's own effects go to its own row.
    fn apply_own(&mut self, envelope: &Envelope, effects: &Effects) -> Result<(), Fault> {
        for effect in &effects.cells {
            let sku = self.sku_no(&effect.sku)?;
            let mut row = self.stock(sku)?;
            add_own(&mut row, effect.cell, effect.units)?;
            if let Cell::Given(to) = effect.cell {
                let taker = incarnations::intern(self.conn(), &to, Part::Other)?;
                stock::add_gift(self.conn(), self.me.no, taker, sku, effect.units)?;
            }
            self.set_stock(sku, row);
        }
        for effect in &effects.ledger {
            self.move_goods(envelope, &effect.sku, effect)?;
        }
        Ok(())
    }

    /// Moves goods on the shelf, unless the count that the item stands on had them already; `sku` is what the effect's
    /// item stands for here.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn move_goods(
        &mut self,
        envelope: &Envelope,
        sku: &Sku,
        effect: &LedgerEffect,
    ) -> Result<(), Fault> {
        let sku = self.sku_no(sku)?;
        if let Some(count) = self.counts.get(&sku) {
            let judged = count.judge(&Movement::of(envelope, effect));
            if judged.taints {
                crate::db::counts::taint(self.db.conn(), sku)?;
            }
            if judged.included || count.held_said_again(envelope) {
                return Ok(());
            }
        }
        let mut row = self.stock(sku)?;
        row.on_hand = row.on_hand.checked_add(effect.units).ok_or_else(overflow)?;
        self.set_stock(sku, row);
        Ok(())
    }

    /// Covers open overdraw with rights that have just come (`model.md` §2: a holder settles on arrival).
    ///
    /// # Errors
    /// A fault.
    pub(crate) fn settle(&mut self, now: Now, skus: impl IntoIterator<Item = Sku>) -> Answer<()> {
        if self.me.retired {
            return Ok(());
        }
        for sku in skus {
            let no = self.sku_no(&sku)?;
            let row = self.stock(no)?;
            let units = rights::settle(&self.standing(&row), row.overdraw());
            if units > 0 {
                self.write(now, None, None, RightsSettled { sku, units }.into())?;
            }
        }
        Ok(())
    }
}

fn add_own(row: &mut Stock, cell: Cell, units: u64) -> Result<(), Fault> {
    let cell = match cell {
        Cell::Minted => &mut row.minted,
        Cell::Used => &mut row.used,
        Cell::Overdrawn => &mut row.overdrawn,
        Cell::Settled => &mut row.settled,
        Cell::Given(_) => &mut row.given,
    };
    *cell = cell.checked_add(units).ok_or_else(overflow)?;
    Ok(())
}

fn overflow() -> Fault {
    Fault::Fatal("a stock figure would leave its range".to_owned())
}
