//! What a machine's node is asked for, and how a job of its group is done.

use super::group::Done;
use super::machine::Running;
use super::oracle::{Kind, Receipt};
use super::plant::Plant;
use super::shopping::{CartAsk, do_clear, do_step};
use super::world::{Job, World};
use tradepost_commerce::document::{Condition, Sku, Tender, TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_node::app::books::Booked;
use tradepost_node::app::checkout::CheckoutRequest;
use tradepost_node::app::clock::Now;
use tradepost_node::app::count::{self, Held};
use tradepost_node::app::follow::{self, Following};
use tradepost_node::app::node::{self, Node};
use tradepost_node::app::problem::{Answer, Stop};
use tradepost_node::app::request::{
    AdjustRequest, Back, DeliveryRequest, GrantRequest, PayOut, RefundLine, RefundRequest, SaleLine,
    SaleRequest, ShipRequest, Taker, Till, TransferReceiptRequest, Wish,
};
use tradepost_node::app::{
    acquire, adjust, barrier, catalog, checkout, hand_over, join, lease, lend, receive, refund, reservation,
    sell, shared_cart, start, stretch, transfer,
};
use tradepost_node::db::{Fault, incarnations};
use tradepost_sync::body::Body;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::{Applied, Batch, Input, Local, Role};
use tradepost_sync::signing::DeviceKey;

/// What every customer hands over; the change comes back.
const CASH: i64 = 1_000_000;

/// A job as the node is asked for it.
pub(super) enum Request {
    Sale(SaleRequest),
    Refund(RefundRequest),
    Delivery(DeliveryRequest),
    Adjust(AdjustRequest),
    Grant(GrantRequest),
    PickUp(Id),
    CallOff(Id),
    Ship(ShipRequest),
    TakeIn(TransferReceiptRequest),
    Checkout(Id, CheckoutRequest),
    Basket(CartAsk),
    /// A count begins, or ends with so many units found; and what neighbours said they hold.
    Count(Id, Sku, Option<u64>, Vec<Held>),
}

impl World {
    pub(super) fn request_of(&self, job: &Job) -> Option<Request> {
        match job {
            Job::Deed(deed) => self.request_of_deed(*deed),
            Job::Count(counting) => {
                let held = self.held_by_neighbours(counting.machine);
                let found = counting.ends.then_some(counting.found);
                Some(Request::Count(counting.id, self.sku_of(counting.item), found, held))
            }
            Job::Basket { machine, basket, step } => {
                self.request_of_step(*machine, *basket, *step).map(Request::Basket)
            }
            _ => None,
        }
    }

    fn request_of_deed(&self, deed: usize) -> Option<Request> {
        let it = self.oracle.deeds.get(deed)?;
        let id = it.id;
        let sku = |item: usize| Sku(self.items[item].sku.clone());
        let till = Till::parse(&self.machines[it.machine].name).ok()?;
        Some(match &it.kind {
            Kind::Sale(lines) => Request::Sale(sale_request(
                id,
                till,
                lines.iter().map(|(item, pieces)| (sku(*item), *pieces)).collect(),
            )),
            Kind::Refund { of, line } => {
                let sold = self.oracle.deeds.get(*of)?;
                let Kind::Sale(lines) = &sold.kind else {
                    return None;
                };
                Request::Refund(refund_request(id, till, sold.id, *line, lines.get(*line)?.1))
            }
            Kind::Delivery(item, units) => Request::Delivery(DeliveryRequest {
                id,
                reference: "D".to_owned(),
                lines: vec![(sku(*item), *units, None)],
                not_delivered: false,
                same_as: None,
                approver: None,
            }),
            Kind::Breakage(item, units) => Request::Adjust(AdjustRequest {
                id,
                sku: sku(*item),
                units: -i64::try_from(*units).ok()?,
                reason: "broken".to_owned(),
                approver: None,
            }),
            Kind::PickUp(order) => Request::PickUp(self.oracle.web.get(*order)?.id),
            Kind::CallOff(order) => Request::CallOff(self.oracle.web.get(*order)?.id),
            Kind::Ship { sku: item, units, to } => Request::Ship(ShipRequest {
                id,
                to_store: self.stores[*to].0.clone(),
                lines: vec![(sku(*item), *units)],
                approver: None,
            }),
            Kind::TakeIn(of) => {
                let it = self.oracle.transfers.get(*of)?;
                Request::TakeIn(TransferReceiptRequest {
                    id,
                    transfer: it.id,
                    lines: vec![(sku(it.sku), it.units)],
                    confirmed: true,
                    approver: None,
                })
            }
            Kind::Checkout(basket) => {
                let request =
                    CheckoutRequest { tenders: vec![cash()], till: Some(till), expected_total: None };
                Request::Checkout(self.oracle.baskets.get(*basket)?.id, request)
            }
            Kind::Grant(item, units, to) => Request::Grant(GrantRequest {
                id,
                sku: sku(*item),
                to: match to {
                    None => Taker::Hub,
                    Some(other) => Taker::Incarnation(self.machines[*other].running.as_ref()?.node.me().0),
                },
                units: *units,
            }),
        })
    }
}

fn pieces(n: u64) -> Quantity {
    Quantity(i64::try_from(n).unwrap_or(0) * 1_000)
}

/// A line as it is asked for.
pub(super) fn line_of(sku: Sku, n: u64) -> SaleLine {
    SaleLine {
        wish: Wish::Sku(sku),
        quantity: Some(pieces(n)),
        price: None,
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        reservation: None,
    }
}

fn cash() -> Tender {
    Tender {
        key: None,
        kind: TenderKind::Cash,
        amount: Money(CASH),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

fn sale_request(id: Id, till: Till, lines: Vec<(Sku, u64)>) -> SaleRequest {
    SaleRequest {
        id,
        till,
        lines: lines.into_iter().map(|(sku, n)| line_of(sku, n)).collect(),
        discounts: Vec::new(),
        customer: None,
        price_list: None,
        exemption: None,
        tenders: vec![cash()],
        expected_total: None,
    }
}

fn refund_request(id: Id, till: Till, sale: Id, line: usize, n: u64) -> RefundRequest {
    let line = u16::try_from(line).unwrap_or(u16::MAX);
    RefundRequest {
        id,
        till,
        sale: Some(sale),
        reason: "brought back".to_owned(),
        approver: None,
        lines: vec![RefundLine {
            back: Back::Line(line),
            quantity: pieces(n),
            condition: Condition::Resell,
            serials: Vec::new(),
        }],
        pay_out: PayOut::Cash,
    }
}

/// What is told of a job where the group could not be made durable.
pub(super) fn failed(job: &Job) -> Done {
    match job {
        Job::Apply { link: Some((link, _)), .. }
        | Job::Catalog { link, .. }
        | Job::Give { link, .. }
        | Job::HandOver { link, .. }
        | Job::Carts { link, .. }
        | Job::Barrier { link, .. }
        | Job::Follow { link, .. } => Done::Broken(*link),
        Job::Count(counting) => Done::Count(*counting, Err("the disk is full".to_owned())),
        _ => Done::Nothing,
    }
}

/// Does a job within the group's transaction.
pub(super) fn run_job(
    running: &mut Running,
    now: Now,
    job: &Job,
    request: Option<Request>,
    plant: Option<Plant>,
) -> Result<Done, Fault> {
    let node = &mut running.node;
    let told = |link: u64, side: usize, input: Input| Done::Input(link, side, Box::new(input));
    let done = match job {
        Job::Deed(deed) => match request {
            Some(request) => answer(do_deed(node, now, request))?.map(|it| Done::Deed(*deed, it)),
            None => Some(Done::Deed(*deed, Err("nobody is there".to_owned()))),
        },
        Job::Count(counting) => match request {
            Some(request) => answer(do_deed(node, now, request))?.map(|it| Done::Count(*counting, it)),
            None => Some(Done::Count(*counting, Err("nobody is there".to_owned()))),
        },
        Job::Basket { basket, step, .. } => match request {
            Some(Request::Basket(asked)) => {
                answer(do_step(node, now, &asked))?.map(|it| Done::Basket(*basket, *step, it))
            }
            _ => None,
        },
        Job::Clear { cart, by_force } => {
            let done = answer(do_clear(node, now, cart, *by_force))?;
            done.map(|it| Done::Said(format!("cart {cart} is cleared, by force {by_force}: {it:?}")))
        }
        Job::Apply { link, batch, canonical } => {
            let applied = take_in(node, now, batch, *canonical, plant)?;
            link.map(|(link, side)| told(link, side, Input::Applied(applied)))
        }
        Job::Catalog { link, side, entries } => {
            let stuck = plant == Some(Plant::CatalogStuck) && node.rulebook().catalog.version > 15;
            let at = match entries.last().filter(|_| stuck) {
                Some(last) => Some(last.at),
                None => value(catalog::apply_sealed(node, entries))?,
            };
            at.map(|at| told(*link, *side, Input::CatalogApplied(at)))
        }
        Job::Acked(head) => {
            node.note_acked(head)?;
            None
        }
        Job::HubTime(tau, boot) => {
            node.clock_mut().hear(*tau, *boot);
            None
        }
        Job::SelfFence(_) if plant == Some(Plant::ReusedIncarnation) => None,
        Job::SelfFence(told) => {
            self_fence(running, now, told.as_ref())?;
            None
        }
        Job::BeginAgain(told) => {
            if node.mark().incarnation == *told {
                value(start::begin_again(node, now))?;
            }
            None
        }
        Job::Give { link, side, to, asked } => {
            let head = value(acquire::give(node, now, to, asked))?.flatten();
            Some(told(*link, *side, Input::Given { ask: asked.ask, head }))
        }
        Job::HandOver { link, side, to, wanted } => {
            let head = value(hand_over::hand_over(node, now, to, &wanted.object))?.flatten();
            Some(told(*link, *side, Input::Given { ask: wanted.ask, head }))
        }
        Job::Carts { link, side, carts } => {
            let taken = value(shared_cart::take(node, now, carts))?;
            taken.map(|change| told(*link, *side, Input::CartsApplied(change)))
        }
        Job::Barrier { link, side, word } => {
            let word = value(barrier::hear(node, word))?.flatten();
            word.map(|word| told(*link, *side, Input::Barrier(word)))
        }
        Job::Burn(asked) => {
            value(count::burn(node, now, asked))?;
            None
        }
        Job::AskLease { link, side } => {
            lease::ask(node, now).map(|ask| told(*link, *side, Input::AskLease(ask)))
        }
        Job::Lease(sealed) => {
            value(lease::take(node, sealed))?;
            None
        }
        Job::Follow { link, speaks } => {
            let following = value(follow::follow(node, *speaks))?;
            (following == Some(Following::Past)).then_some(Done::Broken(*link))
        }
    };
    Ok(done.unwrap_or(Done::Nothing))
}

/// As a node's own pump has it done: what the hub says is canonical, a neighbour's word is not.
fn take_in(
    node: &mut Node,
    now: Now,
    batch: &Batch,
    canonical: bool,
    plant: Option<Plant>,
) -> Result<Applied, Fault> {
    if plant == Some(Plant::NeighbourIgnored) && batch.from > 2 {
        return Ok(Applied::Done(batch.end()));
    }
    let joined =
        if canonical { join::join_canonical(node, now, batch) } else { join::join(node, now, batch) };
    match joined {
        Ok(applied) => Ok(applied),
        Err(Stop::No(_)) => Ok(Applied::Bad),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

fn self_fence(
    running: &mut Running,
    now: Now,
    told: Option<&tradepost_sync::frontier::HeadMark>,
) -> Result<(), Fault> {
    let node = &mut running.node;
    if let Some(told) = told
        && (told.incarnation != node.mark().incarnation
            || running.reads.with(|conn| stretch::holds(conn, told))?)
    {
        return Ok(());
    }
    value(start::begin_again(node, now)).map(|_| ())
}

/// A refusal by its code; a fault goes on.
fn answer<T>(answer: Answer<T>) -> Result<Option<Result<T, String>>, Fault> {
    match answer {
        Ok(it) => Ok(Some(Ok(it))),
        Err(Stop::No(problem)) => Ok(Some(Err(problem.code.name().to_owned()))),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

fn value<T>(given: Answer<T>) -> Result<Option<T>, Fault> {
    Ok(answer(given)?.and_then(Result::ok))
}

fn do_deed(node: &mut Node, now: Now, request: Request) -> Answer<Receipt> {
    match request {
        Request::Sale(request) => sell::sell(node, now, &request, None).map(|booked| printed(&booked)),
        Request::Checkout(cart, request) => {
            checkout::check_out(node, now, &cart, request, None).map(|booked| printed(&booked))
        }
        Request::Basket(asked) => do_step(node, now, &asked).map(|_| written(node)),
        Request::Refund(request) => refund::refund(node, now, &request, None).map(|booked| printed(&booked)),
        Request::Delivery(request) => receive::receive(node, now, &request).map(|()| written(node)),
        Request::Adjust(request) => adjust::adjust(node, now, &request).map(|()| written(node)),
        Request::PickUp(id) => reservation::fulfil(node, now, &id).map(|()| written(node)),
        Request::CallOff(id) => reservation::cancel(node, now, &id).map(|()| written(node)),
        Request::Grant(request) => lend::give(node, now, &request).map(|()| written(node)),
        Request::Ship(request) => transfer::ship(node, now, &request).map(|()| written(node)),
        Request::TakeIn(request) => transfer::receive(node, now, &request).map(|()| written(node)),
        Request::Count(id, sku, found, held) => {
            let done = match found {
                Some(n) => count::finish(node, now, &id, n, &held),
                None => count::begin(node, now, &id, &sku, &held),
            };
            done.map(|()| written(node))
        }
    }
}

fn printed(booked: &Booked) -> Receipt {
    let (number, total) = match &booked.body {
        Body::SaleCommitted(sale) => (Some(&sale.receipt), sale.document.outcome.settlement.total.0),
        Body::RefundCommitted(refund) => (Some(&refund.receipt), refund.document.outcome.settlement.total.0),
        _ => (None, 0),
    };
    let lines = match &booked.body {
        Body::SaleCommitted(sale) => sale.document.inputs.lines.as_slice(),
        _ => &[],
    };
    let units = |quantity: Quantity| u64::try_from(quantity.0 / 1_000).unwrap_or(0);
    Receipt {
        sold: lines.iter().map(|line| (line.sku.0.clone(), units(line.quantity))).collect(),
        number: number.map(|it| (it.till.clone(), it.series.clone(), it.n)),
        total,
        author: booked.event.envelope.incarnation,
        seq: booked.event.envelope.seq,
    }
}

/// What has no number is somewhere before the end of the own stream.
fn written(node: &Node) -> Receipt {
    let mark = node.mark();
    Receipt { number: None, total: 0, author: mark.incarnation, seq: mark.seq, sold: Vec::new() }
}

/// What a node brings to a conversation, read as its own pump reads it.
pub(super) fn local_of(
    running: &Running,
    role: Role,
    peer_key: DeviceKey,
    nonce: [u8; 32],
    wall: i64,
) -> Option<Local> {
    let found = running.reads.with::<_, Stop>(|conn| {
        let neighbours = incarnations::neighbours(conn)?;
        let bearers = neighbours.iter().filter(|known| known.device_key == Some(peer_key));
        Ok((
            incarnations::frontier(conn)?,
            node::catalog_version(conn)?,
            bearers.map(incarnations::Known::id).collect::<Vec<Incarnation>>(),
            incarnations::hub(conn)?.map(|known| known.id()),
        ))
    });
    let (frontier, catalog, members, roster_of) = found.ok()?;
    Some(Local {
        role,
        incarnation: running.node.mark().incarnation,
        device: running.node.device().clone(),
        nonce,
        frontier,
        catalog,
        wall,
        program: "tradepost-node simulated".to_owned(),
        peer_key: Some(peer_key),
        members,
        roster_of,
    })
}
