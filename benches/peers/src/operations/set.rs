//! A write to two layers in process, beside encoding once and two inserts into moka.

use hitbox_benches::{Case, bodies::Size};

use super::{Build, in_process};
use crate::subjects::{hitbox_0_2, multi_tier, ours, raw};

const SUBJECTS: [(&str, Build); 4] = [
    ("multi-tier-cache, JSON", multi_tier::sets),
    ("hitbox 0.2, bincode", |runtime, size| {
        Ok(hitbox_0_2::sets(runtime, size))
    }),
    ("hitbox 0.2, JSON", |runtime, size| {
        Ok(hitbox_0_2::json_sets(runtime, size))
    }),
    ("this checkout", ours::sets),
];

pub(crate) fn cases() -> Vec<Case> {
    let floor: Build = |runtime, size| Ok(raw::sets(runtime, size));
    let of_size = |size| {
        SUBJECTS.map(|(subject, build)| in_process("composed set", size, subject, build, floor))
    };
    Size::USUAL.into_iter().flat_map(of_size).collect()
}
