use std::sync::Arc;

use hitbox_backend::conformance::Subject;
use hitbox_scenarios::{Arrangement, Scenario, scenarios};

use super::{
    adapter::Adapter,
    case::{Case, CaseId},
    pair::{Opening, Pair},
    servers::Servers,
};

/// What stands for policies and mode in a case that composes nothing.
pub(super) const NONE: &str = "-";

/// Every case that runs in this process, in the order of the table.
pub(super) fn cases() -> Vec<Case> {
    let alone = Adapter::ALL.into_iter().map(conformance);
    let in_pairs = Pair::all().into_iter().map(Arc::new).flat_map(|pair| {
        Arrangement::all().flat_map(move |arrangement| {
            let pair = Arc::clone(&pair);
            scenarios().map(move |one| composed(Arc::clone(&pair), arrangement, one))
        })
    });
    alone.chain(in_pairs).collect()
}

/// The suite that every adapter must pass, on this one by itself.
fn conformance(adapter: Adapter) -> Case {
    Case {
        id: CaseId {
            pair: adapter.as_str().into(),
            read: NONE,
            write: NONE,
            mode: NONE,
            scenario: "conformance".into(),
        },
        adapters: vec![adapter],
        run: Box::new(move |servers| Box::pin(async move { conforms(adapter, &servers).await })),
    }
}

async fn conforms(adapter: Adapter, servers: &Servers) -> Result<(), String> {
    let mut opening = Opening::new(servers);
    let report = Subject::new(opening.single(adapter).await?).run().await;
    if report.conforms() {
        Ok(())
    } else {
        Err(report.to_string())
    }
}

fn composed(pair: Arc<Pair>, arrangement: Arrangement, scenario: &'static Scenario) -> Case {
    Case {
        id: CaseId {
            pair: pair.name(),
            read: arrangement.read.as_str(),
            write: arrangement.write.as_str(),
            mode: arrangement.mode.as_str(),
            scenario: scenario.name().into(),
        },
        adapters: pair.adapters(),
        run: Box::new(move |servers| {
            Box::pin(async move {
                scenario
                    .run(pair.layers(&servers).await?, arrangement)
                    .await
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for case in cases() {
            let name = case.id.to_string();
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
    }

    #[test]
    fn every_ordered_pair_is_composed_in_every_arrangement() {
        let cases = cases();
        for l1 in Adapter::ALL {
            for l2 in Adapter::ALL {
                let pair = format!("{}+{}", l1.as_str(), l2.as_str());
                let of_pair = cases.iter().filter(|case| case.id.pair == pair).count();
                // 3 read policies, 4 write policies, static and dyn.
                assert_eq!(of_pair, 24 * scenarios().count(), "{pair}");
            }
        }
    }
}
