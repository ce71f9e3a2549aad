//! A machine's group: what waits is decided and written, made durable with one commit, and only then answered.

use super::hub_work::short;
use super::machine::{Cut, Running, put_sidecar, torn};
use super::oracle::{Kind, Receipt};
use super::plant::Plant;
use super::world::{Due, Job, World};
use tradepost_commerce::document::{Condition, Sku, Tender, TenderKind, TenderState};
use tradepost_commerce::money::Money;
use tradepost_commerce::quantity::Quantity;
use tradepost_node::app::books::Booked;
use tradepost_node::app::clock::Now;
use tradepost_node::app::node::{self, Node};
use tradepost_node::app::problem::{Answer, Stop};
use tradepost_node::app::request::{
    AdjustRequest, DeliveryRequest, GrantRequest, PayOut, RefundLine, RefundRequest, SaleLine, SaleRequest,
    Taker, Till, Wish,
};
use tradepost_node::app::{
    acquire, adjust, catalog, join, lend, receive, refund, reservation, sell, start, stretch,
};
use tradepost_node::db::{Fault, incarnations};
use tradepost_sync::body::Body;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::{Applied, Input, Local, Role};
use tradepost_sync::signing::DeviceKey;

/// What every customer hands over; the change comes back.
const CASH: i64 = 1_000_000;

/// What came of a job, to be told once it is durable.
pub(super) enum Done {
    /// To whoever asked.
    Deed(usize, Result<Receipt, String>),
    /// To a side of a link.
    Input(u64, usize, Box<Input>),
    /// A link can't go on.
    Broken(u64),
    /// Nobody waits.
    Nothing,
}

/// A deed as the node is asked for it.
enum Request {
    Sale(SaleRequest),
    Refund(RefundRequest),
    Delivery(DeliveryRequest),
    Adjust(AdjustRequest),
    Grant(GrantRequest),
    PickUp(Id),
    CallOff(Id),
}

impl World {
    pub(super) fn group(&mut self, machine: usize, life: u32) {
        if self.machines[machine].life != life || self.machines[machine].running.is_none() {
            return;
        }
        let jobs = self.next_group(machine);
        let requests: Vec<Option<Request>> = jobs.iter().map(|job| self.request_of(job)).collect();
        let cut = self.machines[machine].cut.take();
        let (wall, boot) = (self.machines[machine].wall(self.now), self.machines[machine].boot(self.now));
        let plant = self.plant;
        let Some(running) = self.machines[machine].running.as_mut() else { return };
        let mut result = running.node.begin();
        let mut done = Vec::with_capacity(jobs.len());
        for (job, request) in jobs.iter().zip(requests) {
            if result.is_err() {
                done.push(failed(job));
                continue;
            }
            let now = running.node.now(wall, boot);
            match run_job(running, now, job, request, plant) {
                Ok(it) => done.push(it),
                Err(fault) => {
                    result = Err(fault);
                    done.push(failed(job));
                }
            }
        }
        self.finish(machine, &jobs, done, result, cut);
    }

    /// What waits, up to what must be alone.
    fn next_group(&mut self, machine: usize) -> Vec<Job> {
        let waiting = std::mem::take(&mut self.jobs[machine]);
        let alone = |job: &Job| matches!(job, Job::SelfFence(_) | Job::BeginAgain(_));
        let end = match waiting.iter().position(alone) {
            Some(0) => 1,
            Some(at) => at,
            None => waiting.len(),
        };
        let (group, rest) = waiting.split_at(end);
        self.jobs[machine] = rest.to_vec();
        if !rest.is_empty() {
            let life = self.machines[machine].life;
            self.later(0, Due::Group { machine, life });
        }
        group.to_vec()
    }

    fn finish(
        &mut self,
        machine: usize,
        jobs: &[Job],
        done: Vec<Done>,
        result: Result<(), Fault>,
        cut: Option<Cut>,
    ) {
        let early = self.planted(Plant::AckBeforeCommit) && result.is_ok();
        if early {
            self.answer_deeds(&done);
        }
        if result.is_ok()
            && let Some(cut) = cut
        {
            return self.lose_in_commit(machine, jobs, cut);
        }
        let committed = match result {
            Ok(()) => self.machines[machine].running.as_mut().map_or(Ok(false), |r| r.node.commit()),
            Err(fault) => Err(fault),
        };
        match committed {
            Ok(wrote) => self.committed(machine, done, wrote),
            Err(Fault::Full) => self.gave_up(machine, jobs),
            Err(Fault::Fatal(why)) => {
                let name = self.machines[machine].name.clone();
                self.oracle.blame(format!("{name} ends: {why}"));
            }
        }
    }

    fn committed(&mut self, machine: usize, done: Vec<Done>, wrote: bool) {
        if wrote && let Some(running) = &self.machines[machine].running {
            let mark = running.node.mark();
            let (id, hash) = (mark.incarnation.to_string(), mark.hash.to_string());
            let name = &self.machines[machine].name;
            let line = format!("{name} commits {} {} {}", short(&id), mark.seq, short(&hash));
            if let Err(fault) = running.node.rest() {
                self.oracle.blame(format!("no checkpoint: {fault}"));
            }
            self.say(&line);
        }
        let sold = done.iter().any(|it| matches!(it, Done::Deed(_, Ok(receipt)) if receipt.number.is_some()));
        self.answer_deeds(&done);
        for it in done {
            match it {
                Done::Input(link, side, input) => self.give(link, side, *input),
                Done::Broken(link) => self.drop_link(link),
                Done::Deed(..) | Done::Nothing => {}
            }
        }
        if wrote {
            self.tell_sessions(machine);
        }
        if sold && self.planted(Plant::RetryOnNextSale) {
            self.dial_all(machine);
        }
    }

    fn answer_deeds(&mut self, done: &[Done]) {
        for it in done {
            let Done::Deed(deed, answer) = it else { continue };
            match answer {
                Ok(receipt) => {
                    self.say(&format!("deed {deed} done: {:?} {}", receipt.number, receipt.total));
                    self.oracle.answered(*deed, receipt.clone());
                    if self.once_in(20) && receipt.number.is_some() {
                        let after = self.between(100, 60_000);
                        self.later(after, Due::Ask { deed: *deed });
                    }
                }
                Err(code) => {
                    self.say(&format!("deed {deed} refused: {code}"));
                    self.oracle.refused(*deed);
                }
            }
        }
    }

    /// A full disk: nothing of the group happened. Who asked hears of it and asks again; sessions end.
    fn gave_up(&mut self, machine: usize, jobs: &[Job]) {
        let name = self.machines[machine].name.clone();
        self.say(&format!("{name} finds its disk full"));
        let given_up = self.machines[machine].running.as_mut().map_or(Ok(()), |r| r.node.give_up());
        if let Err(fault) = given_up {
            return self.oracle.blame(format!("{name} ends: {fault}"));
        }
        for job in jobs {
            if let Done::Broken(link) = failed(job) {
                self.drop_link(link);
            }
        }
        // A fence that could not be written comes again with the next conversation.
        self.drop_links_of(Some(machine));
    }

    /// The machine is lost at a point of the commit.
    fn lose_in_commit(&mut self, machine: usize, jobs: &[Job], cut: Cut) {
        let it = &mut self.machines[machine];
        let before = it.sidecar();
        let committed = match (cut, it.running.as_mut()) {
            (Cut::BeforeCommit, _) | (_, None) => Ok(false),
            (_, Some(running)) => running.node.commit(),
        };
        let wrote = match committed {
            Ok(wrote) => wrote,
            Err(Fault::Full) => return self.gave_up(machine, jobs),
            Err(Fault::Fatal(why)) => return self.oracle.blame(format!("a node ends: {why}")),
        };
        let picture = it.picture().and_then(|picture| {
            let after = it.sidecar();
            match cut {
                Cut::BeforeSidecar if wrote => put_sidecar(&picture, &before)?,
                Cut::TornSidecar if wrote && before != after => {
                    put_sidecar(&picture, &torn(&before, &after))?;
                }
                _ => {}
            }
            Ok(picture)
        });
        match picture {
            Ok(picture) => self.down(machine, Some(picture), &format!("{cut:?}")),
            Err(error) => self.oracle.blame(format!("no picture of a disk: {error}")),
        }
    }

    fn request_of(&self, job: &Job) -> Option<Request> {
        let Job::Deed(deed) = job else { return None };
        let it = self.oracle.deeds.get(*deed)?;
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
                let Kind::Sale(lines) = &sold.kind else { return None };
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

fn sale_request(id: Id, till: Till, lines: Vec<(Sku, u64)>) -> SaleRequest {
    let line = |(sku, n): (Sku, u64)| SaleLine {
        wish: Wish::Sku(sku),
        quantity: Some(pieces(n)),
        price: None,
        discounts: Vec::new(),
        serials: Vec::new(),
        age_check: None,
        reservation: None,
    };
    let cash = Tender {
        key: None,
        kind: TenderKind::Cash,
        amount: Money(CASH),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    };
    SaleRequest {
        id,
        till,
        lines: lines.into_iter().map(line).collect(),
        discounts: Vec::new(),
        customer: None,
        price_list: None,
        exemption: None,
        tenders: vec![cash],
        expected_total: None,
    }
}

fn refund_request(id: Id, till: Till, sale: Id, line: usize, n: u64) -> RefundRequest {
    let line = u16::try_from(line).unwrap_or(u16::MAX);
    RefundRequest {
        id,
        till,
        sale,
        reason: "brought back".to_owned(),
        approver: None,
        lines: vec![RefundLine {
            line,
            quantity: pieces(n),
            condition: Condition::Resell,
            serials: Vec::new(),
        }],
        pay_out: PayOut::Cash,
    }
}

/// What is told of a job where the group could not be made durable.
fn failed(job: &Job) -> Done {
    match job {
        Job::Apply { link: Some((link, _)), .. } | Job::Catalog { link, .. } | Job::Give { link, .. } => {
            Done::Broken(*link)
        }
        _ => Done::Nothing,
    }
}

fn run_job(
    running: &mut Running,
    now: Now,
    job: &Job,
    request: Option<Request>,
    plant: Option<Plant>,
) -> Result<Done, Fault> {
    let node = &mut running.node;
    let done = match job {
        Job::Deed(deed) => match request {
            Some(request) => answer(do_deed(node, now, request))?.map(|it| Done::Deed(*deed, it)),
            None => Some(Done::Deed(*deed, Err("nobody is there".to_owned()))),
        },
        Job::Apply { link, batch } => {
            let ignored = plant == Some(Plant::NeighbourIgnored) && batch.from > 2;
            let joined = if ignored { Ok(Applied::Done(batch.end())) } else { join::join(node, now, batch) };
            let applied = match joined {
                Ok(applied) => applied,
                Err(Stop::No(_)) => Applied::Bad,
                Err(Stop::Fault(fault)) => return Err(fault),
            };
            link.map(|(link, side)| Done::Input(link, side, Box::new(Input::Applied(applied))))
        }
        Job::Catalog { link, side, entries } => {
            let stuck = plant == Some(Plant::CatalogStuck) && node.rulebook().catalog.version > 15;
            let at = match entries.last().filter(|_| stuck) {
                Some(last) => Some(last.at),
                None => value(catalog::apply_sealed(node, entries))?,
            };
            at.map(|at| Done::Input(*link, *side, Box::new(Input::CatalogApplied(at))))
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
            Some(Done::Input(*link, *side, Box::new(Input::Given { ask: asked.ask, head })))
        }
    };
    Ok(done.unwrap_or(Done::Nothing))
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
        Request::Sale(request) => sell::sell(node, now, &request).map(|booked| printed(&booked)),
        Request::Refund(request) => refund::refund(node, now, &request).map(|booked| printed(&booked)),
        Request::Delivery(request) => receive::receive(node, now, &request).map(|()| written(node)),
        Request::Adjust(request) => adjust::adjust(node, now, &request).map(|()| written(node)),
        Request::PickUp(id) => reservation::fulfil(node, now, &id).map(|()| written(node)),
        Request::CallOff(id) => reservation::cancel(node, now, &id).map(|()| written(node)),
        Request::Grant(request) => lend::give(node, now, &request).map(|()| written(node)),
    }
}

fn printed(booked: &Booked) -> Receipt {
    let (number, total) = match &booked.body {
        Body::SaleCommitted(sale) => (Some(&sale.receipt), sale.document.outcome.settlement.total.0),
        Body::RefundCommitted(refund) => (Some(&refund.receipt), refund.document.outcome.settlement.total.0),
        _ => (None, 0),
    };
    Receipt {
        number: number.map(|it| (it.till.clone(), it.series.clone(), it.n)),
        total,
        author: booked.event.envelope.incarnation,
        seq: booked.event.envelope.seq,
    }
}

/// What has no number is somewhere before the end of the own stream.
fn written(node: &Node) -> Receipt {
    let mark = node.mark();
    Receipt { number: None, total: 0, author: mark.incarnation, seq: mark.seq }
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
