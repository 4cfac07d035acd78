//! The files and modules of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::parse::{Parser, Reading};

/// A path as it is written: names with `::` between them.
pub(super) type Written = Vec<String>;

#[derive(Default)]
pub(super) struct Source {
    /// From the folder of the crate's root.
    pub(super) files: Vec<PathBuf>,
    /// The first one is the root.
    pub(super) modules: Vec<Module>,
}

#[derive(Default)]
pub(super) struct Module {
    pub(super) file: usize,
    pub(super) parent: usize,
    pub(super) modules: BTreeMap<String, usize>,
    /// What it defines itself.
    pub(super) items: BTreeSet<String>,
    pub(super) uses: Vec<Use>,
    /// Paths other than those of `use`, with their lines.
    pub(super) paths: Vec<(Written, usize)>,
    /// The first names of paths, and names that stand alone.
    pub(super) names: BTreeSet<String>,
}

/// One name that a `use` brings.
pub(super) struct Use {
    pub(super) path: Written,
    pub(super) line: usize,
    pub(super) brings: Brings,
    /// Whether others may use the name from here.
    pub(super) for_others: bool,
}

#[derive(PartialEq, Eq)]
pub(super) enum Brings {
    Name(String),
    All,
}

impl Source {
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut source = Self::default();
        let folder = root.parent().unwrap_or(Path::new(""));
        let file = root.file_name().unwrap_or_default();
        source.file(folder, Path::new(file), Path::new(""), 0)?;
        Ok(source)
    }

    /// Reads a file, the modules of which are in the folder `children`, and returns its module.
    fn file(
        &mut self,
        base: &Path,
        file: &Path,
        children: &Path,
        parent: usize,
    ) -> io::Result<usize> {
        let text = fs::read_to_string(base.join(file))?;
        self.files.push(file.to_owned());
        let module = self.module(self.files.len() - 1, parent);
        let mut parser = Parser::new(&text);
        self.fill(&mut parser, module, &|source, name, parent| {
            source.child(base, &children.join(name), parent)
        })?;
        Ok(module)
    }

    fn child(&mut self, base: &Path, children: &Path, parent: usize) -> io::Result<usize> {
        let named = children.with_extension("rs");
        let file = if base.join(&named).exists() {
            named
        } else {
            children.join("mod.rs")
        };
        self.file(base, &file, children, parent)
    }

    fn module(&mut self, file: usize, parent: usize) -> usize {
        self.modules.push(Module {
            file,
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    /// Reads the rest of a module. `child` reads the file of a module in it.
    fn fill(
        &mut self,
        parser: &mut Parser,
        module: usize,
        child: &dyn Fn(&mut Self, &Path, usize) -> io::Result<usize>,
    ) -> io::Result<()> {
        while let Some(reading) = parser.next() {
            match reading {
                Reading::Module(name) => {
                    let read = child(self, Path::new(&name), module)?;
                    self.modules[module].modules.insert(name, read);
                }
                Reading::ModuleBegins(name) => {
                    let begun = self.module(self.modules[module].file, module);
                    self.fill(parser, begun, &|source, inner, parent| {
                        child(source, &Path::new(&name).join(inner), parent)
                    })?;
                    self.modules[module].modules.insert(name, begun);
                }
                Reading::ModuleEnds => break,
                Reading::Item(name) => drop(self.modules[module].items.insert(name)),
                Reading::Use(found) => self.modules[module].uses.extend(found),
                Reading::Path(path, line) => {
                    let module = &mut self.modules[module];
                    module.names.extend(path.first().cloned());
                    module.paths.push((path, line));
                }
            }
        }
        Ok(())
    }
}
