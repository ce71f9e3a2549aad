//! What the store's owner decided about the counter: whether tills need shifts, how drawers are counted, and whose PIN
//! each act needs. The node's own record until the hub publishes one (`published.rs`).

use super::clock::Now;
use super::node::Node;
use super::problem::Answer;
use super::staff::{self, Approved, Role, Used};
use crate::db::{Fault, meta};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradepost_commerce::money::Money;
use tradepost_commerce::shift::ClosePolicy;

const KEY: &str = "policy";

/// Whether a till sells without a shift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shifts {
    /// It does.
    #[default]
    Optional,
    /// It doesn't.
    Required,
}

macro_rules! acts {
    ($( $(#[$doc:meta])* $act:ident = $name:literal, $role:ident; )*) => {
        /// What may need somebody's PIN.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Act { $( $(#[$doc])* $act, )* }

        impl Act {
            /// All of them.
            pub const ALL: &'static [Act] = &[$( Act::$act, )*];

            /// Its name outside, and in `override.used`.
            pub fn name(self) -> &'static str {
                match self { $( Act::$act => $name, )* }
            }

            /// The role it needs where the policy says nothing else.
            pub fn default_role(self) -> Role {
                match self { $( Act::$act => Role::$role, )* }
            }
        }
    };
}

acts! {
    /// Change a record of staff.
    Staff = "staff", Manager;
    /// Change this policy.
    Policy = "policy", Manager;
    /// Change where a till prints.
    Printer = "printer", Manager;
    /// Take cash out for an expense.
    CashOut = "cash_out", Supervisor;
    /// Open the drawer without a sale.
    OpenDrawer = "open_drawer", Supervisor;
    /// Close a shift whose drawer is off by more than may pass.
    CountDifference = "count_difference", Manager;
    /// Close the shift of a node that is lost.
    RecoverShift = "recover_shift", Manager;
    /// Give a discount.
    Discount = "discount", Supervisor;
    /// Sell at another price.
    PriceOverride = "price_override", Supervisor;
    /// Sell more of an item than may be promised here, where its policy is `override` (`model.md` §2). Whoever is signed on
    /// is asked all the same.
    SellBeyond = "sell_beyond", Manager;
    /// Cancel a sale of the same shift.
    Void = "void", Supervisor;
    /// Refund a sale that is known here.
    Refund = "refund", Cashier;
    /// Refund a sale whose refund right is elsewhere.
    RefundUnverified = "refund_unverified", Manager;
    /// Refund without a receipt.
    RefundNoReceipt = "refund_no_receipt", Manager;
    /// Pay a refund out another way than it was paid.
    RefundOtherTender = "refund_other_tender", Manager;
    /// Take over the cart of a till that is lost.
    TakeOverCart = "take_over_cart", Manager;
    /// Practise.
    Training = "training", Supervisor;
    /// Pair a device with the node, or take its token away.
    Pair = "pair", Manager;
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Whether a till sells without a shift.
    pub shifts: Shifts,
    /// Whether drawers are counted without being told what should be there.
    pub blind_count: bool,
    /// The most a drawer may be off without a manager, in minor units; none means any difference passes.
    pub difference_max: Option<Money>,
    /// The role of each act that isn't the usual one, by the act's name.
    pub roles: BTreeMap<String, Role>,
}

impl Policy {
    /// Reads it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn load(conn: &Connection) -> Result<Self, Fault> {
        Ok(meta::get(conn, KEY)?.unwrap_or_default())
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn store(&self, conn: &Connection) -> Result<(), Fault> {
        meta::set(conn, KEY, self)
    }

    /// The role that an act needs.
    pub fn role_of(&self, act: Act) -> Role {
        self.roles.get(act.name()).copied().unwrap_or_else(|| act.default_role())
    }

    /// What it says of closing a shift.
    pub fn closing(&self) -> ClosePolicy {
        ClosePolicy { blind: self.blind_count, difference_max: self.difference_max }
    }
}

/// Stores the policy.
///
/// # Errors
/// `KEPT_BY_HUB`, `APPROVAL_REQUIRED`; or a fault.
pub fn put(node: &mut Node, now: Now, policy: &Policy, approved: Option<&Approved>) -> Answer<()> {
    super::published::policy_is_own(node.conn())?;
    if let Some(by) = staff::allow(node, None, Act::Policy, approved)? {
        staff::note(node, now, None, &Used { act: Act::Policy, object: None, by, reason: "" })?;
    }
    policy.store(node.conn())?;
    node.forget_desks();
    node.touch();
    Ok(())
}
