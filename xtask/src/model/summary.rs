//! What a run has to say in the end.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{
    campaign::{Field, Totals},
    rules::{PolicyPair, RepairKind},
    setting::{LayerKind, Nesting},
};
use crate::table::Table;

pub(crate) struct Summary {
    seed: u64,
    fields: Vec<Field>,
    took: Duration,
}

impl Summary {
    pub(super) fn new(seed: u64, mut fields: Vec<Field>, took: Duration) -> Self {
        // They ended in any order.
        let place = |field: &Field| {
            let pair = PolicyPair::all().position(|pair| pair == field.subject.policies);
            (pair, field.subject.layers as usize)
        };
        fields.sort_by_key(place);
        Self { seed, fields, took }
    }

    pub(super) fn totals(&self) -> Totals {
        total(&self.fields)
    }

    pub(crate) fn violations(&self) -> usize {
        self.totals().findings.len()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.totals().operations()
    }

    fn rows(&self) -> impl Iterator<Item = (PolicyPair, Vec<Field>)> {
        PolicyPair::all().filter_map(|pair| {
            let mut fields = self.fields.clone();
            fields.retain(|field| field.subject.policies == pair);
            (!fields.is_empty()).then_some((pair, fields))
        })
    }

    pub(super) fn to_json(&self) -> String {
        let pairs: Vec<_> = self
            .rows()
            .map(|(pair, fields)| {
                let layers = fields.iter().map(|field| {
                    (
                        field.subject.layers.as_str().to_owned(),
                        counts(&field.totals),
                    )
                });
                json!({
                    "policies": pair.to_string(),
                    "total": counts(&total(&fields)),
                    "layers": layers.collect::<serde_json::Map<_, _>>(),
                })
            })
            .collect();
        let totals = self.totals();
        let findings: Vec<_> = totals.findings.iter().map(ToString::to_string).collect();
        let json = json!({
            "seed": self.seed,
            "seconds": self.took.as_secs_f64(),
            "total": counts(&totals),
            "pairs": pairs,
            "findings": findings,
        });
        format!("{json:#}\n")
    }
}

fn total(fields: &[Field]) -> Totals {
    let mut total = Totals::default();
    fields.iter().for_each(|field| total.add(&field.totals));
    total
}

fn counts(totals: &Totals) -> Value {
    json!({
        "histories": totals.histories,
        "operations": totals.operations(),
        "calls": totals.counts.calls,
        "disturbances": totals.counts.disturbances,
        "clock_steps": totals.counts.clock_steps,
        "repair": by_name(RepairKind::ALL.map(RepairKind::as_str), totals.under_repair),
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
        for (pair, fields) in self.rows() {
            table.push(row(pair.to_string(), &total(&fields)));
        }
        table.push(row(String::from("total"), &totals));
        f.write_str(&table.render())?;
        let with_layers = LayerKind::ALL.map(|layers| {
            let mut fields = self.fields.clone();
            fields.retain(|field| field.subject.layers == layers);
            total(&fields).operations()
        });
        let (repairs, nestings) = (totals.under_repair, totals.under_nesting);
        let lines = [
            line("layers", LayerKind::ALL.map(LayerKind::as_str), with_layers),
            line("repair", RepairKind::ALL.map(RepairKind::as_str), repairs),
            line("nested", Nesting::ALL.map(Nesting::as_str), nestings),
            format!("the clock was set {} times", totals.counts.clock_steps),
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
