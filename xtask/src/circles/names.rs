//! Which file defines what a path names.

use super::{
    Imports,
    source::{Brings, Source, Use},
};

pub(super) struct Names<'s> {
    source: &'s Source,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Named {
    Module(usize),
    /// Something that is defined in this file.
    Item(usize),
    /// Something of another crate.
    Foreign,
}

/// How many names a name may go through. Deeper is a name that names itself.
const DEEPEST: usize = 8;

impl<'s> Names<'s> {
    pub(super) const fn of(source: &'s Source) -> Self {
        Self { source }
    }

    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (number, module) in self.source.modules.iter().enumerate() {
            let counted = module.uses.iter().filter(|one| match &one.brings {
                Brings::All => !one.for_others,
                Brings::Name(name) => !one.for_others || module.names.contains(name),
            });
            let used = counted.map(|one| (&one.path, one.line, one.brings == Brings::All));
            let paths = module.paths.iter();
            let named = paths.map(|(path, line)| (path, *line, false));
            for (path, line, all) in used.chain(named) {
                let file = match self.resolve(number, path, DEEPEST) {
                    Some(Named::Item(file)) => file,
                    Some(Named::Module(module)) if all => self.source.modules[module].file,
                    Some(Named::Module(_) | Named::Foreign) | None => continue,
                };
                if file != module.file {
                    let lines = imports.entry(module.file).or_default();
                    let first = lines.entry(file).or_insert(line);
                    *first = line.min(*first);
                }
            }
        }
        imports
    }

    fn resolve(&self, module: usize, path: &[String], deepest: usize) -> Option<Named> {
        let modules = &self.source.modules;
        let (first, rest) = path.split_first()?;
        let mut named = match first.as_str() {
            "crate" => Named::Module(0),
            "self" => Named::Module(module),
            "super" => Named::Module(modules[module].parent),
            name => self.look_up(module, name, rest.is_empty(), deepest)?,
        };
        for (index, name) in rest.iter().enumerate() {
            let Named::Module(within) = named else {
                break;
            };
            named = match name.as_str() {
                "super" => Named::Module(modules[within].parent),
                name => {
                    let last = index + 1 == rest.len();
                    let found = self.look_up(within, name, last, deepest);
                    // What a macro defines is not seen here.
                    found.unwrap_or(Named::Item(modules[within].file))
                }
            };
        }
        Some(named)
    }

    /// A name in a module. The last one of a path is rather an item than a module of that name.
    fn look_up(&self, module: usize, name: &str, last: bool, deepest: usize) -> Option<Named> {
        let deepest = deepest.checked_sub(1)?;
        let within = &self.source.modules[module];
        let child = within.modules.get(name).copied().map(Named::Module);
        let item = within
            .items
            .contains(name)
            .then_some(Named::Item(within.file));
        let own = if last { item.or(child) } else { child.or(item) };
        own.or_else(|| {
            let brought = |one: &Use| one.brings == Brings::Name(name.to_owned());
            let mut uses = within.uses.iter().filter(|one| brought(one));
            let first = uses.next()?;
            let named = self.resolve(module, &first.path, deepest);
            Some(named.unwrap_or(Named::Foreign))
        })
        .or_else(|| {
            let mut all = within.uses.iter().filter(|one| one.brings == Brings::All);
            all.find_map(|one| match self.resolve(module, &one.path, deepest)? {
                Named::Module(from) if from != module => self.look_up(from, name, last, deepest),
                Named::Module(_) | Named::Item(_) | Named::Foreign => None,
            })
        })
    }
}
