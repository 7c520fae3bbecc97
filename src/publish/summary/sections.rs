//! The sections of the summary. One that has nothing to say is left out, except where "nothing" is what a person wants
//! to know.

use std::io;

use anstyle::Style;

use super::page::{BAD, FAINT, GOOD, PLAIN, Page, WARNING, WORST};
use super::quantity::{bytes, count, duration, latency, of, short};
use super::table::{Align, Table, cell, styled};
use super::{Calls, Delivery, Equation, Finding, GivenUp, Input, Loss, Operation, Place, Problem};
use crate::limits;
use crate::time::Timestamp;

/// Files with their frames and times.
pub(super) fn inputs(page: &mut Page<'_>, inputs: &[Input]) -> io::Result<()> {
    let frames = inputs.iter().map(|input| input.frames).sum();
    let volume = inputs.iter().map(|input| input.bytes).sum();
    let first = inputs.iter().filter_map(|input| input.first).min();
    let last = inputs.iter().filter_map(|input| input.last).max();
    let what = match inputs {
        [] => return page.heading("Read", WARNING, "nothing"),
        [only] => only.name.clone(),
        several => format!("{} captures", several.len()),
    };
    let mut text = format!("{what}: {}, {}", of(frames, "frame", "frames"), bytes(volume));
    if let (Some(first), Some(last)) = (first, last) {
        text = format!("{text}, {} ({})", period(first, last), duration(last.since(first)));
    }
    page.heading("Read", PLAIN, &text)?;
    if inputs.len() == 1 {
        return Ok(());
    }
    let mut table = Table::new(&[Align::Flexible, Align::Right, Align::Right]);
    for input in inputs.iter().take(limits::SUMMARY_ROWS_MAX) {
        let frames = of(input.frames, "frame", "frames");
        table.push(vec![cell(&*input.name), cell(frames), cell(bytes(input.bytes))]);
    }
    page.table(&table)?;
    more(page, inputs.len() as u64)
}

/// Calls by quality.
pub(super) fn calls(page: &mut Page<'_>, calls: &Calls) -> io::Result<()> {
    if calls.complete + calls.partial == 0 {
        return page.heading("Calls", WARNING, "none");
    }
    let mut text = format!("{} complete", count(calls.complete));
    if calls.partial > 0 {
        let causes: Vec<_> = seen(&calls.causes).map(|(cause, n)| format!("{cause} {}", count(*n))).collect();
        text = format!("{text}, {} partial ({})", count(calls.partial), causes.join(", "));
    }
    page.heading("Calls", PLAIN, &text)
}

/// The busiest operations with their answers and durations.
pub(super) fn operations(page: &mut Page<'_>, operations: &[Operation], total: u64) -> io::Result<()> {
    if operations.is_empty() {
        return Ok(());
    }
    let shown = operations.get(..limits::SUMMARY_ROWS_MAX).unwrap_or(operations);
    page.heading("Operations", PLAIN, &count(total))?;
    // Classes of answers that nobody gave have no column.
    let classes: Vec<_> =
        (0..CLASSES.len()).filter(|class| shown.iter().any(|one| answers(one, *class) > 0)).collect();
    let mut columns = vec![("calls", Align::Right), ("method", Align::Left), ("operation", Align::Flexible)];
    columns.extend(
        classes.iter().filter_map(|class| CLASSES.get(*class)).map(|(name, _)| (*name, Align::Right)),
    );
    columns.extend([("p50", Align::Right), ("p95", Align::Right)]);
    let mut table = Table::titled(&columns);
    for operation in shown {
        let name = format!("{}{}", operation.service, operation.template);
        let mut row = vec![cell(count(operation.calls)), cell(&*operation.method), cell(name)];
        for class in &classes {
            let style = CLASSES.get(*class).map_or(PLAIN, |(_, style)| *style);
            row.push(match answers(operation, *class) {
                0 => styled("·", FAINT),
                some => styled(short(some), style),
            });
        }
        for percentile in [operation.p50_us, operation.p95_us] {
            row.push(percentile.map_or_else(|| styled("·", FAINT), |us| cell(latency(us))));
        }
        table.push(row);
    }
    page.table(&table)?;
    more(page, total)
}

/// Findings, two lines each.
pub(super) fn findings(page: &mut Page<'_>, findings: &[Finding], total: u64) -> io::Result<()> {
    if total == 0 {
        return page.heading("Findings", PLAIN, "none");
    }
    page.heading("Findings", PLAIN, &count(total))?;
    for finding in findings.iter().take(limits::SUMMARY_ROWS_MAX) {
        let style = match finding.severity.as_str() {
            "critical" => WORST,
            "high" => BAD,
            "medium" => WARNING,
            _ => PLAIN,
        };
        let severity = format!("  {:8}", finding.severity.to_uppercase());
        page.paragraph(&[(&severity, style), (&finding.title, PLAIN)], DETAIL_INDENT)?;
        let calls = of(finding.count, "call", "calls");
        let details =
            [&*finding.operation, &*calls, &*finding.evidence].into_iter().filter(|part| !part.is_empty());
        let details = details.collect::<Vec<_>>().join(" · ");
        page.paragraph(&[(&format!("{:DETAIL_INDENT$}{details}", ""), FAINT)], DETAIL_INDENT)?;
    }
    more(page, total)
}

/// Protocols that were given up, or TLS that was not decrypted.
pub(super) fn given_up(page: &mut Page<'_>, heading: &str, given_up: &[GivenUp]) -> io::Result<()> {
    if given_up.is_empty() {
        return Ok(());
    }
    let connections = given_up.iter().map(|one| one.connections).sum();
    page.heading(heading, PLAIN, &of(connections, "connection", "connections"))?;
    let mut table = Table::new(&[Align::Flexible, Align::Right, Align::Right]);
    for one in given_up.iter().take(limits::SUMMARY_ROWS_MAX) {
        let connections = of(one.connections, "connection", "connections");
        table.push(vec![cell(&*one.protocol), cell(connections), cell(bytes(one.bytes))]);
    }
    page.table(&table)?;
    more(page, given_up.len() as u64)
}

/// What could not be read.
pub(super) fn problems(page: &mut Page<'_>, problems: &[Problem]) -> io::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    page.heading("Could not be read", PLAIN, "")?;
    for problem in problems.iter().take(limits::SUMMARY_ROWS_MAX) {
        let text = format!("{}: {}", problem.place, problem.reason);
        page.paragraph(&[("  ✗", BAD), (&text, PLAIN)], 5)?;
    }
    more(page, problems.len() as u64)
}

/// What was lost, by place.
pub(super) fn losses(page: &mut Page<'_>, losses: &[Loss]) -> io::Result<()> {
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Left, Align::Flexible]);
    for loss in losses.iter().filter(|loss| loss.count > 0) {
        let place = match loss.place {
            Place::BeforeTheTap => "before the tap",
            Place::Kernel => "in the kernel",
            Place::Sensor => "in the sensor",
        };
        table.push(vec![cell(place), styled(count(loss.count), WARNING), cell(loss.unit), cell(&*loss.name)]);
    }
    if table.rows().is_empty() {
        return page.heading("Lost", GOOD, "nothing");
    }
    page.heading("Lost", PLAIN, "")?;
    page.table(&table)
}

/// The equations of conservation, with both sides. Terms that are zero are left out.
pub(super) fn equations(page: &mut Page<'_>, equations: &[Equation]) -> io::Result<()> {
    if equations.is_empty() {
        return Ok(());
    }
    let broken = equations.iter().filter(|equation| !equation.holds()).count();
    match broken {
        0 => page.heading("Books", GOOD, "balanced")?,
        _ => page.heading("Books", WORST, &format!("{broken} of {} do not balance", equations.len()))?,
    }
    for equation in equations {
        let terms: Vec<_> = seen(&equation.right).map(|(name, n)| format!("{name} {}", count(*n))).collect();
        let right = if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") };
        let mut text = format!("{} {} = {right}", equation.name, count(equation.left));
        if !equation.holds() {
            text = format!("{text} (differs by {})", count(equation.left.abs_diff(equation.right_side())));
        }
        let mark = if equation.holds() { ("  ✓", GOOD) } else { ("  ✗", BAD) };
        page.paragraph(&[mark, (&text, PLAIN)], 5)?;
    }
    Ok(())
}

/// What became of the records.
pub(super) fn deliveries(page: &mut Page<'_>, deliveries: &[Delivery]) -> io::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let lost: u64 = deliveries.iter().map(|delivery| delivery.account.dropped.total()).sum();
    match lost {
        0 => page.heading("Records", PLAIN, "")?,
        _ => page.heading("Records", WORST, &format!("{} not delivered", count(lost)))?,
    }
    let mut table = Table::new(&[Align::Flexible, Align::Right, Align::Left, Align::Left]);
    for Delivery { place, verb, account } in deliveries {
        let mut dropped = Vec::new();
        account.dropped.each(|reason, n| {
            if n > 0 {
                dropped.push(format!("{} {}", count(n), reason.replace('_', " ")));
            }
        });
        let dropped = styled(dropped.join(", "), BAD);
        table.push(vec![cell(&**place), cell(count(account.delivered)), cell(*verb), dropped]);
    }
    page.table(&table)
}

/// Where the details of a finding stand: behind the severity.
const DETAIL_INDENT: usize = 12;

/// Classes of answers, and calls that had none.
const CLASSES: [(&str, Style); 6] =
    [("1xx", PLAIN), ("2xx", GOOD), ("3xx", PLAIN), ("4xx", WARNING), ("5xx", BAD), ("none", WARNING)];

fn answers(operation: &Operation, class: usize) -> u64 {
    let answered: u64 = operation.classes.iter().sum();
    operation.classes.get(class).copied().unwrap_or(operation.calls.saturating_sub(answered))
}

fn more(page: &mut Page<'_>, total: u64) -> io::Result<()> {
    match total.saturating_sub(limits::SUMMARY_ROWS_MAX as u64) {
        0 => Ok(()),
        rest => page.paragraph(&[(&format!("  and {} more", count(rest)), FAINT)], 2),
    }
}

fn seen(counts: &[(String, u64)]) -> impl Iterator<Item = &(String, u64)> {
    counts.iter().filter(|(_, count)| *count > 0)
}

/// `2025-03-07 09:41:07 to 09:45:12 UTC`; the second date only where it is another.
fn period(first: Timestamp, last: Timestamp) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    let part =
        |text: &str, range: std::ops::Range<usize>| text.get(range).unwrap_or_default().replace('T', " ");
    let end =
        if part(&first, 0..10) == part(&last, 0..10) { part(&last, 11..19) } else { part(&last, 0..19) };
    format!("{} to {end} UTC", part(&first, 0..19))
}
