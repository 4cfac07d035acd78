//! Circles of imports among the files of a crate.
//!
//! A file imports another if it names something that the other one defines, in a `use` or in a path. What it
//! names through a facade (`pub use` in a `lib.rs` or `mod.rs`) is from the file that defines it: a facade
//! neither makes a circle nor hides one. A module that is named is no import, what is named in it is. Code under
//! `#[cfg(test)]` does not count: tests of a file may use what is built on it.

mod names;
mod parse;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
};

use names::Names;
use source::Source;

/// The first line of each import, by the file that imports and the one that is imported.
type Imports = BTreeMap<usize, BTreeMap<usize, usize>>;

/// Files that import each other, directly or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) files: BTreeSet<PathBuf>,
    arrows: Vec<Arrow>,
}

#[derive(Debug, PartialEq, Eq)]
struct Arrow {
    from: PathBuf,
    line: usize,
    to: PathBuf,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        write!(f, "{}", files.join(", "))?;
        for Arrow { from, line, to } in &self.arrows {
            write!(f, "\n  {}:{line} -> {}", from.display(), to.display())?;
        }
        Ok(())
    }
}

/// The circles of the crate with this `lib.rs` or `main.rs`. Paths are told from its folder.
pub(crate) fn of(root: &Path) -> io::Result<Vec<Circle>> {
    let source = Source::read(root)?;
    let imports = Names::of(&source).imports();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..source.files.len() {
        let ahead = reached(&imports, file);
        let together: BTreeSet<usize> = ahead
            .into_iter()
            .filter(|other| reached(&imports, *other).contains(&file))
            .collect();
        if together.len() > 1 && seen.is_disjoint(&together) {
            circles.push(circle(&source, &imports, &together));
            seen.extend(together);
        }
    }
    Ok(circles)
}

/// The files that this one imports, directly or not.
fn reached(imports: &Imports, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        let imported = imports.get(&file).into_iter().flatten();
        next.extend(imported.map(|(to, _)| *to).filter(|to| reached.insert(*to)));
    }
    reached
}

fn circle(source: &Source, imports: &Imports, together: &BTreeSet<usize>) -> Circle {
    let path = |file: &usize| source.files[*file].clone();
    let mut arrows = Vec::new();
    for from in together {
        let imported = imports.get(from).into_iter().flatten();
        for (to, line) in imported.filter(|(to, _)| together.contains(to)) {
            arrows.push(Arrow {
                from: path(from),
                line: *line,
                to: path(to),
            });
        }
    }
    Circle {
        files: together.iter().map(path).collect(),
        arrows,
    }
}

#[cfg(test)]
mod tests;
