//! Shortening a history that broke a rule.

use super::{plan::Plan, step::Step};

/// Leaves out steps for as long as `fails` says of the rest that it still breaks a rule: halves
/// first, then smaller and smaller pieces, until no single step can be left out.
pub(super) fn shrink(plan: &Plan, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let mut shortest = plan.clone();
    let mut piece = shortest.steps.len().div_ceil(2);
    while piece > 0 {
        let mut shorter = false;
        let mut at = 0;
        while at < shortest.steps.len() {
            let candidate = without(&shortest, at, piece);
            if fails(&candidate) {
                shortest = candidate;
                shorter = true;
            } else {
                at += piece;
            }
        }
        piece = match (piece, shorter) {
            (1, true) => 1,
            _ => piece / 2,
        };
    }
    shortest
}

fn without(plan: &Plan, at: usize, count: usize) -> Plan {
    let mut steps: Vec<Step> = plan.steps.clone();
    let end = steps.len().min(at + count);
    steps.drain(at..end);
    Plan { steps, ..*plan }
}

#[cfg(test)]
mod tests {
    use hitbox_scenarios::{ReadKind, WriteKind};

    use super::*;
    use crate::{
        rules::PolicyPair,
        setting::{Layers, StoreKind, Subject},
        step::Fault,
    };

    #[test]
    fn only_the_steps_that_matter_are_left() {
        let subject = Subject {
            policies: PolicyPair {
                read: ReadKind::Race,
                write: WriteKind::Race,
            },
            layers: Layers::All(StoreKind::Memory),
            repair: None,
        };
        let mut plan = Plan::new(&subject, 1);
        let fault = Fault::Refused;
        let matter = [Step::Break { pick: 0, fault }, Step::Restart { pick: 1 }];
        plan.steps.retain(|step| !matter.contains(step));
        plan.steps.insert(170, matter[1]);
        plan.steps.insert(60, matter[0]);
        let fails = |plan: &Plan| matter.iter().all(|step| plan.steps.contains(step));
        assert_eq!(shrink(&plan, fails).steps, matter);
    }
}
