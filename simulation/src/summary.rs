//! What a run has to say in the end.

use std::{fmt, time::Duration};

use serde_json::{Value, json};
use xtask::table::Table;

use super::{
    cached,
    campaign::{Field, Totals},
    coherent,
    rules::{PolicyPair, REFILLS, RepairKind, refill_as_str},
    setting::{Nesting, StoreKind},
};

pub(crate) struct Summary {
    seed: u64,
    fields: Vec<Field>,
    took: Duration,
}

impl Summary {
    pub(super) fn new(seed: u64, mut fields: Vec<Field>, took: Duration) -> Self {
        // They ended in any order.
        let place =
            |field: &Field| PolicyPair::all().position(|pair| pair == field.subject.policies);
        fields.sort_by_key(place);
        Self { seed, fields, took }
    }

    pub(super) fn totals(&self) -> Totals {
        let mut total = Totals::default();
        self.fields
            .iter()
            .for_each(|field| total.add(&field.totals));
        total
    }

    pub(crate) fn violations(&self) -> usize {
        self.totals().findings.len()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.totals().operations()
    }

    pub(super) fn to_json(
        &self,
        of_cache: &cached::Summary,
        of_fleet: &coherent::Summary,
    ) -> String {
        let pairs = self.fields.iter().map(|field| {
            json!({
                "policies": field.subject.policies.to_string(),
                "total": counts(&field.totals),
            })
        });
        let pairs: Vec<_> = pairs.collect();
        let totals = self.totals();
        let findings: Vec<_> = totals.findings.iter().map(ToString::to_string).collect();
        let json = json!({
            "seed": self.seed,
            "seconds": self.took.as_secs_f64(),
            "total": counts(&totals),
            "pairs": pairs,
            "findings": findings,
            "of_cache": of_cache.to_json(),
            "of_fleet": of_fleet.to_json(),
        });
        format!("{json:#}\n")
    }
}

fn counts(totals: &Totals) -> Value {
    json!({
        "histories": totals.histories,
        "operations": totals.operations(),
        "calls": totals.counts.calls,
        "disturbances": totals.counts.disturbances,
        "clock_steps": totals.counts.clock_steps,
        "repeated_changes": totals.counts.repeated,
        "repair": by_name(RepairKind::ALL.map(RepairKind::as_str), totals.under_repair),
        "refill": by_name(REFILLS.map(refill_as_str), totals.under_refill),
        "with_store": by_name(StoreKind::ALL.map(StoreKind::as_str), totals.with_store),
        "with_several_kinds_of_stores": totals.with_several_kinds,
        "nested": by_name(Nesting::ALL.map(Nesting::as_str), totals.under_nesting),
        "reads_checked": totals.counts.reads_checked,
        "violations": totals.findings.len(),
        "digest": format!("{:016x}", totals.digest),
    })
}

fn by_name<const N: usize>(names: [&str; N], counts: [u64; N]) -> Value {
    let named = names.into_iter().zip(counts);
    let named = named.map(|(name, count)| (name.to_owned(), Value::from(count)));
    Value::Object(named.collect())
}

/// `what`, and how many operations each name has had.
fn line<const N: usize>(what: &str, names: [&str; N], counts: [u64; N]) -> String {
    let named = names.into_iter().zip(counts);
    let named: Vec<_> = named
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    format!("{what}: {} operations", named.join(", "))
}

fn row(name: String, totals: &Totals) -> [String; 7] {
    [
        name,
        totals.histories.to_string(),
        totals.operations().to_string(),
        totals.counts.calls.to_string(),
        totals.counts.disturbances.to_string(),
        totals.counts.reads_checked.to_string(),
        totals.findings.len().to_string(),
    ]
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = self.totals();
        totals
            .findings
            .iter()
            .try_for_each(|finding| writeln!(f, "{finding}"))?;
        let header = [
            "read/write",
            "histories",
            "operations",
            "calls",
            "disturbances",
            "reads checked",
            "violations",
        ];
        let mut table = Table::new(header, 1);
        for field in &self.fields {
            table.push(row(field.subject.policies.to_string(), &field.totals));
        }
        table.push(row(String::from("total"), &totals));
        f.write_str(&table.render())?;
        let lines = [
            line(
                "with a store",
                StoreKind::ALL.map(StoreKind::as_str),
                totals.with_store,
            ),
            format!(
                "stores of several kinds: {} operations",
                totals.with_several_kinds
            ),
            line(
                "repair",
                RepairKind::ALL.map(RepairKind::as_str),
                totals.under_repair,
            ),
            line("refill", REFILLS.map(refill_as_str), totals.under_refill),
            line(
                "nested",
                Nesting::ALL.map(Nesting::as_str),
                totals.under_nesting,
            ),
            format!("the clock was set {} times", totals.counts.clock_steps),
            format!(
                "changes made by a second attempt, with the first on its way: {}",
                totals.counts.repeated
            ),
        ];
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "seed {}: {seconds:.1} s, {:.0} operations/s, digest {:016x}",
            self.seed,
            self.operations() as f64 / seconds,
            totals.digest
        )
    }
}
