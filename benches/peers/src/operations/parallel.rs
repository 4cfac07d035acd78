//! A read of both layers at a time, both of which hit, beside F.

use hitbox_benches::{Case, bodies::Size};

use super::{Build, in_process};
use crate::subjects::{hitbox_0_2, ours, raw};

const SUBJECTS: [(&str, Build); 2] = [
    ("hitbox 0.2, bincode", hitbox_0_2::parallel_hits),
    ("this checkout", ours::parallel_hits),
];

pub(crate) fn cases() -> Vec<Case> {
    let of_size = |size| {
        SUBJECTS.map(|(subject, build)| {
            in_process("parallel, both hit", size, subject, build, raw::future_hits)
        })
    };
    Size::USUAL.into_iter().flat_map(of_size).collect()
}
