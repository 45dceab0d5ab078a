//! Fault cases of `collect --logs sign-in`. The report of sign-ins is collected by the same code as that of operation
//! logs, so these are the faults that concern its own pages, objects, state and lease.

use super::collects::{PLACES, ZoomFault, zoom_faults};
use super::matrix::{FaultCase, FaultOutcome};
use super::storage::{FaultPoint, Kind, SERVICE_FAULTS, each};
use testkit::collect::{
    DAY, HOUR, NOW, PREFIX, RequestFilter, Run, SIGN_IN_PREFIX, When, World, at, spread_sign_ins,
};

/// Returns a world after a successful run and six more hours of sign-ins.
fn world() -> World {
    let now = at(NOW);
    let world = World::new(NOW).with("PAGE_SIZE", "20").with("TIMEOUT", "1");
    world.zoom.add_sign_ins(spread_sign_ins(0, 60, now - 2 * DAY..now));
    collect(&world, &["--since", "2d"]).expect(0);
    world.zoom.add_sign_ins(spread_sign_ins(100, 60, now..now + 6 * HOUR));
    world.advance(6 * HOUR);
    world
}

fn collect(world: &World, flags: &[&str]) -> Run {
    world.collect(&[&["--logs", "sign-in", "--retries", "1"], flags].concat())
}

/// Removes the fault, runs again, and compares with Zoom. Deferred days are due after two hours.
fn check_recovery(seen: FaultOutcome, world: &World) -> FaultOutcome {
    let struck = world.gcs.lock().fault_hits + world.zoom.lock().fault_hits();
    world.clear_faults();
    if seen.code == 1 {
        world.advance(2 * HOUR);
    }
    let again = collect(world, &[]);
    let balance = world.sign_in_balance();
    seen.and("the fault never struck", struck > 0)
        .and(&format!("the clean run ended with {}: {}", again.code, again.said), again.code == 0)
        .and("a clean run does not write each sign-in once", (balance.missing, balance.surplus) == (0, 0))
}

/// Returns the possible exit codes of a fault of a page.
fn codes(fault: &ZoomFault, further: bool, lasting: bool) -> &'static [i32] {
    match (fault.name, lasting) {
        ("401" | "expired", false) => &[0],
        // The token was accepted for the first page, so the credentials are not at fault.
        ("401", true) if further => &[75],
        ("daily" | "scope" | "role" | "403", _) | (_, true) => fault.lasting,
        _ => &[0],
    }
}

fn page_case(index: usize, further: bool, lasting: bool) -> FaultOutcome {
    let (world, fault) = (world(), zoom_faults().swap_remove(index));
    let pages = if further { RequestFilter::next_pages() } else { RequestFilter::pages() };
    world.zoom.rule(pages, if lasting { When::Always } else { When::Nth(1) }, fault.act.clone());
    let run = collect(&world, &[]);
    let told = format!("{} {}", run.summary["stopped"], run.said);
    let seen = FaultOutcome::new(run.code, told).expect(codes(&fault, further, lasting));
    let at: &[&str] = &["sign-ins from", "/v2/report/activities"];
    // Zoom names the scope of operation logs in this answer, and lists of operation logs are no sign-ins.
    let words = match fault.name {
        "scope" | "no list" | "ill typed" | "error" => &[],
        _ => fault.words,
    };
    check_recovery(seen.naming(&[words, at]), &world)
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let verb = "collect --logs sign-in";
    let mut fault_cases = Vec::new();
    for (index, ZoomFault { name: fault, .. }) in zoom_faults().into_iter().enumerate() {
        for (place, further) in [("page", false), ("further page", true)] {
            // Only a further page expires; this answer is a page of operation logs.
            if fault == "expired" && !further || fault == "error with list" {
                continue;
            }
            for lasting in [false, true] {
                let run = Box::new(move || page_case(index, further, lasting));
                fault_cases.push(FaultCase { verb, place, fault, lasting, run });
            }
        }
    }
    let places = PLACES.map(|place| match place.part {
        PREFIX => FaultPoint { part: SIGN_IN_PREFIX, ..place },
        _ => place,
    });
    for (place, fault, lasting) in each(&places).filter(|(_, fault, _)| SERVICE_FAULTS.contains(&fault.name))
    {
        let run = Box::new(move || {
            let world = world();
            place.inject_fault(&world.gcs, fault, lasting);
            let codes: &[i32] = match (fault.kind, lasting) {
                _ if place.ignores(fault) => &[0],
                (Kind::Access, _) => &[4],
                (_, true) => &[3],
                (_, false) => &[0],
            };
            let run = collect(&world, &[]);
            check_recovery(FaultOutcome::new(run.code, run.said).expect(codes).naming(&[fault.words]), &world)
        });
        fault_cases.push(FaultCase { verb, place: place.name, fault: fault.name, lasting, run });
    }
    fault_cases
}
