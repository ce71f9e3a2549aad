//! Carts that the store's nodes edit together (`model.md` §5): what one till does to a cart becomes a word of the core's
//! cart, what others say is merged, and the cart that is shown is what follows from both.
//!
//! Lines are anybody's to change; who takes the money, gives a cart up or hands it on is its custodian.

use super::carts::{Cart, CartState};
use super::clock::Now;
use super::node::Node;
use super::policy::Act;
use super::problem::{Answer, Code, Stop, no};
use crate::db::cart_states::{self, Row};
use crate::db::incarnations::{self, Part};
use crate::db::{Fault, caps, carts, successors};
use rusqlite::Connection;
use tradepost_commerce::basket::Basket;
use tradepost_commerce::document::StaffId;
use tradepost_sync::body::{CustodyMoved, CustodyObject, OverrideUsed};
use tradepost_sync::cart::{Cart as Core, CartEnd, CartFlag, CartLine, CartRefusal, Opening};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::custody::CustodyRefusal;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::Carts;

/// Carts, and their bytes, that are told in one go.
const TOLD_MAX: usize = tradepost_sync::limits::CARTS_MAX;
const BYTES_MAX: usize = 512 << 10;

/// Who owns a cart, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The custodian.
    pub incarnation: Incarnation,
    /// The name that the roster gives it.
    pub name: String,
    /// It is this node.
    pub here: bool,
}

/// What a person is to know of a cart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who alone may take its money; none where nothing is known of it.
    pub owner: Option<Owner>,
    /// Names of lines that were changed on two tills at once.
    pub changed_on_both: Vec<String>,
    /// The cart it was cloned from.
    pub cloned_from: Option<Id>,
    /// The cart that was being paid when these lines were scanned into it.
    pub left_over_of: Option<Id>,
    /// It and its clone were both paid: two orders.
    pub cloned_both_paid: bool,
    /// It was taken over by force.
    pub taken_over: bool,
}

/// What a person is to know of a cart.
///
/// # Errors
/// A fault.
pub fn about(conn: &Connection, id: &Id) -> Answer<About> {
    let Some(core) = load(conn, id)? else { return Ok(About::default()) };
    let both = core.changed_on_both();
    let names = core.in_order().into_iter().filter(|line| both.contains(&line.root)).map(|line| line.name);
    Ok(About {
        owner: Some(owner(conn, &core)?),
        changed_on_both: names.collect(),
        cloned_from: core.cloned_from,
        left_over_of: core.left_over_of,
        cloned_both_paid: cloned_both_paid(conn, &core)?,
        taken_over: core.custody().epoch > 0,
    })
}

fn owner(conn: &Connection, core: &Core) -> Result<Owner, Fault> {
    let incarnation = core.custody().owner;
    let known = incarnations::find(conn, &incarnation)?;
    let present = incarnations::present(conn)?.map(|known| known.id());
    let here = match present {
        Some(me) => me == incarnation || passes_to(conn, &incarnation, &me)?,
        None => false,
    };
    let name = known.map(|known| known.name).unwrap_or_default();
    Ok(Owner { incarnation, name, here })
}

fn cloned_both_paid(conn: &Connection, core: &Core) -> Answer<bool> {
    let mut others = Vec::new();
    for bytes in cart_states::related(conn, &core.id)? {
        others.push(unpack(&bytes)?);
    }
    if let Some(original) = core.cloned_from {
        others.extend(load(conn, &original)?);
    }
    Ok(others.iter().any(|other| core.flag(other) == Some(CartFlag::ClonedBothPaid)))
}

fn load(conn: &Connection, id: &Id) -> Answer<Option<Core>> {
    cart_states::load(conn, id)?.map(|bytes| unpack(&bytes)).transpose()
}

fn unpack(bytes: &[u8]) -> Answer<Core> {
    Core::unpack(bytes).map_err(|e| Stop::Fault(Fault::Fatal(e.to_string())))
}

fn store(node: &mut Node, wall: UtcMs, core: &Core) -> Answer<()> {
    let bytes = core.pack().map_err(|e| no(Code::TooManyLines, e.to_string()))?;
    let row = Row {
        id: &core.id,
        changed: wall,
        ended: core.end().is_some(),
        related: core.cloned_from.or(core.left_over_of),
        bytes: &bytes,
    };
    cart_states::store(node.conn(), &row)?;
    node.touch();
    Ok(())
}

/// Whether what `owner` held is `to`'s without a byte: this machine's own lone log before its enrolment, and what a fence
/// named a successor for, once its wait is over and its log is capped (`model.md` §5).
pub(crate) fn passes_to(conn: &Connection, owner: &Incarnation, to: &Incarnation) -> Result<bool, Fault> {
    let Some(known) = incarnations::find(conn, owner)? else { return Ok(false) };
    if known.part == Part::Lone {
        return Ok(true);
    }
    let named = successors::of(conn, known.no)? == Some(*to);
    Ok(named && caps::of(conn, known.no)?.is_some())
}

/// Only the custodian goes on from here; then it is this node in name, too.
fn adopt(node: &Node, core: &mut Core) -> Answer<()> {
    let (me, owner) = (node.head.incarnation, core.custody().owner);
    if owner != me && core.end().is_none() && passes_to(node.conn(), &owner, &me)? {
        core.take_over(me, Ok(None)).map_err(|refusal| refused(node.conn(), &refusal))?;
    }
    Ok(())
}

/// Refuses where another till is the custodian: it takes the money.
///
/// # Errors
/// `NOT_OWNER`, naming the custodian; or a fault.
pub(crate) fn must_be_mine(node: &Node, id: &Id) -> Answer<()> {
    let Some(mut core) = load(node.conn(), id)? else { return Ok(()) };
    adopt(node, &mut core)?;
    let owner = core.custody().owner;
    if owner == node.head.incarnation {
        return Ok(());
    }
    Err(refused(node.conn(), &CustodyRefusal::NotOwner { owner }.into()))
}

/// What the core says no to, with its name and its words.
fn refused(conn: &Connection, refusal: &CartRefusal) -> Stop {
    match refusal {
        CartRefusal::Custody(CustodyRefusal::NotOwner { owner }) => {
            let known = incarnations::find(conn, owner).ok().flatten();
            let name = known.map(|known| known.name).filter(|name| !name.is_empty());
            let who = name.unwrap_or_else(|| owner.to_string());
            no(Code::NotOwner, format!("{who} is the cart's custodian and takes its money"))
        }
        CartRefusal::NoLine => no(Code::NoSuchLine, refusal.to_string()),
        _ => no(Code::CartClosed, refusal.to_string()),
    }
}

/// The name of the line that was just scanned here: a number, where this run of the program opened the cart; else it also
/// says whose, for another till counts too, and a file that was put back may have forgotten a number.
pub(crate) fn line_name(node: &Node, cart: &Cart) -> String {
    let (n, life) = (cart.lines_made, node.life());
    if cart.life == Some(life) { format!("L{n}") } else { format!("L{n}-{}", life.series()) }
}

/// A line is the same one wherever its name is the same.
fn root(cart: &Id, name: &str) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost cart line v1");
    hasher.update(&cart.0);
    hasher.update(name.as_bytes());
    let mut root = [0; 16];
    hasher.finalize_xof().fill(&mut root);
    Id(root)
}

/// What was done to a cart as it is shown becomes a word that others hear; then it is shown what follows from all words.
///
/// # Errors
/// `NOT_OWNER`, `CART_CLOSED`; then nothing was stored. Or a fault.
pub(crate) fn follow(node: &mut Node, now: Now, view: &mut Cart) -> Answer<()> {
    let (life, me) = (node.life(), node.head.incarnation);
    let known = load(node.conn(), &view.id)?;
    let opening = || Opening { till: view.till.clone(), at: view.opened, by: me };
    let mut core = known.unwrap_or_else(|| Core::open(view.id, opening()));
    adopt(node, &mut core)?;
    say(&mut core, now, (life, me), view).map_err(|refusal| refused(node.conn(), &refusal))?;
    store(node, now.wall, &core)?;
    show(&core, view);
    Ok(())
}

fn say(
    core: &mut Core,
    now: Now,
    (life, me): (Incarnation, Incarnation),
    view: &Cart,
) -> Result<(), CartRefusal> {
    if core.end().is_some() {
        return Ok(());
    }
    let paying = matches!(view.state, CartState::Tendering | CartState::Paid);
    if core.is_sealed() && !paying {
        core.unseal(&me)?;
        // Lines that others changed meanwhile count again, and none of them was given up here.
        return say_end(core, me, view);
    }
    if !core.is_sealed() {
        say_lines(core, now, (life, me), view)?;
        say_desk(core, now, me, view)?;
    }
    say_end(core, me, view)
}

fn say_lines(
    core: &mut Core,
    now: Now,
    (life, me): (Incarnation, Incarnation),
    view: &Cart,
) -> Result<(), CartRefusal> {
    let before = core.in_order();
    for gone in before.iter().filter(|line| !view.names.contains(&line.name)) {
        core.void(&gone.root)?;
    }
    for (name, line) in view.names.iter().zip(&view.basket.lines) {
        let known = before.iter().find(|known| known.name == *name);
        if known.is_some_and(|known| known.line == *line) {
            continue;
        }
        let (root, at) = (root(&view.id, name), core.tick(now.wall));
        match known {
            Some(known) => core.change((life, me), &known.root, line.clone(), at)?,
            None => {
                let name = name.clone();
                core.scan(life, CartLine { root, name, scanned: at, line: line.clone(), by: me, at })?;
            }
        }
    }
    Ok(())
}

fn say_desk(core: &mut Core, now: Now, me: Incarnation, view: &Cart) -> Result<(), CartRefusal> {
    let mut desk = core.desk().clone();
    desk.customer = view.customer;
    desk.list.clone_from(&view.basket.list);
    desk.discounts.clone_from(&view.basket.order_discounts);
    desk.exemption.clone_from(&view.basket.exemption);
    // Whoever takes its money has taken it up.
    desk.parked = view.state == CartState::Parked;
    if desk == *core.desk() {
        return Ok(());
    }
    let at = core.tick(now.wall);
    core.set_desk(me, at, |held| *held = desk)
}

fn say_end(core: &mut Core, me: Incarnation, view: &Cart) -> Result<(), CartRefusal> {
    match (view.state, view.sale) {
        (CartState::Tendering, _) if !core.is_sealed() => core.seal(&me),
        (CartState::Paid, Some(sale)) => core.check_out(&me, sale).map(|_| ()),
        (CartState::Voided, _) => core.give_up(&me),
        _ => Ok(()),
    }
}

/// The cart as it is shown.
fn show(core: &Core, view: &mut Cart) {
    let (lines, desk) = (core.in_order(), core.desk());
    view.names = lines.iter().map(|line| line.name.clone()).collect();
    view.basket = Basket {
        lines: lines.into_iter().map(|line| line.line).collect(),
        order_discounts: desk.discounts.clone(),
        exemption: desk.exemption.clone(),
        customer: desk.customer.map(|customer| customer.to_string()),
        list: desk.list.clone(),
    };
    view.customer = desk.customer;
    (view.state, view.sale) = match core.end() {
        Some(CartEnd::Paid(sale)) => (CartState::Paid, Some(sale)),
        Some(CartEnd::Voided) => (CartState::Voided, None),
        None if core.is_sealed() => (CartState::Tendering, None),
        None if desk.parked => (CartState::Parked, None),
        None => (CartState::Open, None),
    };
}

/// Shows a cart whose words have changed otherwise than by its own till.
fn show_again(node: &mut Node, wall: UtcMs, core: &Core) -> Answer<Cart> {
    let mut view = match carts::load(node.conn(), &core.id)? {
        Some(body) => Cart::parse(&body)?,
        None => Cart::blank(core.id, core.till.clone(), core.opened),
    };
    show(core, &mut view);
    view.keep(node, wall)?;
    Ok(view)
}

/// What of carts others don't know yet: those that changed after the number `after`.
///
/// # Errors
/// A fault.
pub fn offer(conn: &Connection, after: u64) -> Result<Option<Carts>, Fault> {
    let mut told = Carts::default();
    let mut bytes = 0;
    for (n, cart) in cart_states::after(conn, after, TOLD_MAX)? {
        bytes += cart.len();
        if bytes > BYTES_MAX && !told.carts.is_empty() {
            break;
        }
        told.through = n;
        told.carts.push(cart);
    }
    Ok((!told.carts.is_empty()).then_some(told))
}

/// Merges what a neighbour knows of carts; answers its number. What can't be read is left out and said aloud.
///
/// # Errors
/// A fault.
pub fn take(node: &mut Node, now: Now, told: &Carts) -> Answer<u64> {
    for bytes in &told.carts {
        match Core::unpack(bytes) {
            Ok(theirs) => take_one(node, now, &theirs)?,
            Err(error) => tracing::error!(%error, "a cart of a neighbour was left out"),
        }
    }
    Ok(told.through)
}

fn take_one(node: &mut Node, now: Now, theirs: &Core) -> Answer<()> {
    let merged = match load(node.conn(), &theirs.id)? {
        None if ended_here(node.conn(), &theirs.id)? => return Ok(()),
        None => theirs.clone(),
        Some(ours) => {
            let mut merged = ours.clone();
            merged.merge(theirs);
            if merged == ours {
                return tell_the_end_again(node, now, &ours, theirs);
            }
            merged
        }
    };
    settle(node, now.wall, merged)
}

/// Whoever still shows a cart that has ended here is told so again, however long ago that was: ends of the last day alone
/// are told to everybody, but a link may have been cut for weeks, or an old file put back there.
fn tell_the_end_again(node: &mut Node, now: Now, ours: &Core, theirs: &Core) -> Answer<()> {
    if ours.end().is_none() || theirs.end().is_some() {
        return Ok(());
    }
    store(node, now.wall, ours)?;
    node.carts_are_merged(cart_states::last(node.conn())?);
    Ok(())
}

/// Ended so long ago that only how it is shown is left.
fn ended_here(conn: &Connection, id: &Id) -> Answer<bool> {
    let Some(body) = carts::load(conn, id)? else { return Ok(false) };
    Ok(matches!(Cart::parse(&body)?.state, CartState::Paid | CartState::Voided))
}

/// Keeps a cart that was merged. What this till scanned before it knew of the seal goes into a new cart (G45).
fn settle(node: &mut Node, wall: UtcMs, mut core: Core) -> Answer<()> {
    let opening = Opening { till: core.till.clone(), at: wall, by: node.head.incarnation };
    let mut name = blake3::Hasher::new_derive_key("tradepost cart left over v1");
    name.update(&core.id.0);
    name.update(&node.head.incarnation.0);
    name.update(&wall.to_le_bytes());
    let mut id = [0; 16];
    name.finalize_xof().fill(&mut id);
    if let Some(left) = core.split(Id(id), opening, &own_past(node)?) {
        tracing::warn!(cart = %core.id, left = %left.id, "lines that came too late for a cart are in a new one");
        store(node, wall, &left)?;
        show_again(node, wall, &left)?;
    }
    store(node, wall, &core)?;
    node.carts_are_merged(cart_states::last(node.conn())?);
    show_again(node, wall, &core).map(|_| ())
}

/// The logs that this machine wrote before it lost memory, or while it was alone.
fn own_past(node: &Node) -> Result<Vec<Incarnation>, Fault> {
    let all = incarnations::all(node.conn())?;
    Ok(all.iter().filter(|known| was_here(node, known)).map(incarnations::Known::id).collect())
}

/// Whether this very machine wrote a log before: it remembers, or the log is fenced and bears this machine's key, as one
/// does that was begun and forgotten between two old files.
fn was_here(node: &Node, known: &incarnations::Known) -> bool {
    let forgotten = known.fenced && known.device_key == Some(node.device().public());
    matches!(known.part, Part::Lost | Part::Lone) || (forgotten && known.part == Part::Other)
}

/// Whether a cart's custodian is lost for good, so that nobody fills it or takes its money before it was taken over.
///
/// # Errors
/// A fault.
pub(crate) fn is_orphan(conn: &Connection, cart: &Id) -> Answer<bool> {
    let Some(core) = load(conn, cart)? else { return Ok(false) };
    let owner = incarnations::find(conn, &core.custody().owner)?;
    Ok(owner.is_some_and(|owner| super::shift_recover::is_lost(&owner)))
}

/// An event says that a cart was paid: it is, also where its state has not come.
///
/// # Errors
/// A fault.
pub(crate) fn heard_paid(node: &mut Node, wall: UtcMs, cart: &Id, sale: Id) -> Answer<()> {
    let Some(mut core) = load(node.conn(), cart)?.filter(|core| !core.is_paid()) else { return Ok(()) };
    core.heard_paid(sale);
    settle(node, wall, core)
}

/// Hands a cart to a neighbour that asks for it; not while it is being paid. The end of the own log that says so; none
/// where it is not this node's to give. Asked again by the one who has it, it is said again.
///
/// # Errors
/// A fault.
pub fn hand_over(node: &mut Node, now: Now, to: &Incarnation, cart: &Id) -> Answer<Option<HeadMark>> {
    let Some(mut core) = load(node.conn(), cart)? else { return Ok(None) };
    let me = node.head.incarnation;
    if core.custody().owner == *to {
        return Ok(Some(node.mark()));
    }
    adopt(node, &mut core)?;
    let locked = node.standing(&crate::db::stock::Stock::default()).locked;
    let Ok(mark) = core.hand_on(&me, *to, locked) else { return Ok(None) };
    let object = CustodyObject::Cart(*cart);
    let moved = CustodyMoved { object, epoch: mark.epoch, n: mark.n, from: me, to: *to, basis: Vec::new() };
    node.write(now, None, None, moved.into())?;
    store(node, now.wall, &core)?;
    node.carts_are_merged(cart_states::last(node.conn())?);
    show_again(node, now.wall, &core)?;
    Ok(Some(node.mark()))
}

/// Whether this node may take a cart's money now.
///
/// # Errors
/// A fault.
pub fn is_mine(conn: &Connection, cart: &Id) -> Answer<bool> {
    Ok(load(conn, cart)?.map(|core| owner(conn, &core)).transpose()?.is_none_or(|owner| owner.here))
}

/// A cart of one's own with another one's lines, where its custodian can't be reached: cloned, never stolen.
///
/// # Errors
/// `NOT_FOUND`, `CART_CLOSED`; or a fault.
pub fn clone_cart(node: &mut Node, now: Now, cart: &Id, new: Id, till: String) -> Answer<Cart> {
    if let Some(body) = carts::load(node.conn(), &new)? {
        return Cart::parse(&body);
    }
    Cart::load(node.conn(), cart)?.must_be(&[CartState::Open, CartState::Parked, CartState::Tendering])?;
    let core = load(node.conn(), cart)?.ok_or_else(|| no(Code::NotFound, format!("no cart {cart}")))?;
    let clone = core.clone_for(new, Opening { till, at: now.wall, by: node.head.incarnation });
    store(node, now.wall, &clone)?;
    show_again(node, now.wall, &clone)
}

/// A forced takeover by a manager of the store, once the custodian's log is capped, or where the custodian was this very
/// machine before it lost its memory (`model.md` §5). Always flagged, and a fact.
///
/// # Errors
/// `NOT_OWNER` while the custodian may still act; `CART_CLOSED`; or a fault.
pub fn take_over(node: &mut Node, now: Now, cart: &Id, by: Option<StaffId>, reason: &str) -> Answer<Cart> {
    let mut core = load(node.conn(), cart)?.ok_or_else(|| no(Code::NotFound, format!("no cart {cart}")))?;
    let (me, owner) = (node.head.incarnation, core.custody().owner);
    if owner == me {
        return Cart::load(node.conn(), cart);
    }
    let known = incarnations::find(node.conn(), &owner)?;
    let over = match known {
        Some(known) => was_here(node, &known) || caps::of(node.conn(), known.no)?.is_some(),
        None => false,
    };
    if !over {
        return Err(refused(node.conn(), &CustodyRefusal::NotOwner { owner }.into()));
    }
    core.take_over(me, Ok(None)).map_err(|refusal| refused(node.conn(), &refusal))?;
    let used = OverrideUsed {
        what: Act::TakeOverCart.name().to_owned(),
        object: Some(*cart),
        to: None,
        by: by.unwrap_or_else(|| StaffId(String::new())),
        reason: reason.to_owned(),
    };
    node.write(now, None, None, used.into())?;
    store(node, now.wall, &core)?;
    show_again(node, now.wall, &core)
}
