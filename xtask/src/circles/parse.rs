//! What a file says about names.

use super::source::{Brings, Use, Written};
use crate::tokens::{Token, Word, tokens};

/// Something that names are about.
pub(super) enum Reading {
    /// `mod name;`.
    Module(String),
    /// `mod name {`.
    ModuleBegins(String),
    ModuleEnds,
    /// The definition of a name in the module, not in something within.
    Item(String),
    Use(Vec<Use>),
    Path(Written, usize),
}

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// How many braces are open in each module that has begun.
    open: Vec<usize>,
}

impl Parser {
    pub(super) fn new(text: &str) -> Self {
        Self {
            tokens: tokens(text),
            at: 0,
            open: vec![0],
        }
    }

    pub(super) fn next(&mut self) -> Option<Reading> {
        loop {
            let Token { word, line, .. } = self.tokens.get(self.at)?.clone();
            let reading = match word {
                Word::Sign('#') => {
                    self.attribute();
                    None
                }
                Word::Sign('{') => {
                    *self.depth() += 1;
                    self.at += 1;
                    None
                }
                Word::Sign('}') => {
                    self.at += 1;
                    self.close()
                }
                Word::Name(name) => self.name(&name, line),
                Word::Within | Word::Sign(_) => {
                    self.at += 1;
                    None
                }
            };
            if reading.is_some() {
                return reading;
            }
        }
    }

    fn depth(&mut self) -> &mut usize {
        if self.open.is_empty() {
            self.open.push(0);
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn close(&mut self) -> Option<Reading> {
        if *self.depth() > 0 {
            *self.depth() -= 1;
            return None;
        }
        self.open.pop();
        Some(Reading::ModuleEnds)
    }

    fn name(&mut self, name: &str, line: usize) -> Option<Reading> {
        let follows = self.name_at(self.at + 1).map(str::to_owned);
        match (name, follows) {
            ("use", _) if !self.is(self.at + 1, '<') => {
                let for_others = self.is_for_others();
                self.at += 1;
                let mut uses = Vec::new();
                self.tree(&mut Vec::new(), for_others, &mut uses);
                Some(Reading::Use(uses))
            }
            ("mod", Some(module)) => {
                let begins = self.is(self.at + 2, '{');
                self.at += 3;
                if !begins {
                    return Some(Reading::Module(module));
                }
                self.open.push(0);
                Some(Reading::ModuleBegins(module))
            }
            ("fn" | "struct" | "enum" | "trait" | "type" | "const" | "static", Some(item))
                if !matches!(item.as_str(), "fn" | "unsafe" | "async" | "mut") =>
            {
                self.at += 2;
                (*self.depth() == 0).then_some(Reading::Item(item))
            }
            ("macro_rules", _) => {
                let item = self.name_at(self.at + 2).map(str::to_owned);
                self.at += 3;
                item.map(Reading::Item)
            }
            _ => self.path(line),
        }
    }

    fn path(&mut self, line: usize) -> Option<Reading> {
        let is_before = |back, word| self.at >= back && self.word_at(self.at - back) == Some(&word);
        // A method, a field (and not the end of a range), or the end of `<T as Trait>::method`.
        let goes_on = is_before(1, Word::Within)
            || (is_before(1, Word::Sign('.')) && !is_before(2, Word::Sign('.')));
        let mut path = Vec::new();
        while let Some(name) = self.name_at(self.at) {
            path.push(name.to_owned());
            self.at += 1;
            if self.word_at(self.at) != Some(&Word::Within) {
                break;
            }
            self.at += 1;
        }
        (!goes_on).then_some(Reading::Path(path, line))
    }

    /// One tree of a `use`, up to what follows it.
    fn tree(&mut self, path: &mut Written, for_others: bool, uses: &mut Vec<Use>) {
        let length = path.len();
        while let Some(Token { word, line, .. }) = self.tokens.get(self.at).cloned() {
            let found = |path: &Written, brings| Use {
                path: path.clone(),
                line,
                brings,
                for_others,
            };
            self.at += 1;
            match word {
                Word::Name(name) if name == "as" => {
                    let alias = self.name_at(self.at).unwrap_or("_").to_owned();
                    self.at += 1;
                    uses.push(found(path, Brings::Name(alias)));
                    break;
                }
                Word::Name(name) => {
                    if name != "self" || path.is_empty() {
                        path.push(name);
                    }
                    let ends = matches!(self.word_at(self.at), Some(Word::Sign(',' | ';' | '}')));
                    if ends {
                        let last = path.last().cloned().unwrap_or_default();
                        uses.push(found(path, Brings::Name(last)));
                        break;
                    }
                }
                Word::Within if path.is_empty() => path.push(String::new()),
                Word::Within => {}
                Word::Sign('*') => {
                    uses.push(found(path, Brings::All));
                    break;
                }
                Word::Sign('{') => {
                    while self.at < self.tokens.len() && !self.is(self.at, '}') {
                        self.tree(path, for_others, uses);
                        self.at += usize::from(self.is(self.at, ','));
                    }
                    self.at += 1;
                    break;
                }
                Word::Sign(_) => break,
            }
        }
        path.truncate(length);
    }

    /// Whether `pub` or `pub(...)` is in front.
    fn is_for_others(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).and_then(|at| self.name_at(at));
        let closed = self.at.checked_sub(1).is_some_and(|at| self.is(at, ')'));
        before(1) == Some("pub") || (closed && (4..9).any(|back| before(back) == Some("pub")))
    }

    /// Skips an attribute, and what it is on if that is compiled for tests only.
    fn attribute(&mut self) {
        self.at += 1;
        self.at += usize::from(self.is(self.at, '!'));
        let begin = self.at;
        self.group();
        let names: Vec<_> = (begin..self.at).filter_map(|at| self.name_at(at)).collect();
        let says = |name| names.contains(&name);
        if names.first() == Some(&"cfg") && says("test") && !says("not") && !says("any") {
            while self.is(self.at, '#') {
                self.at += 1;
                self.group();
            }
            self.skip_item();
        }
    }

    fn skip_item(&mut self) {
        let in_a_module = *self.depth() == 0;
        let is_use = (self.at..self.at + 6).find_map(|at| match self.name_at(at) {
            Some("pub" | "crate" | "super" | "in" | "self") | None => None,
            Some(name) => Some(name == "use"),
        });
        while let Some(word) = self.word_at(self.at).cloned() {
            match word {
                Word::Sign('}') => break,
                Word::Sign('{') => {
                    self.group();
                    if is_use != Some(true) {
                        break;
                    }
                }
                Word::Sign('(' | '[') => self.group(),
                Word::Sign(sign) => {
                    self.at += 1;
                    if sign == ';' || (sign == ',' && !in_a_module) {
                        break;
                    }
                }
                Word::Name(_) | Word::Within => self.at += 1,
            }
        }
    }

    /// Skips what is in brackets of any kind, them included.
    fn group(&mut self) {
        let mut open = 0_usize;
        while let Some(word) = self.word_at(self.at) {
            match word {
                Word::Sign('(' | '[' | '{') => open += 1,
                Word::Sign(')' | ']' | '}') => open = open.saturating_sub(1),
                Word::Sign(_) | Word::Within | Word::Name(_) => {}
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
    }

    fn word_at(&self, at: usize) -> Option<&Word> {
        self.tokens.get(at).map(|token| &token.word)
    }

    fn name_at(&self, at: usize) -> Option<&str> {
        match self.word_at(at)? {
            Word::Name(name) => Some(name),
            Word::Within | Word::Sign(_) => None,
        }
    }

    fn is(&self, at: usize, sign: char) -> bool {
        self.word_at(at) == Some(&Word::Sign(sign))
    }
}
