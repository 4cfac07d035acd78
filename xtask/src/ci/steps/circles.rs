use xtask::Failure;

use super::{Report, Session};
use crate::circles::{self, Circle};

/// A circle that there may be.
struct Known {
    library: &'static str,
    /// What the paths of all its files begin with, one or the other.
    within: &'static [&'static str],
    why: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        library: "hitbox-backend",
        within: &["format/bounded/"],
        why: "serde's deserializers, visitors and accesses hand on each other, all within the same limits",
    },
    Known {
        library: "hitbox-backend",
        within: &["format/shape/access.rs", "format/shape/probe.rs"],
        why: "serde's deserializers and accesses hand on each other",
    },
];

/// No circle of imports in any library that is published, but for known ones.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let libraries = session.workspace.libraries();
    let mut circles = Vec::new();
    for library in &libraries {
        let found = circles::of(&library.root)?;
        circles.extend(found.into_iter().map(|circle| (&*library.name, circle)));
    }
    let is_known = |(library, circle): &&(&str, Circle)| {
        KNOWN.iter().any(|known| known.is_of(library, circle))
    };
    let (known, unknown): (Vec<_>, Vec<_>) = circles.iter().partition(is_known);
    for (library, circle) in &unknown {
        println!("{library}: a circle of {circle}");
    }
    let gone: Vec<_> = KNOWN
        .iter()
        .filter(|entry| {
            !known
                .iter()
                .any(|(library, circle)| entry.is_of(library, circle))
        })
        .collect();
    for Known {
        library,
        within,
        why,
    } in &gone
    {
        println!("{library}: no circle within {within:?} any more, to be struck off: {why}");
    }
    let (libraries, known) = (libraries.len(), known.len());
    Ok(if unknown.is_empty() && gone.is_empty() {
        Report::passed().with_note(format!("{libraries} libraries, {known} known circles"))
    } else {
        let (circles, gone) = (unknown.len(), gone.len());
        Report::failed(format!(
            "circles: {circles}, known ones that are gone: {gone}"
        ))
    })
}

impl Known {
    fn is_of(&self, library: &str, circle: &Circle) -> bool {
        let is_within = |file: &str| self.within.iter().any(|begin| file.starts_with(begin));
        let mut files = circle.files.iter().map(|file| file.to_string_lossy());
        self.library == library && files.all(|file| is_within(&file))
    }
}
