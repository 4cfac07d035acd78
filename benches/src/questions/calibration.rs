//! What a hit does that is not hitbox's code: for the guard, which compares instructions only where
//! these take as many.

use std::{sync::Arc, time::SystemTime};

use crate::{Case, Contest, Runner};

/// Allocates, copies, reads the clock.
pub(super) fn case() -> Case {
    Case::contest("calibration/allocate, copy, read the clock", || {
        let original = vec![7_u8; 1 << 10];
        let runner = Runner::new(move |times| {
            for _ in 0..times {
                std::hint::black_box(Arc::<[u8]>::from(original.as_slice()));
                std::hint::black_box(Box::new([0_u64; 8]));
                std::hint::black_box(SystemTime::now());
            }
            Ok(())
        });
        Ok(Contest::new(runner, None))
    })
}
