//! Shortening a history that broke a rule.

/// Leaves out steps for as long as `fails` says of the rest that it still breaks a rule: halves
/// first, then smaller and smaller pieces, until no single step can be left out.
pub(super) fn shrink<S: Clone>(steps: &[S], mut fails: impl FnMut(&[S]) -> bool) -> Vec<S> {
    let mut shortest = steps.to_vec();
    let mut piece = shortest.len().div_ceil(2);
    while piece > 0 {
        let mut shorter = false;
        let mut at = 0;
        while at < shortest.len() {
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

fn without<S: Clone>(steps: &[S], at: usize, count: usize) -> Vec<S> {
    let mut steps = steps.to_vec();
    let end = steps.len().min(at + count);
    steps.drain(at..end);
    steps
}

#[cfg(test)]
mod tests {
    use hitbox_scenarios::{ReadKind, WriteKind};

    use super::*;
    use crate::{
        plan::Plan,
        rules::PolicyPair,
        setting::{Layers, StoreKind, Subject},
        step::{Fault, Step},
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
        let fails = |steps: &[Step]| matter.iter().all(|step| steps.contains(step));
        assert_eq!(shrink(&plan.steps, fails), matter);
    }
}
